"""Attention of patches to those of their own window (arXiv:2103.14030, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

from bursar.dims import Dim
from bursar.formula import formula
from bursar.ops.attention import Attention
from bursar.step import Step


@dataclass(frozen=True)
class WindowAttention(Attention):
    """A sequence is cut in windows of `within` tokens each, without overlap, and every token attends to all of its window."""

    causal: bool = False
    within: Dim = 1

    def pairs(self, step: Step) -> Dim:
        return step.queries * self.within

    @formula("elements of the score matrices", "1")
    def square(self, step: Step) -> Dim:
        return step.sequences * self.heads * self.pairs(step)
