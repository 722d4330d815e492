"""Layers of which some look back on a window and some on everything, in a pattern or as listed."""

from __future__ import annotations

from collections.abc import Callable

from bursar.config import Config
from bursar.dims import Dim
from bursar.families._common import runs
from bursar.tree import Block, Repeat


def alternating(c: Config, pattern: int, layer: Callable[[Dim | None], Block]) -> tuple[Repeat, ...]:
    """Layers as `layer_types` lists them, else every `pattern`-th with full attention; `layer` takes the window."""
    layers = c.count("num_hidden_layers", low=1)
    window = c.dim("sliding_window")
    kinds = c.choices("layer_types", ("full_attention", "sliding_attention"), layers)
    if kinds is None:
        kinds = ["sliding_attention" if (i + 1) % pattern else "full_attention" for i in range(layers)]
    return runs(kinds, lambda kind: layer(window if kind == "sliding_attention" else None))
