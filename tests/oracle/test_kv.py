"""Proves that the KV cache and the recurrent state are what transformers' models really hold after a forward pass: the elements of
every tensor in `past_key_values`, for the small configs of every decoder, below and above their windows.

Ours is what the architecture needs. Where transformers holds something else, it is named here with its arithmetic:

- After a step it drops the oldest token of a full window, because the next one takes its place; we count the window that the
  attention looked at.
- `WHOLE` families hold every token of a layer with a window.
- Falcon's new architecture holds keys and values repeated to all heads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from bursar.model import load

from . import reference
from .families import spec
from .small import SMALL
from .values import Values

torch = pytest.importorskip("torch", reason="the oracle is PyTorch: pip install torch")

BATCH = 2
BF16 = 2  # bytes per element


class Held(NamedTuple):
    """Elements that one sequence holds: tokens of the cache, and the state that is the same at any length."""

    cache: int
    state: int


def tensors(found: Any) -> list[Any]:
    """Every tensor of a layer's entry, however it is nested."""
    if isinstance(found, torch.Tensor):
        return [found]
    items = found.values() if isinstance(found, dict) else found if isinstance(found, (list, tuple)) else ()
    return [tensor for item in items for tensor in tensors(item)]


def held(model: Any, values: Values, seq: int) -> Held:
    """What the model holds after a forward pass of `seq` tokens."""
    with torch.no_grad():
        made = model(**reference.inputs(values, seq, BATCH, "meta"))
    cache = made["past_key_values"] if "past_key_values" in made else made["cache_params"]
    tokens = state = 0
    for layer in cache.layers:
        state += sum(tensor.numel() for name in ("conv_states", "recurrent_states") for tensor in tensors(getattr(layer, name, ())))
        kept = [tensor for name in ("keys", "values") for tensor in tensors(getattr(layer, name, None))]
        tokens += sum(tensor.numel() for tensor in (*kept, *tensors(getattr(layer, "indexer_keys", None))))
        if getattr(layer, "is_sliding", False) and seq >= layer.sliding_window:  # the token that was dropped
            tokens += sum(tensor.numel() // tensor.shape[-2] for tensor in kept)
    state += sum(tensor.numel() for tensor in tensors(getattr(cache, "linear_cache", ())))
    return Held(tokens // BATCH, state // BATCH)


def decoder(values: Values) -> bool:
    """Whether transformers has the model, as a decoder, and with a cache on the meta device."""
    family = spec(values["model_type"])
    if getattr(family, "AUTO", "AutoModelForCausalLM") != "AutoModelForCausalLM" or hasattr(family, "build"):
        return False
    return bool(reference.inputs(values, 1, 1, "meta")["use_cache"])


DECODERS = [name for name, values in SMALL.items() if decoder(values)]
WHOLE = ("gpt_neo", "minimax")


def repeated(values: Values) -> int:
    """How often transformers holds a head of keys and values."""
    new = values["model_type"] == "falcon" and values.get("new_decoder_architecture", False)
    return int(values["num_attention_heads"] // values["num_kv_heads"]) if new else 1


@pytest.mark.parametrize("name", DECODERS)
def test_the_cache_is_what_transformers_holds(name: str) -> None:
    """At a length within the windows of the small configs, at one beyond them, and between two lengths, what a token adds."""
    values = SMALL[name]
    model, copies = reference.build(values).eval(), repeated(values)
    per_token = load(values).kv(3).elements_per_token
    for seq in (4, 11):
        ours, theirs = load(values).kv(seq, BATCH), held(model, values, seq)
        whole = values["model_type"] in WHOLE
        assert theirs.cache == copies * (seq * per_token if whole else ours.bytes // (BATCH * BF16)), seq
        assert ours.state_bytes == BF16 * theirs.state, seq
    assert held(model, values, 3).cache - held(model, values, 2).cache == copies * per_token
