"""The moments of a step on one rank of a stage, in closed form, and the highest of them.

While a micro-batch is at work in a block, the rank holds its states, the other micro-batches in flight, and of this one what the
blocks before keep and what the block has at the moment. Within a run of equal layers activations grow or fall evenly, so a run is
highest at its last layer, or at its first where the gradients of weights grow meanwhile. After the last micro-batch no activation
is left, and the optimizer's own tensors come. The peak is the highest of these few moments; `questions/timeline.py` walks through
all of them.

A rank with several chunks (interleaved pipelines) has its block at work in any of them while it holds as many micro-batches as it
ever does: no less than it needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bursar.dims import Dim, at_least, at_most, choose, most
from bursar.memory.liveness import Live
from bursar.memory.peaks import Load, Memory, StageLoad


class Moment(NamedTuple):
    """A moment of a step: the pass ("forward", "backward", "optimizer"), the number of the block at work among those of its rank
    and of its layer in a run of equal ones, and bytes."""

    phase: str
    block: int
    layer: int
    memory: Memory


class Place(NamedTuple):
    """A block of a rank: its load, how often it is there, and bytes of the micro-batch at work that come after it in its chunk, the
    last layer of the run included; `cached` are bytes that the forward passes before that layer leave until all are over."""

    block: int
    load: Load
    times: int
    kept: Dim
    logits: Dim
    cached: Dim = 0


def places(load: StageLoad) -> Iterator[Place]:
    """The blocks of a rank."""
    block = 0
    for run in load.runs:
        kept = sum([part.kept * times for part, times in run])
        logits = sum([part.logits * times for part, times in run])
        cached: Dim = 0
        for part, times in run:
            kept, logits = kept - (times - 1) * part.kept, logits - (times - 1) * part.logits
            yield Place(block, part, times, kept, logits, cached + (times - 1) * part.cached)
            kept, logits, block, cached = kept - part.kept, logits - part.logits, block + 1, cached + times * part.cached


def moments(standing: Memory, load: StageLoad, update: Dim) -> Iterator[Moment]:
    """The moments of a rank that may be its peak. `standing` is what is there while a micro-batch is at work, all micro-batches in
    flight whole; `update` the bytes that the optimizer holds for its step alone."""
    shown = _shown(load)
    for place in places(load):
        forward, backward = place.load.passes.highest
        yield Moment("forward", place.block, place.times - 1, with_cached(_at_work(standing, place, forward, 0), place.cached))
        yield Moment("backward", place.block, place.times - 1, _at_work(standing, place, backward, shown))
    yield Moment("optimizer", -1, 0, at_the_update(standing, update))


def at_peak(standing: Memory, load: StageLoad, update: Dim) -> Moment:
    """The highest of `moments`. Of one plan only its total is worked out for the others."""
    base, shown = standing.peak, _shown(load)
    if type(base) is not int:
        return highest(moments(standing, load, update))
    best, phase, found = -1, "", None
    for place in places(load):
        forward, backward = place.load.passes.totals
        for total, name in ((forward + place.cached, "forward"), (backward + shown, "backward")):
            if total - place.kept - place.logits > best or found is None:
                best, phase, found = total - place.kept - place.logits, name, place
    assert found is not None
    updating = at_the_update(standing, update)
    if updating.peak > base + best:
        return Moment("optimizer", -1, 0, updating)
    live = found.load.passes.highest[phase == "backward"]
    memory = _at_work(standing, found, live, shown if phase == "backward" else 0)
    return Moment(phase, found.block, found.times - 1, memory if phase == "backward" else with_cached(memory, found.cached))


def growing(standing: Memory, later: Memory, more: bool, load: StageLoad, update: Dim) -> Iterator[Moment]:
    """The same where the first backward pass makes the gradients of the weights, layer by layer. `later` is what stands after that
    pass, if there are `more` micro-batches."""
    shown = _shown(load)
    made: Dim = sum([place.load.grown * place.times for place in places(load)])
    none = standing._replace(gradients=standing.gradients - made)
    for place in reversed(list(places(load))):
        part = place.load
        forward, backward = part.passes_that_grow.highest
        yield Moment("forward", place.block, place.times - 1, with_cached(_at_work(none, place, forward, 0), place.cached))
        for layer in dict.fromkeys((place.times - 1, 0)):
            before = place.times - 1 - layer
            first = place._replace(kept=place.kept + before * part.kept, logits=place.logits + before * part.logits)
            there = none._replace(gradients=none.gradients + before * part.grown)
            yield Moment("backward", place.block, layer, _at_work(there, first, backward, shown))
        none = none._replace(gradients=none.gradients + place.times * part.grown)
    for moment in moments(later, load, update):
        memory = Memory(*[choose(more, bytes_, 0) for bytes_ in moment.memory]) if moment.phase != "optimizer" else moment.memory
        yield moment._replace(memory=memory)


def grown(standing: Memory, load: StageLoad) -> Memory:
    """What stands, with all gradients that one backward pass makes."""
    made = sum([part.grown * times for run in load.runs for part, times in run])
    return standing._replace(gradients=standing.gradients + made)


def _shown(load: StageLoad) -> Dim:
    return sum([part.shown for run in load.runs for part, _ in run])


def _at_work(standing: Memory, place: Place, live: Live, shown: Dim) -> Memory:
    """The block at work in the place of what its micro-batch keeps from there on."""
    without = standing._replace(activations=standing.activations - place.kept, logits=standing.logits - place.logits)
    return at_work(without, place.load, live, shown)


def with_cached(memory: Memory, cached: Dim) -> Memory:
    """A moment of a forward pass with what the blocks before leave until it is over."""
    return memory._replace(temporary=memory.temporary + cached)


def at_work(standing: Memory, part: Load, live: Live, shown: Dim) -> Memory:
    """A block at work beside what stands. As its activations count as many bytes as it keeps between its passes, in whose place
    gradients come as they are freed; temporary is what it needs beyond that."""
    here = live.activations + live.temporary
    activations = at_most(here, part.kept + part.moved)
    return standing._replace(
        gradients=standing.gradients + live.gradients,
        activations=standing.activations + activations,
        logits=standing.logits + live.logits + shown,
        temporary=standing.temporary + here - activations,
        communication=standing.communication + live.communication,
    )


def at_the_update(standing: Memory, update: Dim) -> Memory:
    """States and the optimizer's own tensors: no micro-batch is there."""
    return standing._replace(activations=0, logits=0, temporary=update, communication=0)


