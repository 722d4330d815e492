"""What transformers' modules keep and hold otherwise than is predicted, family by family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from bursar.families import file_of

Values: TypeAlias = Mapping[str, Any]


class Bytes(NamedTuple):
    """A tensor, the bytes that are described and kept of it, and the key of why they differ, each of (config,
    bytes of a working element, length, sequences)."""

    tensor: str
    described: Callable[[Values, int, int, int], int]
    kept: Callable[[Values, int, int, int], int]
    reason: str


def _head(values: Values) -> int:
    """Elements of a head."""
    return int(values.get("head_dim") or values["hidden_size"] // values["num_attention_heads"])


def _rotated(values: Values) -> int:
    """Elements of a head that MiniMax's own code rotates."""
    return int(_head(values) * values.get("partial_rotary_factor", 1))


SAVED: Mapping[str, tuple[Bytes, ...]] = {
    "minimax": (
        Bytes(
            "rotary tables",
            lambda values, width, seq, batch: 2 * seq * _rotated(values) * width,
            lambda values, width, seq, batch: 2 * seq * _head(values) * width,
            "cause_rotated",
        ),
    ),
}


def saved(values: Values, width: int, seq: int, batch: int) -> list[tuple[int, str]]:
    """Bytes described less bytes kept, and why; `width` bytes an element."""
    rows = SAVED.get(file_of(values["model_type"]), ())
    return [(row.described(values, width, seq, batch) - row.kept(values, width, seq, batch), row.reason) for row in rows]


class Cache(NamedTuple):
    """Elements that transformers' cache holds of a family, of (config, elements of a token in all layers, elements that the
    attention looks at, tokens of all sequences), and the key of why."""

    held: Callable[[Values, int, int, int], int]
    reason: str


def _whole(values: Values, per_token: int, seen: int, tokens: int) -> int:
    return per_token * tokens


def _repeated(values: Values, per_token: int, seen: int, tokens: int) -> int:
    new = values.get("new_decoder_architecture", False)
    return seen * (values["num_attention_heads"] // values["num_kv_heads"] if new else 1)


CACHE: Mapping[str, Cache] = {
    "falcon": Cache(_repeated, "cause_repeated"),
    "gpt_neo": Cache(_whole, "cause_whole"),
    "minimax": Cache(_whole, "cause_whole"),
}


def cached(values: Values, per_token: int, seen: int, tokens: int) -> tuple[int, str] | None:
    """Elements predicted less elements held, and why."""
    row = CACHE.get(file_of(values["model_type"]))
    return (seen - row.held(values, per_token, seen, tokens), row.reason) if row else None
