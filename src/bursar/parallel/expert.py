"""Expert parallelism (arXiv:2006.16668): the experts of a layer spread over ranks, token copies sent to them and back.

`expert` ranks hold experts / expert each; `expert_tensor` ranks cut each expert as tensor parallelism does. With sequence
parallelism every tensor rank sends its own tokens; they meet again over the `expert_tensor` ranks that cut an expert.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from bursar.dims import Dim, choose, divisors, split
from bursar.errors import PlanError
from bursar.ops.collective import AllToAll
from bursar.ops.moe import Experts
from bursar.parallel import tensor as tensor_parallel
from bursar.tree import Architecture, Block, Input, Op

UNIFORM = "uniform"
# every copy of a token is sent, or one to each domain and rank that holds any of its experts (DeepEP, HybridEP)
COMMS = ("all-to-all", "deduplicated")


def shard(block: Block, *, expert: Dim, expert_tensor: Dim, tensor: Dim, sequence: bool, load: str = UNIFORM) -> Block:
    """One rank's part of every mixture of experts in a block, the busiest one's under a `load`; the rest of the block as it is."""

    def rank_part(op: Experts) -> Experts:
        inside = tensor_parallel.shard(_dispatched(op.block, expert, op.top_k), expert_tensor, sequence=sequence)
        spread, gathered = (tensor, expert_tensor) if sequence else (1, 1)
        experts = split(op.experts, expert, "experts", "ep")
        part = replace(op, experts=experts, block=inside, over=spread, gathered=gathered)
        if load == UNIFORM:
            return part
        busy, mean = busiest(load, op.experts, expert)
        return replace(part, busy=busy, mean=mean)

    lines = {name: rank_part(op) if isinstance(op, Experts) else op for name, op in block.lines.items()}
    return block.rewired(lines)


# ── unbalanced routing ──────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=64)
def shares(load: str) -> tuple[Fraction, ...]:
    """A load as numbers: none if it is uniform, one if it is that of the busiest rank over the mean, else one for every expert."""
    if load == UNIFORM:
        return ()
    try:
        found = tuple([Fraction(part.strip()) for part in load.split(",")])
    except (ValueError, ZeroDivisionError):
        found = ()
    if not found or min(found) < 0 or sum(found) == 0 or (len(found) == 1 and found[0] < 1):
        raise PlanError(
            f"expert_load={load!r}", field="expert_load", value=load,
            valid="uniform, the tokens of the busiest rank over the mean (1.5), or a share for every expert (3,1,1,1)",
        )  # fmt: skip
    return found


def busiest(load: str, experts: int, ranks: Dim) -> tuple[Dim, Dim]:
    """Copies that the busiest of `ranks` receives, and the mean, in whole numbers. Neighbouring experts share a rank."""
    found = shares(load)
    if len(found) == 1:
        return found[0].numerator, found[0].denominator
    busy: Dim = 1
    mean: Dim = 1
    for ways in divisors(experts):
        held = experts // ways
        ratio = max(sum(found[i : i + held], Fraction(0)) for i in range(0, experts, held)) * ways / sum(found, Fraction(0))
        busy, mean = choose(ranks == ways, ratio.numerator, busy), choose(ranks == ways, ratio.denominator, mean)
    return busy, mean


def _dispatched(block: Block, expert: Dim, top_k: Dim) -> Block:
    """The expert's block between the all-to-all that brings its tokens and the one that takes them back."""
    lines: dict[str, Op] = {}
    renamed: dict[str, str] = {}
    for name, op in block.lines.items():
        lines[name] = replace(op, **{wire: renamed.get(getattr(op, wire), getattr(op, wire)) for wire in op.wires})
        if isinstance(op, Input):
            lines["dispatch"] = AllToAll(name, op.width, expert, top_k=top_k)
            renamed[name] = "dispatch"
    last = next(reversed(lines))
    lines["combine"] = AllToAll(last, lines[last].width, expert, top_k=top_k)
    return block.rewired(lines)


@lru_cache(maxsize=256)
def routed(architecture: Architecture) -> tuple[tuple[int, int], ...]:
    """(experts, experts for a token) of the mixtures of an architecture that differ."""
    blocks = {id(block): block for _, _, block in architecture.parts()}.values()
    mixtures = [op for block in blocks for op in block.lines.values() if isinstance(op, Experts)]
    return tuple(dict.fromkeys((op.experts, op.top_k) for op in mixtures))


def counts(block: Block) -> Iterator[tuple[str, int]]:
    """The numbers of experts that the expert-parallel size must divide."""
    for name, op in block.lines.items():
        if isinstance(op, Experts):
            yield name, op.experts


def inner_counts(block: Block) -> Iterator[tuple[str, int]]:
    """The widths inside an expert that the expert-tensor-parallel size must divide."""
    for name, op in block.lines.items():
        if isinstance(op, Experts):
            yield from ((f"{name}.{inner}", count) for inner, count in tensor_parallel.counts(op.block))
