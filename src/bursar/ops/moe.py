"""Mixture of experts: a nested block that sees top_k copies of every token (arXiv:1701.06538, arXiv:2101.03961)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bursar.dims import Dim, ceil_div, split
from bursar.formula import formula
from bursar.step import Step
from bursar.tree import Nested, Wire


@dataclass(frozen=True)
class Experts(Nested):
    """`experts` copies of `block`, each token through `top_k` of them, the results summed by the router's weights.

    Inside, the step counts token copies over all experts of this rank, so FLOPs and activations follow from tokens · top_k
    and parameters from the number of experts. Over an expert-parallel group a rank receives `busy` copies for every `mean`
    copies that it sends: as many where routing is balanced, more on the busiest rank where it is not.
    """

    read: Wire
    routes: Wire
    experts: Dim
    top_k: Dim
    size: Dim
    gathered: Dim = 1  # ranks whose tokens meet again inside, to be worked on by cut experts
    busy: Dim = 1
    mean: Dim = 1
    slot: ClassVar[str] = "experts"
    kind: ClassVar[str] = "experts"

    @property
    def width(self) -> Dim:
        return self.size

    @property
    def instances(self) -> Dim:
        return self.experts

    @formula("token copies that a rank sends to experts", "1", "sparsely-gated")
    def sent(self, step: Step) -> Dim:
        """tokens · top_k, spread over the ranks that share the tokens."""
        return split(step.tokens * self.top_k * self.gathered, self.over, "token copies", "tp")

    @formula("token copies that the experts of a rank see", "1", "gshard")
    def received(self, step: Step) -> Dim:
        copies = self.sent(step)
        return copies if self.busy is self.mean else ceil_div(copies * self.busy, self.mean)

    def inner(self, step: Step) -> Step:
        """The copies that this rank receives."""
        return Step(self.received(step), 1, 0, step.mask)

    @formula("parameters a token does not use", "1")
    def idle_weights(self) -> Dim:
        return (self.experts - self.top_k) * sum([op.weights() for op in self.block.lines.values()])

    @formula("elements moved, forward", "1")
    def moved(self, step: Step) -> Dim:
        return 2 * self.made(step) * (1 + self.top_k)  # gather the copies, then sum them back

    backward_moved = moved  # the gradient of the sum goes to every copy, the gradients of the copies are summed
