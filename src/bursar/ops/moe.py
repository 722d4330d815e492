"""Mixture of experts: a nested block that sees top_k copies of every token (arXiv:1701.06538, arXiv:2101.03961)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bursar.dims import Dim, split
from bursar.formula import formula
from bursar.step import Step
from bursar.tree import Nested, Wire


@dataclass(frozen=True)
class Experts(Nested):
    """`experts` copies of `block`, each token through `top_k` of them, the results summed by the router's weights.

    Inside, the step counts token copies over all experts of this rank, so FLOPs and activations follow from tokens · top_k
    and parameters from the number of experts. Routing is taken as balanced: over an expert-parallel group a rank receives as
    many copies as it sends.
    """

    read: Wire
    routes: Wire
    experts: Dim
    top_k: Dim
    size: Dim
    gathered: Dim = 1  # ranks whose tokens meet again inside, to be worked on by cut experts
    slot: ClassVar[str] = "experts"
    kind: ClassVar[str] = "experts"

    @property
    def width(self) -> Dim:
        return self.size

    @property
    def instances(self) -> Dim:
        return self.experts

    def inner(self, step: Step) -> Step:
        """tokens · top_k copies, spread over the ranks that share the tokens."""
        return Step(split(step.tokens * self.top_k * self.gathered, self.over, "token copies", "tp"), 1, 0, step.mask)

    @formula("parameters a token does not use", "1")
    def idle_weights(self) -> Dim:
        return (self.experts - self.top_k) * sum([op.weights() for op in self.block.lines.values()])

    @formula("elements moved, forward", "1")
    def moved(self, step: Step) -> Dim:
        return 2 * self.made(step) * (1 + self.top_k)  # gather the copies, then sum them back
