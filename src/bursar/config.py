"""Reading a config.json through the gate: every key is read, declared costless with a reason, or refused by name.

A family asks for the keys that it understands; `close` then refuses what is left. So a count can be wrong only where a
family says something wrong, never because a key was overlooked. Configs are untrusted: sizes, nesting and types are
checked, and nothing in them is executed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bursar.dims import Dim
from bursar.errors import ConfigError, shown
from bursar.notation import LETTERS

MAX_BYTES = 4 * 2**20  # a config.json is some kilobytes
MAX_DIM = 10**8  # no published size comes near; larger ones are typing errors
MAX_LAYERS = 10**4

_REQUIRED: Any = object()

COSTLESS: dict[str, tuple[str, ...]] = {
    "names and versions": (
        "model_type", "architectures", "auto_map", "_name_or_path", "name_or_path", "transformers_version", "_commit_hash",
        "tokenizer_class", "task_specific_params", "id2label", "label2id", "num_labels", "problem_type", "finetuning_task",
        "language", "_attn_implementation", "_attn_implementation_autoset", "attn_implementation",
    ),
    "token ids": (
        "bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id", "unk_token_id", "decoder_start_token_id",
        "forced_bos_token_id", "forced_eos_token_id", "suppress_tokens", "begin_suppress_tokens", "bad_words_ids", "prefix",
    ),
    "generation and output switches": (
        "use_cache", "return_dict", "return_dict_in_generate", "output_attentions", "output_hidden_states", "output_scores",
        "output_router_logits", "do_sample", "early_stopping", "max_length", "min_length", "temperature", "top_k", "top_p",
        "typical_p", "repetition_penalty", "length_penalty", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size",
        "num_beams", "num_beam_groups", "diversity_penalty", "num_return_sequences", "remove_invalid_values",
        "exponential_decay_length_penalty", "torchscript", "use_bfloat16", "chunk_size_feed_forward",
        "keys_to_ignore_at_inference", "tf_legacy_loss", "cross_attention_hidden_size",
    ),
    "initialization": ("initializer_range", "init_std", "initializer_factor", "embedding_initializer_range"),
    "constants inside a norm, a softmax, a loss or a rotation": (
        "rms_norm_eps", "layer_norm_epsilon", "layer_norm_eps", "norm_eps", "rope_theta", "rope_scaling", "rope_parameters",
        "rope_interleave", "original_max_position_embeddings", "scale_attn_weights", "scale_attn_by_inverse_layer_idx",
        "reorder_and_upcast_attn", "router_aux_loss_coef", "router_jitter_noise", "aux_loss_alpha", "seq_aux",
        "routed_scaling_factor", "norm_topk_prob", "scoring_func", "n_group", "topk_group",
    ),
    "storage of the published checkpoint; a plan chooses its own precision": ("torch_dtype", "dtype", "quantization_config"),
    "how a framework once split the checkpoint": ("pretraining_tp", "ep_size", "gradient_checkpointing"),
}  # fmt: skip

_REASONS = {key: reason for reason, keys in COSTLESS.items() for key in keys}


class Config:
    """The keys of one config.json, each of which must be asked for or be costless.

    With `symbols`, dimensions come back as SymPy symbols (letters of `notation.py`), so that the same family builds the
    symbolic tree; structure (counts of kinds, flags, choices) stays as it is. `mtp` asks for multi-token-prediction modules.
    """

    def __init__(self, values: Mapping[str, Any], where: str, *, symbols: bool = False, mtp: bool = False) -> None:
        self.values = values
        self.where = where
        self.symbols = symbols
        self.mtp = mtp
        self._read: set[str] = set()
        self._inside: list[Config] = []

    def dim(self, *keys: str, default: Dim = _REQUIRED, low: int = 1, high: int = MAX_DIM) -> Dim:
        """A dimension: a whole number from `low` to `high`, or its symbol. Keys are other names of the same thing."""
        key, value = self._find(keys, default)
        if value is None or key is None:
            return value
        return self._symbol(key) if self.symbols and key in LETTERS else self._whole(key, value, low, high)

    def inside(self, key: str, *, symbols: bool | None = None) -> Config:
        """The gate of a config inside the config, which is closed with this one. A letter stands for one thing, so that only one
        of several parts is read in symbols."""
        values = self.values.get(key)
        if not isinstance(values, dict):
            raise self._wrong(key, values, "a config of its own")
        self._read.add(key)
        part = Config(values, f"{self.where}, {key}", symbols=self.symbols if symbols is None else symbols, mtp=self.mtp)
        self._inside.append(part)
        return part

    def layers(self, *keys: str) -> Dim:
        """A number of layers: a dimension small enough to list."""
        return self.dim(*keys, high=MAX_LAYERS)

    def has(self, *keys: str) -> None:
        """Keys that must be there, because a library's default for a missing one is no fact of the model; null is a value."""
        for key in keys:
            if key not in self.values:
                raise ConfigError(f"missing config key {key!r}", field=key, where=self.where, valid="a value, or null")

    def count(self, *keys: str, default: int = _REQUIRED, low: int = 0, high: int = MAX_LAYERS) -> int:
        """A whole number that decides structure, never a symbol."""
        key, value = self._find(keys, default)
        return value if key is None else self._whole(key, value, low, high)

    def counts(self, key: str, default: Sequence[int]) -> Sequence[int]:
        """A list of whole numbers that decides structure, such as layer indices."""
        _, value = self._find((key,), default)
        if not isinstance(value, (list, tuple)) or len(value) > MAX_LAYERS:
            raise self._wrong(key, value, f"a list of up to {MAX_LAYERS} whole numbers")
        return [self._whole(key, item, 0, MAX_LAYERS) for item in value]

    def flag(self, key: str, default: bool = _REQUIRED) -> bool:
        _, value = self._find((key,), default)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true, false")
        return value

    def probability(self, key: str, default: float = 0.0) -> float:
        _, value = self._find((key,), default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
            raise self._wrong(key, value, "a number from 0 to below 1")
        return float(value)

    def share(self, key: str, default: float = _REQUIRED) -> float:
        """A part of a whole: a number above 0, at most 1."""
        _, value = self._find((key,), default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
            raise self._wrong(key, value, "a number above 0, at most 1")
        return value

    def present(self, key: str, default: float | None = _REQUIRED) -> bool:
        """Whether a number above zero is given, whose size costs nothing; null says no."""
        _, value = self._find((key,), default)
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0):
            raise self._wrong(key, value, "a number above 0, or null")
        return value is not None

    def choice(self, key: str, valid: Sequence[str], default: str = _REQUIRED) -> str:
        """One of the words that the family knows."""
        _, value = self._find((key,), default)
        if not isinstance(value, str) or value not in valid:
            raise self._wrong(key, value, valid)
        return value

    def choices(self, key: str, valid: Sequence[str], length: int) -> Sequence[str] | None:
        """A list with one known word per layer, or None where the key is absent."""
        _, value = self._find((key,), None)
        if value is None:
            return None
        if not isinstance(value, (list, tuple)) or len(value) != length:
            raise self._wrong(key, value, f"a list of {length} of {', '.join(valid)}")
        for item in value:
            if item not in valid:
                raise self._wrong(key, item, valid)
        return value

    def ignore(self, reason: str, *keys: str) -> None:
        """Keys that cost nothing in this family, for the reason given."""
        if not reason:
            raise ValueError("a key is ignored for a reason")
        self._read.update(keys)

    def expect(self, key: str, *valid: object) -> None:
        """A key that may only have the values whose cost the family knows."""
        if key in self.values:
            self._read.add(key)
            if not any(self.values[key] == value and type(self.values[key]) is type(value) for value in valid):
                raise self._wrong(key, self.values[key], [json.dumps(value) for value in valid])

    def unread(self) -> list[str]:
        """The keys that were neither read nor are costless."""
        return [key for key in self.values if key not in self._read and key not in _REASONS]

    def close(self, family: str) -> None:
        """Refuse every key that was neither read nor is costless."""
        for part in self._inside:
            part.close(family)
        if unknown := self.unread():
            named = ", ".join(shown(key) for key in unknown[:5]) + (" …" if len(unknown) > 5 else "")
            raise ConfigError(
                f"config key{'s' if len(unknown) > 1 else ''} {named} unknown to family {family!r}: counting on would be a guess",
                field=unknown[0], value=self.values[unknown[0]], where=self.where,
                valid="keys that the family reads or that cost nothing",
            )  # fmt: skip

    def _find(self, keys: tuple[str, ...], default: Any) -> tuple[str | None, Any]:
        """The first of the keys that is there, with its value; (None, default) if none is. Null means absent."""
        present = [key for key in keys if key in self.values]
        self._read.update(present)
        given = [(key, self.values[key]) for key in present if self.values[key] is not None]
        if len({json.dumps(value, default=str) for _, value in given}) > 1:
            raise ConfigError(
                f"{given[0][0]}={shown(given[0][1])} contradicts {given[1][0]}={shown(given[1][1])}", where=self.where
            )
        if given:
            return given[0]
        if default is _REQUIRED:
            raise ConfigError(f"missing config key {keys[0]!r}", field=keys[0], where=self.where, valid=f"{' or '.join(keys)}")
        return None, default

    def _whole(self, key: str, value: Any, low: int, high: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self._wrong(key, value, f"a whole number from {low:,} to {high:,}")
        return value

    def _symbol(self, key: str) -> Dim:
        import sympy

        return sympy.Symbol(LETTERS[key], positive=True, integer=True)

    def _wrong(self, key: str, value: Any, valid: Any) -> ConfigError:
        return ConfigError(f"{key} is {shown(value)}", field=key, value=value, where=self.where, valid=valid)


def parse(text: str, where: str) -> dict[str, Any]:
    """A config.json's text as a dict; truncated, nested too deep or no object at all is a ConfigError."""
    if len(text) > MAX_BYTES:
        raise ConfigError(f"config of {len(text):,} bytes", where=where, valid=f"at most {MAX_BYTES:,} bytes")
    try:
        values = json.loads(text)
    except RecursionError:
        raise ConfigError("config is nested too deep", where=where) from None
    except ValueError as error:
        raise ConfigError(f"not valid JSON: {error}", where=where, valid="a whole config.json") from None
    if not isinstance(values, dict):
        raise ConfigError(f"a config must be a JSON object, not {shown(values)}", where=where)
    return values


def read_file(path: Path) -> dict[str, Any]:
    """A config.json, or the config.json of a folder."""
    file = path / "config.json" if path.is_dir() else path
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError(f"config of {file.stat().st_size:,} bytes", where=str(path), valid=f"at most {MAX_BYTES:,} bytes")
        return parse(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"cannot read {file}: {reason}", where="config") from None
