"""Lightning attention (arXiv:2401.04658): linear attention with a fixed decay per head, computed chunk by chunk.

Per head, the state S is (head_dim, head_dim): S_t = λ S_{t−1} + k_tᵀ v_t and o_t = q_t S_t. Over a chunk of tokens at once (section
3.2) the products are Q Kᵀ and its product with V within the chunk, Q S with the state before it, and Kᵀ V for the state after it.
The decays λ are constants of head and layer, no parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from bursar.dims import Dim, ceil_div, floor_div
from bursar.formula import formula
from bursar.step import Step
from bursar.tree import Op, Wire


def pairs_within(step: Step, chunk: Dim) -> Dim:
    """Pairs of tokens of one sequence that are in the same chunk: their squares in full, their triangles if causal. Chunks begin
    with the queries, because the state stands for what is past."""
    if step.mask != "full":
        return replace(step, past=0).pairs(chunk=chunk)
    whole = floor_div(step.queries, chunk)
    rest = step.queries - whole * chunk
    return whole * chunk * chunk + rest * rest


@dataclass(frozen=True)
class LightningAttention(Op):
    """Q, K and V are (tokens, heads, head_dim)."""

    q: Wire
    k: Wire
    v: Wire
    heads: Dim
    head_dim: Dim
    chunk: Dim
    slot: ClassVar[str] = "lightning"
    follows: ClassVar[tuple[str, ...]] = ("heads",)
    kind: ClassVar[str] = "scan"
    engine: ClassVar[str] = "attention"

    @property
    def width(self) -> Dim:
        return self.heads * self.head_dim

    @formula("pairs of tokens within chunks, of all heads and sequences", "1", "lightning")
    def squares(self, step: Step) -> Dim:
        return step.sequences * self.heads * pairs_within(step, self.chunk)

    @formula("elements of the states before every chunk", "1", "lightning")
    def states(self, step: Step) -> Dim:
        return step.sequences * ceil_div(step.queries, self.chunk) * self.state()

    @formula("FLOPs, forward", "FLOP", "lightning")
    def flops(self, step: Step) -> Dim:
        within = self.squares(step) * 2 * self.head_dim  # Q Kᵀ, and its product with V
        across = step.tokens * self.heads * 2 * self.head_dim * self.head_dim  # Q S and Kᵀ V
        return 2 * (within + across)

    @formula("FLOPs, gradients of Q, K and V", "FLOP", "lightning")
    def grad_flops(self, step: Step) -> tuple[Dim, Dim]:
        return 2 * self.flops(step), 0  # two products for each one

    @formula("FLOPs, computing the states again", "FLOP", "lightning")
    def rerun_flops(self, step: Step) -> Dim:
        within = self.squares(step) * self.head_dim  # Q Kᵀ
        return 2 * (within + step.tokens * self.heads * self.head_dim * self.head_dim)  # and Kᵀ V

    @formula("elements moved, forward", "1", "lightning")
    def moved(self, step: Step) -> Dim:
        return 4 * self.made(step)  # Q, K and V in, the result out

    @formula("elements moved, backward", "1", "lightning")
    def backward_moved(self, step: Step) -> Dim:
        return 2 * self.moved(step)

    @formula("elements of recurrent state of a sequence", "1", "lightning")
    def state(self) -> Dim:
        return self.heads * self.head_dim * self.head_dim
