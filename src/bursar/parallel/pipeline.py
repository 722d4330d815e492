"""Pipeline parallelism: which layers a rank holds (arXiv:2006.09503; arXiv:2104.04473). What a schedule costs is in `schedules/`.

Stages are runs of consecutive layers of equal length, unless a layout deals them out. Where the length does not come out even, the
last stage is one layer shorter first, because it also holds the head, then the earliest ones, because they hold the most
micro-batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import accumulate

from bursar.errors import PlanError
from bursar.ops.linear import Embedding, Head
from bursar.parallel.schedules import Schedule, schedule
from bursar.tree import Architecture, Block, Op

Part = tuple[str, int, Block]


@dataclass(frozen=True, eq=False)
class Chunk:
    """Layers that a rank computes at once: (path, times, block) in order, with what stands at the ends of the model."""

    stem: tuple[Block, ...]
    layers: tuple[Part, ...]
    tail: tuple[Block, ...]

    def blocks(self) -> Iterator[tuple[Block, int]]:
        """Every block with how often it is there."""
        yield from ((block, 1) for block in self.stem)
        yield from ((block, times) for _, times, block in self.layers)
        yield from ((block, 1) for block in self.tail)

    def each(self, change: Callable[[Block], Block]) -> Chunk:
        """The same with every block changed."""
        return Chunk(
            tuple([change(block) for block in self.stem]),
            tuple([(prefix, times, change(block)) for prefix, times, block in self.layers]),
            tuple([change(block) for block in self.tail]),
        )


@dataclass(frozen=True, eq=False)
class Stage:
    """Ranks of a pipeline that hold the same: their indices, and their chunks in the order of the model."""

    indices: tuple[int, ...]
    chunks: tuple[Chunk, ...]

    @property
    def index(self) -> int:
        """The first of them."""
        return self.indices[0]

    @cached_property
    def stem(self) -> tuple[Block, ...]:
        return tuple([block for chunk in self.chunks for block in chunk.stem])

    @cached_property
    def layers(self) -> tuple[Part, ...]:
        return tuple([part for chunk in self.chunks for part in chunk.layers])

    @cached_property
    def tail(self) -> tuple[Block, ...]:
        return tuple([block for chunk in self.chunks for block in chunk.tail])

    @cached_property
    def _blocks(self) -> tuple[tuple[Block, int], ...]:
        return tuple([part for chunk in self.chunks for part in chunk.blocks()])

    def blocks(self) -> Iterator[tuple[Block, int]]:
        """Every block with how often it is there."""
        return iter(self._blocks)


def lengths(layers: int, stages: int) -> list[int]:
    """Layers of each stage."""
    if not 1 <= stages <= layers:
        raise PlanError(f"pp={stages} stages of {layers} layers", field="pp", value=stages, valid=f"1 to {layers}")
    short, extra = layers // stages, layers % stages
    order = [stages - 1, *range(stages - 1)]  # who is short first
    shorter = set(order[: stages - extra]) if extra else set()
    return [short + (extra > 0 and i not in shorter) for i in range(stages)]


def fits(layout: tuple[int, ...], layers: int, ranks: int, kind: Schedule, virtual: int) -> bool:
    """Whether a layout deals out all layers, to chunks, or to ranks whose chunks share them evenly."""
    each, chunks = kind.chunks(virtual), kind.numbered(ranks, virtual)
    if any(type(count) is not int or count < 0 for count in layout):
        return False
    of_ranks = len(layout) == ranks and kind.copies == 1 and all(count % each == 0 for count in layout)
    return sum(layout) == layers and (len(layout) == chunks or of_ranks)


def laid_out(layers: int, ranks: int, kind: Schedule, virtual: int, layout: tuple[int, ...] | None) -> list[int]:
    """Layers of each chunk, evenly or by a layout."""
    chunks = kind.numbered(ranks, virtual)
    if layout is None:
        return lengths(layers, chunks)
    if not fits(layout, layers, ranks, kind, virtual):
        valid = f"{chunks} counts that add up to {layers}"
        raise PlanError(f"layout {layout} of {layers} layers", field="layout", value=layout, valid=valid)
    if len(layout) == chunks:
        return list(layout)
    each = kind.chunks(virtual)
    found = {chunk: layout[rank] // each for rank in range(ranks) for chunk in kind.place(rank, ranks, each)}
    return [found[chunk] for chunk in range(chunks)]


@lru_cache(maxsize=256)
def stages(
    architecture: Architecture, ranks: int, name: str = "1f1b", virtual: int = 1, layout: tuple[int, ...] | None = None
) -> tuple[Stage, ...]:
    """The ranks that differ, each the first of its kind."""
    kind = schedule(name)
    trunk = list(architecture.layer_parts())
    towers = [(f"{run.block.kind}.", run.times, run.block) for run in architecture.towers]
    ends = list(accumulate(laid_out(architecture.layers, ranks, kind, virtual, layout)))
    starts, last = [0, *ends], len(ends) - 1
    found: dict[object, Stage] = {}
    for rank in range(ranks):
        place = kind.place(rank, ranks, kind.chunks(virtual))
        parts = [(*(towers if chunk == 0 else ()), *_between(trunk, starts[chunk], ends[chunk])) for chunk in place]
        key = (0 in place, last in place, tuple([tuple([(times, id(block)) for _, times, block in layers]) for layers in parts]))
        if key in found:
            found[key] = replace(found[key], indices=(*found[key].indices, rank))
            continue
        tail = architecture.tail if 0 in place else untied(architecture.tail)
        chunks = [
            Chunk(architecture.stem if chunk == 0 else (), layers, tail if chunk == last else ())
            for chunk, layers in zip(place, parts, strict=True)
        ]
        found[key] = Stage((rank,), tuple(chunks))
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


@lru_cache(maxsize=256)
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
