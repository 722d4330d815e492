"""Optimizers as data: the state tensors that each keeps beside a parameter, and its update.

The master copy of the weights is no state of the optimizer: a precision recipe decides on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from types import MappingProxyType

from bursar.errors import UnknownNameError
from bursar.precision import bytes_of


@dataclass(frozen=True)
class Optimizer:
    """`state` lists (name, bits per parameter) of what is kept between steps."""

    name: str
    state: tuple[tuple[str, int | Fraction], ...]
    update: str
    source: str

    @cached_property
    def bytes_per_parameter(self) -> int | Fraction:
        return bytes_of(sum((Fraction(bits) for _, bits in self.state), Fraction(0)))


FP32 = 32
BLOCK_8BIT = 8 + Fraction(32, 2048)  # one FP32 absolute maximum per 2048 values

OPTIMIZERS: Mapping[str, Optimizer] = MappingProxyType({
    optimizer.name: optimizer
    for optimizer in (
        Optimizer("sgd", (), "θ ← θ − ηg", "sgd"),
        Optimizer("momentum", (("momentum", FP32),), "v ← γv + g; θ ← θ − ηv", "momentum"),
        Optimizer("rmsprop", (("square_avg", FP32),), "E ← ρE + (1−ρ)g²; θ ← θ − ηg/(√E+ε)", "rmsprop"),
        Optimizer("adagrad", (("sum", FP32),), "c ← c + g²; θ ← θ − ηg/(√c+ε)", "adagrad"),
        Optimizer("adam", (("exp_avg", FP32), ("exp_avg_sq", FP32)), "θ ← θ − η·m̂/(√v̂+ε)", "adam"),
        Optimizer("adamw", (("exp_avg", FP32), ("exp_avg_sq", FP32)), "θ ← (1−ηλ)θ − η·m̂/(√v̂+ε)", "adamw"),
        Optimizer("adamw-8bit", (("exp_avg", BLOCK_8BIT), ("exp_avg_sq", BLOCK_8BIT)), "AdamW in 8-bit blocks", "adam-8bit"),
        Optimizer("lamb", (("exp_avg", FP32), ("exp_avg_sq", FP32)), "u ← m̂/(√v̂+ε) + λθ; θ ← θ − η·‖θ‖/‖u‖·u", "lamb"),
    )
})  # fmt: skip


def optimizer(name: str) -> Optimizer:
    """An optimizer by name."""
    if name not in OPTIMIZERS:
        raise UnknownNameError("optimizer", name, OPTIMIZERS)
    return OPTIMIZERS[name]
