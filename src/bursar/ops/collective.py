"""Collectives, as operators that a plan puts into a block. At one rank every term vanishes.

`f` and `g` are Megatron's conjugate pairs (arXiv:1909.08053 figure 3; with sequence parallelism arXiv:2205.05198 figure 5).
A collective names the collectives of its forward and backward pass; `payload` is the full (gathered or reduced) size in
elements, from which `machines/network.py` takes what crosses the wire.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from bursar.dims import Dim
from bursar.formula import formula
from bursar.step import Step
from bursar.tree import Op, Wire


@dataclass(frozen=True)
class Collective(Op):
    """Base: `ways` ranks of the group named `group`."""

    read: Wire
    size: Dim
    ways: Dim
    group: str = "tensor"
    slot: ClassVar[str] = "nothing"
    engine: ClassVar[str] = "network"
    forward: ClassVar[tuple[str, ...]] = ()
    backward: ClassVar[tuple[str, ...]] = ()

    @property
    def width(self) -> Dim:
        return self.size

    @formula("elements of the whole tensor that a collective joins", "1", "megatron-2019")
    def payload(self, step: Step) -> Dim:
        tokens = step.sequences * step.sources if self.source else step.tokens
        return tokens * self.size

    def moved(self, step: Step) -> Dim:
        return 0

    backward_moved = moved


@dataclass(frozen=True)
class Copy(Collective):
    """f: identity forward, all-reduce of the gradient backward."""

    backward = ("all_reduce",)

    @property
    def alias(self) -> str | None:
        return self.read


@dataclass(frozen=True)
class Reduce(Collective):
    """g: all-reduce forward, identity backward."""

    forward = ("all_reduce",)


@dataclass(frozen=True)
class Meet(Collective):
    """Sums of all ranks that every rank goes on with: all-reduced forward, and their gradient backward."""

    forward = ("all_reduce",)
    backward = ("all_reduce",)


@dataclass(frozen=True)
class Gather(Collective):
    """Tokens gathered from all ranks. The shard is what stays; backward gathers it again for the weight gradient."""

    forward = ("all_gather",)
    backward = ("all_gather", "reduce_scatter")

    @property
    def alias(self) -> str | None:
        return self.read


@dataclass(frozen=True)
class GatherOnce(Collective):
    """Tokens gathered from all ranks, which stay whole for the weight gradient (nanotron, `tp_recompute_allgather: false`)."""

    forward = ("all_gather",)
    backward = ("reduce_scatter",)

    @formula("elements of the gathered tensor", "1", "nanotron")
    def made(self, step: Step) -> Dim:
        return self.payload(step)


@dataclass(frozen=True)
class Scatter(Collective):
    """Partial sums reduced, each rank keeping its share of the tokens."""

    forward = ("reduce_scatter",)
    backward = ("all_gather",)


@dataclass(frozen=True)
class AllToAll(Collective):
    """Token copies sent to the ranks that hold their experts, or back (arXiv:2006.16668); a token has `top_k` of them."""

    group: str = "expert"
    top_k: Dim = field(default=1, kw_only=True)
    forward = ("all_to_all",)
    backward = ("all_to_all",)

    @formula("elements that a rank hands to an all-to-all", "1", "gshard")
    def payload(self, step: Step) -> Dim:
        return self.tokens(step) * self.size
