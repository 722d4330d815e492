"""Memory and time of every valid plan of a space, structure by structure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from bursar import rules
from bursar.dims import Dim, choose, most
from bursar.errors import PlanError
from bursar.memory import moments, overheads, peaks
from bursar.memory.peaks import Load
from bursar.parallel.pipeline import Stage
from bursar.parallel.schedules import Passes, schedule
from bursar.plan import Plan
from bursar.planner.space import BASE, Space
from bursar.planner.stack import Cost, Segment, Stack, stacked, stacks, taken
from bursar.seconds import schedule_time
from bursar.seconds.step_time import Pace
from bursar.training import Training


class Group(NamedTuple):
    """Plans of one structure: what they share, their degrees, and the segment of each by index."""

    plan: Plan
    degrees: dict[str, Any]
    segments: tuple[Segment, ...]
    segment: Any

    def at(self, row: int) -> Plan:
        """One of them as a plan of ints."""
        found: dict[str, Any] = {name: int(values[row]) for name, values in self.degrees.items()}
        own = self.segments[int(self.segment[row])]
        comm = own.cut.context_comm if found["context"] > 1 else BASE.context_comm
        return replace(self.plan, sequence=own.cut.sequence, context_comm=comm, recompute=own.mode, **found)


class Scored(NamedTuple):
    """All plans of a search: where each is, its peak bytes, and the seconds of its step. Memory is known first: the seconds of what
    does not fit are infinite."""

    groups: list[Group]
    group: Any  # which group a plan belongs to
    row: Any  # its place there
    step_s: Any
    peak: Any

    def plan(self, index: int) -> Plan:
        group: Group = self.groups[int(self.group[index])]
        return group.at(int(self.row[index]))


@dataclass(frozen=True, eq=False)
class Rows(Training):
    """Rows of a stack as the plans of one pipeline, with what is worked out already."""

    cut: tuple[Stage, ...] = ()
    costs: tuple[tuple[int, Cost], ...] = ()  # by the id of the block
    parts: tuple[tuple[str, slice], ...] = ()  # rows by their way of context parallelism
    whole: Any = False  # whether all of a layer is recomputed

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        return self.cut

    @cached_property
    def loads(self) -> dict[int, Load]:
        return {block: cost.load for block, cost in self.costs}

    @cached_property
    def paces(self) -> dict[int, Pace]:
        return {block: cost.pace for block, cost in self.costs}

    @cached_property
    def waits(self) -> dict[int, Dim]:
        return {block: cost.waits for block, cost in self.costs} if schedule(self.plan.schedule).splits else {}

    def _passes(self, own: list[Pace]) -> list[Passes]:
        weight = {block: cost.weight for block, cost in self.costs}
        apart = [sum([weight[id(block)] * times for block, times in stage.blocks()]) for stage in self.stages]
        modes = [[schedule_time.parted(*of, mode) for of in zip(own, apart, strict=True)] for mode in ("full", "none")]
        return [Passes(*[choose(self.whole, *of) for of in zip(*both, strict=True)]) for both in zip(*modes, strict=True)]

    @cached_property
    def runtime(self) -> Dim:
        names = [f.name for f in fields(self.plan) if isinstance(getattr(self.plan, f.name), np.ndarray)]
        found = []
        for comm, rows in self.parts:
            own: dict[str, Any] = {name: getattr(self.plan, name)[rows] for name in names}
            here = overheads.runtime(replace(self.plan, context_comm=comm, **own), self.device, experts=self._expert)
            found.append(np.broadcast_to(here, rows.stop - rows.start))
        return np.concatenate(found)

    def only(self, rows: Any) -> Rows:
        """Some of them, to ask for their seconds."""
        degrees = {f.name: value[rows] for f in fields(self.plan) if isinstance(value := getattr(self.plan, f.name), np.ndarray)}
        costs = tuple([(block, taken(cost, rows)) for block, cost in self.costs])
        return replace(self, plan=replace(self.plan, **degrees), costs=costs, parts=(), whole=self.whole[rows])

    def _peak(self, index: int, place: int) -> Dim:
        """Of all ranks that hold the same the one with the most in flight: the rest of what stands there is equal."""
        stage, load = self.stages[place], self.stage_loads[place]
        if index != stage.index:
            return 0
        standing = self.standing(index, place, self.micro_batches)
        if schedule(self.plan.schedule).splits and len(stage.indices) > 1:
            held = [sum(peaks.in_flight(i, load, self.plan, self.micro_batches)) for i in stage.indices]
            standing = standing._replace(activations=standing.activations + (most(held) - held[0]))
        return moments.peak(standing, load, self.update_bytes(place))


def score(space: Space) -> Scored:
    """Memory and time of every valid plan of the space."""
    groups: list[Group] = []
    peaks, seconds = [], []
    for setting in space.settings():
        for group, training in chain(_stacked(space, setting), _alone(space, setting)):
            count = group.segment.size
            peak = np.broadcast_to(training.peak(), count)
            groups.append(group)
            peaks.append(peak)
            seconds.append(_seconds(training, np.flatnonzero(peak <= space.device.memory.si), count))
    if not groups:
        raise PlanError(
            f"no plan for {space.devices} devices and a global batch of {space.global_batch} sequences keeps the rules: "
            + "; ".join(rule.text for rule in rules.RULES),
            field="devices", value=space.devices,
        )  # fmt: skip
    sizes = [peak.size for peak in peaks]
    group_of = np.repeat(np.arange(len(groups)), sizes)
    row = np.concatenate([np.arange(size) for size in sizes])
    return Scored(groups, group_of, row, np.concatenate(seconds), np.concatenate(peaks))


def _seconds(training: Training, fits: Any, count: int) -> Any:
    """Seconds of a step of the rows that fit, infinite for the others."""
    found = np.full(count, np.inf)
    if fits.size:
        few = training.only(fits) if isinstance(training, Rows) and 2 * fits.size < count else training
        step = np.broadcast_to(few.seconds.step, few.plan.tensor.size)
        found[fits] = step if few is not training else step[fits]
    return found


def _structures(space: Space, setting: Plan) -> Iterator[tuple[Plan, str]]:
    """The pipelines of a setting with their ZeRO stages, and the ranks that states are sharded over."""
    for stages, name, virtual in space.pipelines():
        for zero, shard in space.shardings(stages):
            yield replace(setting, pipeline=stages, schedule=name, virtual=virtual, zero=zero), shard


def _stacked(space: Space, setting: Plan) -> Iterator[tuple[Group, Training]]:
    for stack in stacks(space, setting):
        structure: tuple[int, str, int] | None = None
        stages: tuple[Stage, ...] = ()
        valid: dict[object, tuple[Any, dict[str, Any], Any]] = {}
        costs: dict[bytes, dict[int, Cost]] = {}
        for plan, shard in _structures(space, replace(setting, recompute=stack.segments[0].mode)):
            if structure != (plan.pipeline, plan.schedule, plan.virtual):
                structure = plan.pipeline, plan.schedule, plan.virtual
                stages, valid, costs = (), {}, {}
            key = shard, max(plan.zero, 1)  # no rule tells ZeRO 0 from 1 where states are not sharded by groups
            if key not in valid:
                valid[key] = _valid(space, plan, shard, stack)
            rows, degrees, segment = valid[key]
            if not rows.size:
                continue
            stages = stages or stack.stages(*structure)
            if rows.tobytes() not in costs:
                costs[rows.tobytes()] = {block: taken(cost, rows) for block, cost in stack.costs.items()}
            yield (
                Group(plan, degrees, stack.segments, segment),
                Rows(
                    space.architecture, replace(plan, **degrees), space.device, length=space.length,
                    global_batch=space.global_batch, mask=space.mask, checked=False, cut=stages,
                    costs=tuple(costs[rows.tobytes()].items()), parts=_parts(stack.segments, segment),
                    whole=np.array([own.mode.startswith("full") for own in stack.segments])[segment],
                ),
            )  # fmt: skip


def _valid(space: Space, plan: Plan, shard: str, stack: Stack) -> tuple[Any, dict[str, Any], Any]:
    """The rows of a stack that keep the rules as plans of a structure, with their degrees and segments."""
    first = {id(segment.cut): segment for segment in reversed(stack.segments)}
    found: dict[int, tuple[Any, dict[str, Any]]] = {}
    for comm in dict.fromkeys(segment.cut.context_comm for segment in stack.segments):
        cuts = [segment for segment in first.values() if segment.cut.context_comm == comm]
        here = {name: np.concatenate([values[cut.rows] for cut in cuts]) for name, values in stack.degrees.items()}
        rows, own = _keeping(space, replace(plan, context_comm=comm), here, shard)
        start = 0
        for cut in cuts:
            low, high = np.searchsorted(rows, (start, start + cut.size))
            found[id(cut.cut)] = rows[low:high] - start, {name: values[low:high] for name, values in own.items()}
            start += cut.size
    chosen = [found[id(segment.cut)] for segment in stack.segments]
    together = {name: np.concatenate([own[name] for _, own in chosen]) for name in chosen[0][1]}
    places = np.concatenate([rows + segment.start for (rows, _), segment in zip(chosen, stack.segments, strict=True)])
    return places, together, np.repeat(np.arange(len(chosen)), [rows.size for rows, _ in chosen])


def _cut_by(plan: Plan, cut: Plan) -> Plan:
    return replace(plan, context_comm=cut.context_comm, sequence=cut.sequence)


def _keeping(space: Space, plan: Plan, degrees: dict[str, Any], shard: str) -> tuple[Any, dict[str, Any]]:
    """Which rows keep the rules, and their degrees."""
    data = space.devices / (degrees["tensor"] * degrees["context"] * plan.pipeline)
    found = {**degrees, "data": data}
    whole = data == np.floor(data)
    if shard == "domain":
        found["shard_group"] = np.maximum(np.floor(space.device.domain.si / degrees["tensor"]), 1)
        whole = whole & (found["shard_group"] < data * degrees["context"])
    rows = np.flatnonzero(whole)
    found = {name: values[rows] for name, values in found.items()}
    if rows.size:
        kept = rules.mask(space.architecture, replace(plan, **found), space.job) & np.ones(rows.size, dtype=bool)
        rows, found = rows[kept], {name: values[kept] for name, values in found.items()}
    return rows, found


def _parts(segments: tuple[Segment, ...], segment: Any) -> tuple[tuple[str, slice], ...]:
    """Rows by their way of context parallelism; the segments of each stand together."""
    found: dict[str, slice] = {}
    for index, own in enumerate(segments):
        start, stop = np.searchsorted(segment, (index, index + 1))
        comm = own.cut.context_comm
        found[comm] = slice(found[comm].start if comm in found else int(start), int(stop))
    return tuple((comm, rows) for comm, rows in found.items() if rows.stop > rows.start)


def _alone(space: Space, setting: Plan) -> Iterator[tuple[Group, Training]]:
    """Plans whose recompute mode takes several layers together."""
    for mode in space.values("recompute"):
        for cut, degrees in space.cuts(setting) if not stacked(mode) else ():
            for structure, shard in _structures(space, replace(setting, recompute=mode)):
                plan = _cut_by(structure, cut)
                rows, own = _keeping(space, plan, degrees, shard)
                if rows.size:
                    segments = (Segment(0, rows.size, cut, mode),)
                    training = space.training(replace(plan, **own), checked=False)
                    yield Group(plan, own, segments, np.zeros(rows.size, dtype=np.intp)), training