def highest(found: Iterable[Moment]) -> Moment:
    """The moment that needs most, the first of equals. Of many plans at once, parts are chosen plan by plan, and the rest is that
    of the first."""
    best: Moment | None = None
    top: Dim = 0
    for moment in found:
        total = moment.memory.peak
        if best is None:
            best, top = moment, total
        elif type(total) is int and type(top) is int:
            best, top = (moment, total) if total > top else (best, top)
        else:
            higher = total > top
            memory = Memory(*[choose(higher, new, old) for new, old in zip(moment.memory, best.memory, strict=True)])
            best, top = best._replace(memory=memory), choose(higher, total, top)
    assert best is not None
    return best


def peak(standing: Memory, load: StageLoad, update: Dim) -> Dim:
    """Bytes of the highest of `moments`: the same sums, the parts taken together."""
    return peak_beside(standing, work(load), update)


def peak_beside(standing: Memory, work: Dim, update: Dim) -> Dim:
    """The same with the bytes of what is at work."""
    return at_least(standing.peak + work, at_the_update(standing, update).peak)


def work(load: StageLoad) -> Dim:
    """Bytes that a block at work adds at most to what stands."""
    shown = _shown(load)
    found: list[Dim] = []
    for run in load.runs:
        after: Dim = 0
        for part, times in reversed(run):
            between = part.kept + part.logits
            after, last = after + times * between, after + between
            found.append(part.passes.top(shown) - last)
    if any(part.passes.caches for run in load.runs for part, _ in run):
        found += [place.load.passes.totals[0] + place.cached - place.kept - place.logits for place in places(load)]
    return most(found)
