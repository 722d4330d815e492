"""What several families read in the same way: a default head width, and which layer is of which kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import groupby

from bursar.config import Config
from bursar.dims import Dim, floor_div, split
from bursar.errors import ConfigError
from bursar.tree import Block, Repeat

ACTIVATIONS = ("gelu", "gelu_new", "gelu_fast", "gelu_python", "gelu_pytorch_tanh", "quick_gelu", "relu", "relu2", "silu")


def head_dim(c: Config, h: Dim, heads: Dim) -> Dim:
    """`head_dim`, or hidden size over heads where a config leaves it out."""
    given = c.dim("head_dim", default=None)
    return split(h, heads, "hidden_size", "num_attention_heads") if given is None else given


def rotated(c: Config, d: Dim, *keys: str, default: float = 1.0) -> Dim:
    """Rotated width of a head: `partial_rotary_factor` (or what a family calls it) of it, rounded down."""
    share = Fraction(str(next((c.share(key) for key in keys or ("partial_rotary_factor",) if key in c.values), default)))
    return floor_div(d * share.numerator, share.denominator)


def runs(kinds: Sequence[str], layer: Callable[[str], Block]) -> tuple[Repeat, ...]:
    """Layers listed by kind, as runs of equal ones; each kind is one block."""
    blocks = {kind: layer(kind) for kind in dict.fromkeys(kinds)}
    return tuple(Repeat(len(list(group)), blocks[kind]) for kind, group in groupby(kinds))


def windowed(c: Config, layer: Callable[[Dim | None], Block]) -> tuple[Repeat, ...]:
    """Qwen's sliding windows: off by default, else from layer `max_window_layers` on, or as `layer_types` says."""
    layers = c.layers("num_hidden_layers")
    used = c.flag("use_sliding_window", False)
    window = c.dim("sliding_window", default=None)
    first = c.count("max_window_layers", default=0)
    kinds = c.choices("layer_types", ("full_attention", "sliding_attention"), c.count("num_hidden_layers"))
    if kinds is None:
        if not used or window is None:
            return (Repeat(layers, layer(None)),)
        c.has("max_window_layers")
        kinds = ["sliding_attention" if i >= first else "full_attention" for i in range(c.count("num_hidden_layers"))]
    if "sliding_attention" in kinds and not (used and window):
        raise ConfigError("layer_types has sliding_attention without a window in use", where=c.where, valid="use_sliding_window")
    return runs(kinds, lambda kind: layer(window if kind == "sliding_attention" else None))


def top_k(c: Config, experts: Dim) -> Dim:
    """Routed experts per token: no more than there are."""
    return c.dim("num_experts_per_tok", high=experts if isinstance(experts, int) else 10**4)
