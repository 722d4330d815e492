"""The gated delta rule (Gated DeltaNet, arXiv:2412.06464) and Kimi Delta Attention (arXiv:2510.26692, section 3).

Per head, the state S is (k_dim, v_dim): S_t = Diag(α_t) S_{t−1} + β_t k_tᵀ (v_t − k_t Diag(α_t) S_{t−1}) and o_t = q_t S_t. The
decay α_t is one number per head in Gated DeltaNet and one per channel of k in Kimi Delta Attention; the products are the same.

Training computes chunks of C tokens at once (arXiv:2412.06464, section 3.3, the WY form). For a chunk of one head the products are

    within the chunk   K Kᵀ and Q Kᵀ (k_dim wide), T K (k_dim) and T V (v_dim), (Q Kᵀ) V' (v_dim): C² · (3 k_dim + 2 v_dim)
    with the state     (T K) S, Q S and Kᵀ V':                                                     C · 3 k_dim · v_dim

multiply-adds, where T is the inverse of a unit triangular matrix of C × C. The inversion itself is substitution row by row and no
product of operands; it is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from bursar.dims import Dim, ceil_div
from bursar.formula import formula
from bursar.ops.elementwise import Activation
from bursar.ops.lightning import pairs_within
from bursar.step import Step
from bursar.tree import Op, Wire


@dataclass(frozen=True)
class Decay(Activation):
    """log α = −exp(A_log) · softplus(x + dt_bias), with A_log per head and dt_bias per element (arXiv:2412.06464, section 4.1)."""

    heads: Dim = field(kw_only=True)
    function: str = "softplus"
    follows: ClassVar[tuple[str, ...]] = ("size", "heads")
    makes: ClassVar[str] = "statistics"  # FP32 whatever the recipe

    def shapes(self) -> dict[str, tuple[Dim, ...]]:
        return {"A_log": (self.heads,), "dt_bias": (self.size,)}


@dataclass(frozen=True)
class DeltaRule(Op):
    """Q and K are (tokens, key_heads, k_dim), each for heads / key_heads heads; V is (tokens, heads, v_dim). `decays` is the number
    of decays per token: one a head, or one a channel of K."""

    q: Wire
    k: Wire
    v: Wire
    decay: Wire
    beta: Wire
    key_heads: Dim
    heads: Dim
    k_dim: Dim
    v_dim: Dim
    decays: Dim
    chunk: Dim
    slot: ClassVar[str] = "delta"
    follows: ClassVar[tuple[str, ...]] = ("key_heads", "heads", "decays")
    kind: ClassVar[str] = "scan"
    engine: ClassVar[str] = "attention"

    @property
    def width(self) -> Dim:
        return self.heads * self.v_dim

    @formula("pairs of tokens within chunks, of all heads and sequences", "1", "gated-deltanet")
    def squares(self, step: Step) -> Dim:
        return step.sequences * self.heads * pairs_within(step, self.chunk)

    @formula("elements of the states before every chunk", "1", "gated-deltanet")
    def states(self, step: Step) -> Dim:
        return step.sequences * ceil_div(step.queries, self.chunk) * self.state()

    @formula("FLOPs, forward", "FLOP", "gated-deltanet")
    def flops(self, step: Step) -> Dim:
        within = self.squares(step) * (3 * self.k_dim + 2 * self.v_dim)
        across = step.tokens * self.heads * 3 * self.k_dim * self.v_dim
        return 2 * (within + across)

    @formula("FLOPs, gradients of Q, K, V, decay and β", "FLOP", "gated-deltanet")
    def grad_flops(self, step: Step) -> tuple[Dim, Dim]:
        return 2 * self.flops(step), 0  # two products for each one

    @formula("FLOPs, computing again what the chunked kernel does not keep", "FLOP", "flash-linear-attention")
    def rerun_flops(self, step: Step) -> Dim:
        within = self.squares(step) * (2 * self.k_dim + self.v_dim)  # T K, T V and Q Kᵀ
        across = step.tokens * self.heads * 2 * self.k_dim * self.v_dim  # (T K) S and Kᵀ V', for the states
        return 2 * (within + across)

    @formula("elements moved, forward", "1", "gated-deltanet")
    def moved(self, step: Step) -> Dim:
        keys, gates = 2 * self.key_heads * self.k_dim, self.decays + self.heads
        return step.tokens * (keys + gates + 2 * self.heads * self.v_dim)  # V in, the result out

    @formula("elements moved, backward", "1", "gated-deltanet")
    def backward_moved(self, step: Step) -> Dim:
        return 2 * self.moved(step)

    @formula("elements of recurrent state of a sequence", "1", "gated-deltanet")
    def state(self) -> Dim:
        return self.heads * self.k_dim * self.v_dim
