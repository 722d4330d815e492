"""The product of two towers: how alike every text of a batch is to every picture of it (arXiv:2103.00020, section 2.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bursar.dims import Dim
from bursar.formula import formula
from bursar.step import Step
from bursar.tree import Op, Wire


@dataclass(frozen=True)
class Similarity(Op):
    """t · T Pᵀ + b of the embeddings of texts and of pictures, with the learned numbers t and b, and the sigmoid loss of every
    pair (arXiv:2303.15343, section 3). It grows with the square of the batch that one rank compares."""

    texts: Wire
    pictures: Wire
    d: Dim
    slot: ClassVar[str] = "similarity"
    kind: ClassVar[str] = "logits"
    engine: ClassVar[str] = "matmul"
    makes: ClassVar[str] = "logits"
    follows: ClassVar[tuple[str, ...]] = ()

    @property
    def width(self) -> Dim:
        """Elements that are not of a pair of sequences."""
        return 0

    def shapes(self) -> dict[str, tuple[Dim, ...]]:
        return {"scale": (1,), "bias": (1,)}

    @formula("pairs of a text and a picture", "1", "siglip")
    def made(self, step: Step) -> Dim:
        return step.sequences**2

    @formula("FLOPs, forward", "FLOP")
    def flops(self, step: Step) -> Dim:
        return 2 * self.made(step) * self.d

    @formula("FLOPs, gradients of texts and pictures", "FLOP")
    def grad_flops(self, step: Step) -> tuple[Dim, Dim]:
        return 2 * self.flops(step), 0  # one product for each of the two

    @formula("elements moved, forward", "1")
    def moved(self, step: Step) -> Dim:
        return 2 * step.sequences * self.d + self.made(step)

    @formula("elements moved, backward", "1")
    def backward_moved(self, step: Step) -> Dim:
        return 2 * self.moved(step)
