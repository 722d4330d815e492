"""Proves what layers of several kinds attend to and hold: `mask="causal"` counts the pairs that have a weight in a real forward
pass of transformers, and the KV cache of a layer with a window ends at the window."""

from __future__ import annotations

import pytest

from bursar.model import load

from . import reference
from .small import SMALL

WINDOWS = ["gemma2", "gemma2-listed-biases", "gemma3_text", "gemma3_text-pattern-untied", "cohere2", "cohere2-listed-biases"]


@pytest.mark.parametrize("seq", [4, 11])
@pytest.mark.parametrize("name", [*WINDOWS, "phi3", "phi3-window-tied"])
def test_causal_counts_the_attended_pairs(name: str, seq: int) -> None:
    values = SMALL[name]
    width = values.get("head_dim", values["hidden_size"] // values["num_attention_heads"])
    pairs = reference.attended_pairs(reference.build(values, device="cpu", attention="eager"), seq, 2)
    assert load(values).flops(seq, 2, mask="causal").by_kind["attention"] == pairs * 2 * (width + width)


# (sliding layers, window, full layers, heads of keys and values, width of a head)
CACHES = {
    "gemma2-9b": (21, 4096, 21, 8, 256),
    "gemma2-27b": (23, 4096, 23, 16, 128),
    "gemma3-1b": (22, 512, 4, 1, 256),  # 26 layers, the 6th, 12th, 18th and 24th full
    "gemma3-27b-text": (52, 1024, 10, 16, 128),
    "command-r7b": (24, 4096, 8, 8, 128),
}


@pytest.mark.parametrize("name", CACHES)
def test_cache_by_hand(name: str) -> None:
    sliding, window, full, heads, width = CACHES[name]
    held = load(name).kv(8192, 3)
    assert held.elements_per_token == (sliding + full) * 2 * heads * width
    assert held.bytes == 3 * 2 * (sliding * window + full * 8192) * 2 * heads * width  # 3 sequences, 2 bytes
