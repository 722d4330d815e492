"""Learned vectors and tables that are no look-up by token: a class token, biases of relative positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bursar.dims import Dim
from bursar.formula import formula
from bursar.ops.elementwise import Pointwise
from bursar.step import Step
from bursar.tree import Op


@dataclass(frozen=True)
class ClassToken(Pointwise):
    """A learned vector before the tokens of every sequence (arXiv:2010.11929, section 3.1); the step counts it as a token."""

    slot: ClassVar[str] = "nothing"
    kind: ClassVar[str] = "embedding"

    def shapes(self) -> dict[str, tuple[Dim, ...]]:
        return {"token": (self.size,)}


@dataclass(frozen=True)
class PositionBias(Op):
    """A learned number per head and bucket of distances that is added to the scores (arXiv:1910.10683, section 2.1). The square
    of biases is made once and read by all layers."""

    buckets: Dim
    heads: Dim
    slot: ClassVar[str] = "position_bias"
    kind: ClassVar[str] = "embedding"

    @property
    def width(self) -> Dim:
        """Biases of one pair of positions."""
        return self.heads

    def shapes(self) -> dict[str, tuple[Dim, ...]]:
        return {"weight": (self.buckets, self.heads)}

    @formula("elements of the square of biases", "1", "t5")
    def made(self, step: Step) -> Dim:
        return self.heads * step.queries * step.keys  # one for all sequences

    @formula("elements moved, forward", "1", "t5")
    def moved(self, step: Step) -> Dim:
        return self.made(step)

    @formula("elements moved, backward", "1", "t5")
    def backward_moved(self, step: Step) -> Dim:
        return self.made(step)  # its gradient, read once and summed into the table
