"""A row of every token times one number: the gate of Qwen2-MoE's shared expert (arXiv:2407.10671, section 2.2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bursar.dims import Dim
from bursar.formula import formula
from bursar.step import Step
from bursar.tree import Op, Wire


@dataclass(frozen=True)
class Scaled(Op):
    """σ(score) · x: `score` is one number a token, `x` is (tokens, size)."""

    score: Wire
    read: Wire
    size: Dim
    slot: ClassVar[str] = "scaled"
    follows: ClassVar[tuple[str, ...]] = ("size",)

    @property
    def width(self) -> Dim:
        return self.size

    @formula("elements moved, forward", "1", "qwen2")
    def moved(self, step: Step) -> Dim:
        return self.tokens(step) * (2 * self.size + 1)

    @formula("elements moved, backward", "1", "qwen2")
    def backward_moved(self, step: Step) -> Dim:
        return self.tokens(step) * (3 * self.size + 2)  # the gradient, x and σ in; two gradients out
