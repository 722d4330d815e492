"""What a model holds for the next token: elements of keys and values of every token, and of the state of scans and convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

STATES = ("conv_states", "recurrent_states")
PER_TOKEN = ("keys", "values", "indexer_keys")


class Held(NamedTuple):
    """Elements of all sequences: `cache` of the tokens that are kept, `dropped` of those that a full window let go after the step
    (below zero where it is not cut), `state` of what is the same at any length."""

    cache: int
    dropped: int
    state: int


def held(model: Any, given: Mapping[str, Any]) -> Held | None:
    """What transformers' cache holds after a forward pass, nothing of a model that has none (an encoder takes no `use_cache`), None
    where it hands out none of what it has."""
    if "use_cache" not in given:
        return Held(0, 0, 0)
    with torch.no_grad():
        made = model(**given)
    found = made.get("past_key_values", made.get("cache_params"))
    if found is None:
        return None
    parts = [getattr(found, name) for name in ("self_attention_cache", "cross_attention_cache") if hasattr(found, name)]
    cache = dropped = state = 0
    for part in parts or [found]:
        state += _elements(getattr(part, "linear_cache", ()))
        for layer in part.layers:
            state += sum(_elements(getattr(layer, name, ())) for name in STATES)
            cache += sum(_elements(getattr(layer, name, None)) for name in PER_TOKEN)
            dropped += _dropped(layer, given)
    return Held(cache, dropped, state)


def _dropped(layer: Any, given: Mapping[str, Any]) -> int:
    """What a full window is larger than what is kept of it: the oldest token, whose place the next one takes."""
    ids = given.get("decoder_input_ids", given.get("input_ids"))
    if ids is None or not getattr(layer, "is_sliding", False) or ids.shape[1] < layer.sliding_window:
        return 0
    kept = [tensor for name in ("keys", "values") for tensor in _tensors(getattr(layer, name, None)) if tensor.shape[-2]]
    return sum(tensor.numel() // tensor.shape[-2] * (layer.sliding_window - tensor.shape[-2]) for tensor in kept)


def _elements(found: Any) -> int:
    return sum(tensor.numel() for tensor in _tensors(found))


def _tensors(found: Any) -> list[Any]:
    """Every tensor of a layer's entry, however it is nested."""
    if isinstance(found, torch.Tensor):
        return [found]
    items = found.values() if isinstance(found, dict) else found if isinstance(found, (list, tuple)) else ()
    return [tensor for item in items for tensor in _tensors(item)]
