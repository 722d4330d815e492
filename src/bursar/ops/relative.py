"""Relative positions of Transformer-XL (arXiv:1901.02860, section 3.3): a score is (q + u) · k + (q + v) · W r, where r is a
sinusoid of the distance between query and key, W a weight of the layer, and u and v two vectors per head for all layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from bursar.dims import Dim
from bursar.formula import formula
from bursar.ops.attention import Attention
from bursar.step import Step
from bursar.tree import Op, Wire


@dataclass(frozen=True)
class DistanceBias(Op):
    """u and v of every head; the layers add them to their queries."""

    heads: Dim
    d: Dim
    slot: ClassVar[str] = "nothing"

    @property
    def width(self) -> Dim:
        return 2 * self.heads * self.d

    def shapes(self) -> dict[str, tuple[Dim, ...]]:
        return {"u": (self.heads, self.d), "v": (self.heads, self.d)}

    def moved(self, step: Step) -> Dim:
        return 0

    backward_moved = moved


@dataclass(frozen=True)
class DistanceKeys(Op):
    """W r for every distance that the step is the first to reach, one for all sequences. `d_in` is the width of a sinusoid."""

    d_in: Dim
    d_out: Dim
    unit: Dim = 1
    slot: ClassVar[str] = "distance_keys"
    kind: ClassVar[str] = "linear"
    engine: ClassVar[str] = "matmul"

    @property
    def width(self) -> Dim:
        return self.d_out

    def tokens(self, step: Step) -> Dim:
        return step.queries

    def shapes(self) -> dict[str, tuple[Dim, ...]]:
        return {"weight": (self.d_out, self.d_in)}

    @formula("FLOPs, forward", "FLOP", "transformer-xl")
    def flops(self, step: Step) -> Dim:
        return 2 * self.tokens(step) * self.d_in * self.d_out

    @formula("FLOPs, gradient of the weight", "FLOP", "transformer-xl")
    def grad_flops(self, step: Step) -> tuple[Dim, Dim]:
        return 0, self.flops(step)  # a sinusoid needs no gradient

    @formula("elements moved, forward", "1", "transformer-xl")
    def moved(self, step: Step) -> Dim:
        return self.tokens(step) * (self.d_in + self.d_out) + self.d_in * self.d_out

    @formula("elements moved, backward", "1", "transformer-xl")
    def backward_moved(self, step: Step) -> Dim:
        return self.moved(step)  # one product of the same three sizes


@dataclass(frozen=True)
class RelativeAttention(Attention):
    """Attention with a second product for the scores of distances, which are then shifted to their keys."""

    r: Wire = field(kw_only=True)
    slot: ClassVar[str] = "relative_attention"

    @formula("FLOPs, scores of distances", "FLOP", "transformer-xl")
    def distance_flops(self, step: Step) -> Dim:
        return 2 * step.sequences * self.pairs(step) * self.heads * self.head_dim

    @formula("FLOPs, forward", "FLOP", "transformer-xl")
    def flops(self, step: Step) -> Dim:
        return self.score_flops(step) + self.distance_flops(step) + self.value_flops(step)

    @formula("elements moved, forward", "1", "transformer-xl")
    def moved(self, step: Step) -> Dim:
        query, key = self.heads * (self.head_dim + self.v_dim), self.kv_heads * (self.head_dim + self.v_dim)
        distances = self.keys(step) * self.heads * self.head_dim
        return step.sequences * (step.queries * query + self.keys(step) * key) + distances
