"""A model: its blocks in order, and how often each is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from bursar.dims import Dim
from bursar.step import Step
from bursar.tree.block import Block, Line, Sees
from bursar.tree.op import Op


@dataclass(frozen=True, eq=False)
class Repeat:
    """`times` layers that are the same block; keeps the tree small however deep the model is."""

    times: Dim
    block: Block


@dataclass(frozen=True, eq=False)
class Architecture:
    """A model: what comes before its layers, its layers in order, and what comes after them.

    `towers` are the layers of encoders beside the trunk (a vision tower, a text encoder), `stem` holds the embedding, `trunk`
    the layers, `tail` the head with the loss (and modules such as multi-token prediction before it). `context` is the trained
    length; `max_length` the longest that learned positions allow.
    """

    family: str
    stem: tuple[Block, ...]
    trunk: tuple[Repeat, ...]
    tail: tuple[Block, ...]
    context: Dim | None = None
    max_length: Dim | None = None
    towers: tuple[Repeat, ...] = ()

    @property
    def layers(self) -> Dim:
        return sum(run.times for run in self.trunk)

    @cached_property
    def views(self) -> tuple[Sees, ...]:
        """The different ways in which its blocks see a step."""
        return tuple(dict.fromkeys(block.sees for _, _, block in self.parts()))

    def parts(self) -> Iterator[tuple[str, Dim, Block]]:
        """(path prefix, times, block) in order of execution."""
        for run in self.towers:
            yield f"{run.block.kind}.", run.times, run.block
        for block in self.stem:
            yield "", 1, block
        yield from self.layer_parts()
        for block in self.tail:
            yield "" if block.kind == "head" else f"{block.kind}.", 1, block

    def layer_parts(self) -> Iterator[tuple[str, Dim, Block]]:
        """The same of the trunk alone."""
        kinds = {id(run.block) for run in self.trunk}
        for index, run in enumerate(self.trunk):
            yield "layers." if len(kinds) == 1 else f"layers.{_run_name(self.trunk, index)}.", run.times, run.block

    def walk(self, step: Step) -> Iterator[tuple[Dim, Line]]:
        """How often a block repeats, with every operator of it."""
        for prefix, times, block in self.parts():
            for line in block.walk(step, prefix):
                yield times, line

    def replace(self, change: Callable[[str, Op], Op]) -> Architecture:
        """The same architecture with every operator changed; blocks that are one object stay one object."""
        done: dict[int, Block] = {}

        def once(block: Block) -> Block:
            if id(block) not in done:
                done[id(block)] = block.replace(change)
            return done[id(block)]

        def runs(these: tuple[Repeat, ...]) -> tuple[Repeat, ...]:
            return tuple(Repeat(run.times, once(run.block)) for run in these)

        stem, tail = tuple(map(once, self.stem)), tuple(map(once, self.tail))
        return replace(self, stem=stem, trunk=runs(self.trunk), tail=tail, towers=runs(self.towers))


def _run_name(trunk: tuple[Repeat, ...], index: int) -> str:
    """`dense` for all runs of one block; another block of the same kind gets a number."""
    kind = trunk[index].block.kind
    alike = list(dict.fromkeys(id(run.block) for run in trunk if run.block.kind == kind))
    place = alike.index(id(trunk[index].block))
    return f"{kind}{place + 1}" if place else kind
