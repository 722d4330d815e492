"""Pipeline parallelism: which layers a stage holds, and what the 1F1B schedule costs (arXiv:2006.09503; arXiv:2104.04473).

Stages are runs of consecutive layers of equal length. Where the length does not come out even, the last stage is one layer
shorter first, because it also holds the head, then the earliest ones, because they hold the most micro-batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate

from bursar.dims import Dim, at_most
from bursar.errors import PlanError
from bursar.formula import formula
from bursar.ops.linear import Embedding, Head
from bursar.tree import Architecture, Block, Op

Part = tuple[str, int, Block]


@dataclass(frozen=True, eq=False)
class Stage:
    """Pipeline stages that hold the same: their indices, and (path, times, block) in order."""

    indices: tuple[int, ...]
    stem: tuple[Block, ...]
    layers: tuple[Part, ...]
    tail: tuple[Block, ...]

    @property
    def index(self) -> int:
        """The first of them, which holds the most micro-batches."""
        return self.indices[0]

    def blocks(self) -> Iterator[tuple[Block, int]]:
        """Every block with how often it is there."""
        yield from ((block, 1) for block in self.stem)
        yield from ((block, times) for _, times, block in self.layers)
        yield from ((block, 1) for block in self.tail)


def lengths(layers: int, stages: int) -> list[int]:
    """Layers of each stage."""
    if not 1 <= stages <= layers:
        raise PlanError(f"pp={stages} stages of {layers} layers", field="pp", value=stages, valid=f"1 to {layers}")
    short, extra = layers // stages, layers % stages
    order = [stages - 1, *range(stages - 1)]  # who is short first
    shorter = set(order[: stages - extra]) if extra else set()
    return [short + (extra > 0 and i not in shorter) for i in range(stages)]


def stages(architecture: Architecture, count: int) -> tuple[Stage, ...]:
    """The stages that differ, each the first of its kind: later ones hold the same layers and fewer micro-batches."""
    trunk = list(architecture.layer_parts())
    towers = [(f"{run.block.kind}.", run.times, run.block) for run in architecture.towers]
    ends = list(accumulate(lengths(architecture.layers, count)))
    found: dict[object, Stage] = {}
    for index, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        first, last = index == 0, index == count - 1
        layers = (*(towers if first else ()), *_between(trunk, start, end))
        key = (first, last, tuple((times, id(block)) for _, times, block in layers))
        if key in found:
            found[key] = replace(found[key], indices=(*found[key].indices, index))
            continue
        stem = architecture.stem if first else ()
        tail = architecture.tail if last else ()
        found[key] = Stage((index,), stem, layers, tail if first else untied(tail))
    return tuple(found.values())


def _between(trunk: list[Part], start: int, end: int) -> list[Part]:
    """The parts of runs of layers that lie in [start, end)."""
    parts, low = [], 0
    for prefix, times, block in trunk:
        held = min(end, low + times) - max(start, low)
        if held > 0:
            parts.append((prefix, held, block))
        low += times
    return parts


def untied(tail: tuple[Block, ...]) -> tuple[Block, ...]:
    """The tail on a stage without the embedding: the first operator tied to a table it cannot see holds a copy of it."""
    here = {name for block in tail for name, op in block.lines.items() if isinstance(op, (Embedding, Head)) and op.tied is None}
    blocks = []
    for block in tail:
        lines: dict[str, Op] = {}
        for name, op in block.lines.items():
            lines[name] = op
            if isinstance(op, (Embedding, Head)) and op.tied is not None and op.tied not in here:
                lines[name] = replace(op, tied=None)
                here.add(op.tied)
        blocks.append(block.rewired(lines))
    return tuple(blocks)


@formula("micro-batches in flight", "1", "megatron-2021")
def in_flight(stage: int, stages: int, micro_batches: Dim) -> Dim:
    """1F1B: a stage starts its backward passes once the stages after it have one micro-batch each: min(m, p − i)."""
    return at_most(micro_batches, stages - stage)


@formula("bubble over ideal time", "1", "megatron-2021")
def bubble(stages: Dim, micro_batches: Dim) -> Dim:
    """1F1B and GPipe: (p − 1) / m of the ideal time (section 2.2.1)."""
    return (stages - 1) / micro_batches
