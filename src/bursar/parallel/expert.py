"""Expert parallelism (arXiv:2006.16668): the experts of a layer spread over ranks, token copies sent to them and back.

`expert` ranks hold experts / expert each; `expert_tensor` ranks cut each expert as tensor parallelism does. With sequence
parallelism every tensor rank sends its own tokens; they meet again over the `expert_tensor` ranks that cut an expert.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bursar.dims import Dim, split
from bursar.ops.collective import AllToAll
from bursar.ops.moe import Experts
from bursar.parallel import tensor as tensor_parallel
from bursar.tree import Block, Input, Op


def shard(block: Block, *, expert: Dim, expert_tensor: Dim, tensor: Dim, sequence: bool) -> Block:
    """One rank's part of every mixture of experts in a block; the rest of the block as it is."""

    def rank_part(op: Experts) -> Experts:
        inside = tensor_parallel.shard(_dispatched(op.block, expert), expert_tensor, sequence=sequence)
        spread, gathered = (tensor, expert_tensor) if sequence else (1, 1)
        experts = split(op.experts, expert, "experts", "ep")
        return replace(op, experts=experts, block=inside, over=spread, gathered=gathered)

    lines = {name: rank_part(op) if isinstance(op, Experts) else op for name, op in block.lines.items()}
    return block.rewired(lines)


def _dispatched(block: Block, expert: Dim) -> Block:
    """The expert's block between the all-to-all that brings its tokens and the one that takes them back."""
    lines: dict[str, Op] = {}
    renamed: dict[str, str] = {}
    for name, op in block.lines.items():
        lines[name] = replace(op, **{wire: renamed.get(getattr(op, wire), getattr(op, wire)) for wire in op.wires})
        if isinstance(op, Input):
            lines["dispatch"] = AllToAll(name, op.width, expert)
            renamed[name] = "dispatch"
    last = next(reversed(lines))
    lines["combine"] = AllToAll(last, lines[last].width, expert)
    return block.rewired(lines)


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
