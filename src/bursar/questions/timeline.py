"""A step of one rank, moment by moment: every layer of every pass of every micro-batch, as the schedule runs them.

Here whole numbers are added up as they come and go; the highest moment is what `memory/moments.py` says in closed form.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from bursar.dims import divisors
from bursar.memory import moments, peaks
from bursar.memory.liveness import Live
from bursar.memory.moments import Moment
from bursar.memory.peaks import Load, Memory, StageLoad
from bursar.parallel import schedules
from bursar.parallel.pipeline import Stage
from bursar.parallel.schedules import Event
from bursar.seconds import offloading
from bursar.training import Training


class Row(NamedTuple):
    """A moment of a step: a name for people, the micro-batch (1 is the first; 0: none), the pass, the layer, and bytes by part."""

    moment: str
    micro_batch: int
    phase: str
    path: str
    memory: Memory


class Site(NamedTuple):
    """A layer of a chunk: its name, its load, and its number among the blocks of the rank."""

    path: str
    load: Load
    block: int


class Chunk(NamedTuple):
    """The layers of a chunk in order, and the bytes of a micro-batch of which only the weight gradients are due."""

    sites: tuple[Site, ...]
    waiting: int


def paths(stage: Stage) -> tuple[tuple[tuple[str, int], ...], ...]:
    """Of every chunk the name of each block and how often it is there."""
    return tuple(
        [
            (
                *[(block.kind, 1) for block in chunk.stem],
                *[(prefix.rstrip("."), times) for prefix, times, _ in chunk.layers],
                *[(block.kind, 1) for block in chunk.tail],
            )
            for chunk in stage.chunks
        ]
    )


def name(stage: Stage, moment: Moment) -> tuple[str, str]:
    """The name of a moment and the path of its layer."""
    if moment.phase == "optimizer":
        return "optimizer step", ""
    flat = [named for chunk in paths(stage) for named in chunk]
    path, times = flat[moment.block]
    path = path if times == 1 else f"{path}.{moment.layer}"
    return title(moment.phase, path), path


def title(phase: str, path: str) -> str:
    return "loss" if path == "head" and phase == "backward" else f"{phase} of {path}"


def chunks(stage: Stage, load: StageLoad) -> tuple[Chunk, ...]:
    """The chunks of a rank, layer by layer; the layers of a run are numbered within it."""
    found: list[Chunk] = []
    block = 0
    for place, (names, run) in enumerate(zip(paths(stage), load.runs, strict=True)):
        sites: list[Site] = []
        for (path, times), (part, _) in zip(names, run, strict=True):
            sites += [Site(path if times == 1 else f"{path}.{layer}", part, block) for layer in range(times)]
            block += 1
        found.append(Chunk(tuple(sites), load.chunks[place].waiting if load.chunks else 0))
    return tuple(found)


class _Rank:
    """What a rank holds while it works through its passes."""

    def __init__(self, training: Training, stage: Stage, load: StageLoad, index: int) -> None:
        plan = training.plan
        place = schedules.schedule(plan.schedule)
        numbers = place.place(index, plan.pipeline, place.chunks(plan.virtual))
        at = training.stages.index(stage)
        self.chunks = dict(zip(numbers, chunks(stage, load), strict=True))
        self.lazy, self.added = peaks.gradients_of(plan) != "allocated", peaks.gradients_of(plan) == "growing"
        none = training.standing(index, at, training.micro_batches)
        none = none._replace(activations=load.tables + offloading.staged(load, plan), logits=0)
        made = sum([part.grown * times for run in load.runs for part, times in run])
        self.states = none if self.added else none._replace(gradients=none.gradients - made)
        self.whole: dict[tuple[int, int], tuple[int, int]] = {}  # (micro-batch, chunk) → activations and logits kept
        self.waiting: dict[tuple[int, int], int] = {}
        self.grown: set[tuple[int, int]] = set()  # (chunk, layer) whose weight gradients are there
        self.shown = sum([part.shown for run in load.runs for part, _ in run])
        self.events = schedules.events(plan.schedule, plan.pipeline, plan.virtual, training.micro_batches)[index]
        self.update = training.update_bytes(at)

    def rows(self) -> Iterator[Row]:
        for event in self.events:
            yield from {"F": self._forward, "B": self._backward, "BW": self._backward, "W": self._weights}[event.kind](event)
        yield Row("optimizer step", 0, "optimizer", "", moments.at_the_update(self._standing(), self.update))

    def _standing(self) -> Memory:
        """States, and what all micro-batches in flight keep."""
        kept = [sum(column) for column in zip((0, 0), *self.whole.values(), strict=True)]
        gradients = sum([self.chunks[chunk].sites[layer].load.grown for chunk, layer in self.grown])
        return self.states._replace(
            gradients=self.states.gradients + gradients,
            activations=self.states.activations + kept[0] + sum(self.waiting.values()),
            logits=self.states.logits + kept[1],
        )

    def _forward(self, event: Event) -> Iterator[Row]:
        kept, logits, cached = 0, 0, 0
        for site in self.chunks[event.chunk].sites:
            self.whole[event.micro_batch, event.chunk] = (kept, logits)
            passes = site.load.passes if self.grown or not self.lazy else site.load.passes_that_grow
            row = self._row(event, "forward", site, passes.highest[0], 0)
            yield row._replace(memory=moments.with_cached(row.memory, cached))
            kept, logits, cached = kept + site.load.kept, logits + site.load.logits, cached + site.load.cached
        self.whole[event.micro_batch, event.chunk] = (kept, logits)

    def _backward(self, event: Event) -> Iterator[Row]:
        sites = self.chunks[event.chunk].sites
        kept, logits = self.whole[event.micro_batch, event.chunk]
        for layer, site in reversed(list(enumerate(sites))):
            kept, logits = kept - site.load.kept, logits - site.load.logits
            self.whole[event.micro_batch, event.chunk] = (kept, logits)
            first = self.lazy and (event.chunk, layer) not in self.grown
            passes = site.load.passes_that_grow if first else site.load.passes
            yield self._row(event, "backward", site, passes.highest[1], self.shown)
            if self.lazy:
                self.grown.add((event.chunk, layer))
        del self.whole[event.micro_batch, event.chunk]
        if self.added:
            self.grown.clear()
        if event.kind == "B":
            self.waiting[event.micro_batch, event.chunk] = self.chunks[event.chunk].waiting

    def _weights(self, event: Event) -> Iterator[Row]:
        del self.waiting[event.micro_batch, event.chunk]
        yield from ()

    def _row(self, event: Event, phase: str, site: Site, live: Live, shown: int) -> Row:
        standing, part = self._standing(), site.load
        found = moments.at_work(standing, part, live, shown)
        return Row(
            f"{title(phase, site.path)}, micro-batch {event.micro_batch + 1}", event.micro_batch + 1, phase, site.path, found
        )


def shown(training: Training, index: int) -> Iterator[Row]:
    """The rows of a step that a picture needs: those of a schedule's warm-up and of as many micro-batches again, and its end. In
    between every micro-batch is like the one before."""
    most = 2 * training.plan.pipeline + 2
    few = training if training.micro_batches <= most else replace(training, global_batch=_batch(training, most))
    yield from of_rank(few, index)


def _batch(training: Training, most: int) -> int:
    """A global batch of at most so many micro-batches that the schedule takes."""
    unit = training.global_batch // training.micro_batches
    fits = [
        count
        for count in range(most, 0, -1)
        if schedules.schedule(training.plan.schedule).unit(training.plan.pipeline) in divisors(count)
    ]
    return unit * fits[0] if fits else int(training.global_batch)


def of_rank(training: Training, index: int) -> Iterator[Row]:
    """The moments of a step on the rank of a stage, in order, the update of the optimizer last."""
    stage = next(stage for stage in training.stages if index in stage.indices)
    return _Rank(training, stage, training.stage_loads[training.stages.index(stage)], index).rows()
