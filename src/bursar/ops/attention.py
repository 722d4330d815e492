"""The attention core: softmax(Q Kᵀ / √d) V (arXiv:1706.03762), grouped keys (arXiv:2305.13245), windows (arXiv:2004.05150).

Shapes: Q is (tokens, heads, head_dim), K is (tokens, kv_heads, head_dim), V is (tokens, kv_heads, v_dim).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bursar.dims import Dim, at_most
from bursar.formula import formula
from bursar.step import Step
from bursar.tree import Op, Wire


@dataclass(frozen=True)
class Attention(Op):
    """Scores, softmax and the weighted sum of values, per head.

    `cached` is what a token leaves in the KV cache: keys and values, or the latent they are made from.
    """

    q: Wire
    k: Wire
    v: Wire
    heads: Dim
    kv_heads: Dim
    head_dim: Dim
    v_dim: Dim
    cached: Dim
    window: Dim | None = None
    causal: bool = True
    dropout: float = 0.0
    kind: ClassVar[str] = "attention"
    engine: ClassVar[str] = "attention"

    @property
    def width(self) -> Dim:
        return self.heads * self.v_dim

    @formula("FLOPs, scores Q Kᵀ", "FLOP")
    def score_flops(self, step: Step) -> Dim:
        return 2 * step.sequences * step.pairs(self.window, self.causal) * self.heads * self.head_dim

    @formula("FLOPs, weighted sum of values", "FLOP")
    def value_flops(self, step: Step) -> Dim:
        return 2 * step.sequences * step.pairs(self.window, self.causal) * self.heads * self.v_dim

    @formula("FLOPs, forward", "FLOP")
    def flops(self, step: Step) -> Dim:
        return self.score_flops(step) + self.value_flops(step)

    @formula("FLOPs, gradients of Q, K and V", "FLOP")
    def grad_flops(self, step: Step) -> tuple[Dim, Dim]:
        return 2 * self.flops(step), 0  # dP = G Vᵀ, dV = Pᵀ G, dQ = dS K, dK = dSᵀ Q: two products for each one

    @formula("elements of the score matrix", "1", "korthikanti-2022")
    def square(self, step: Step) -> Dim:
        return step.sequences * self.heads * step.queries * step.keys

    @formula("elements moved, forward", "1", "flash-attention")
    def moved(self, step: Step) -> Dim:
        return self.tokens(step) * self.operands

    @formula("elements moved, backward", "1", "flash-attention")
    def backward_moved(self, step: Step) -> Dim:
        return 2 * self.moved(step)

    @property
    def operands(self) -> Dim:
        """Elements per token of Q, K, V and the output."""
        return self.heads * (self.head_dim + self.v_dim) + self.kv_heads * (self.head_dim + self.v_dim)

    @formula("KV cache elements of all sequences", "1")
    def cache(self, step: Step) -> Dim:
        reach = step.keys if self.window is None else at_most(step.keys, self.window)
        return step.sequences * reach * self.cached
