"""Memory and time of every valid plan of a space, structure by structure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from bursar import rules
from bursar.errors import PlanError
from bursar.memory import overheads
from bursar.parallel.schedules import schedule
from bursar.plan import Plan
from bursar.planner.rows import Rows
from bursar.planner.space import BASE, Space, experts_of
from bursar.planner.stack import Cut, Stack, stacked, stacks, taken
from bursar.rules.rule import Rule
from bursar.training import Training


class Group(NamedTuple):
    """Plans of one structure: what they share, their recompute modes (rows), their degrees by column, and how each column is cut.
    `peak` and `step_s` are bytes and seconds by row and column."""

    plan: Plan
    modes: tuple[str, ...]
    degrees: dict[str, Any]
    cuts: tuple[Cut, ...]
    cut: Any  # which of them a column is
    peak: Any
    step_s: Any

    def at(self, index: int) -> Plan:
        """One of them as a plan of ints."""
        mode, column = divmod(index, self.cut.size)
        found: dict[str, Any] = {name: int(values[column]) for name, values in self.degrees.items()}
        own = self.cuts[int(self.cut[column])].plan
        comm = own.context_comm if found["context"] > 1 else BASE.context_comm
        return replace(self.plan, sequence=own.sequence, context_comm=comm, recompute=self.modes[mode], **found)


class Scored(NamedTuple):
    """All plans of a search: where those of each group begin, their peak bytes, and the seconds of their steps. The seconds of what
    does not fit are infinite."""

    groups: list[Group]
    starts: Any
    step_s: Any
    peak: Any

    def plan(self, index: int) -> Plan:
        place = int(np.searchsorted(self.starts, index, side="right")) - 1
        return self.groups[place].at(int(index - self.starts[place]))


def score(space: Space) -> Scored:
    """Memory and time of every valid plan of the space."""
    groups = [group for setting in space.settings() for group in chain(_stacked(space, setting), _alone(space, setting))]
    if not groups:
        raise PlanError(
            f"no plan for {space.devices} devices and a global batch of {space.global_batch} sequences keeps the rules: "
            + "; ".join(rule.text for rule in rules.RULES),
            field="devices", value=space.devices,
        )  # fmt: skip
    starts = np.cumsum([0, *[group.peak.size for group in groups[:-1]]])
    flat = [np.concatenate([values.ravel() for values in of]) for of in zip(*[(g.step_s, g.peak) for g in groups], strict=True)]
    return Scored(groups, starts, *flat)


def _stacked(space: Space, setting: Plan) -> Iterator[Group]:
    for stack in stacks(space, setting):
        dealt = _Dealt(space, stack)
        for stages, name, virtual in space.pipelines():
            structure = replace(setting, pipeline=stages, schedule=name, virtual=virtual, recompute=stack.modes[0])
            yield from _of_pipeline(space, stack, structure, dealt)


def _of_pipeline(space: Space, stack: Stack, structure: Plan, dealt: _Dealt) -> Iterator[Group]:
    """The plans of one pipeline: those that shard states over all ranks are worked out first, others are some of them."""
    known: dict[str, tuple[Any, Rows]] = {}
    for zero, shard in space.shardings(structure.pipeline):
        plan = replace(structure, zero=zero)
        columns = dealt.columns(plan, shard)
        if not columns.size:
            continue
        wide, rows = known.get("all") or known.get(shard) or (columns, _rows(space, stack, plan, columns))
        degrees, runtime = dealt.degrees(plan, shard), dealt.runtime(plan, shard)
        rows = rows.sharded(replace(plan, **{name: values[wide] for name, values in degrees.items()}), runtime[wide])
        known[shard] = wide, rows
        peak, step_s = _read(space, rows, (len(stack.modes), wide.size))
        some = slice(None) if columns.size == wide.size else np.searchsorted(wide, columns)
        own = {name: values[columns] for name, values in degrees.items()}
        yield Group(plan, stack.modes, own, stack.cuts, stack.cut[columns], peak[:, some], step_s[:, some])


class _Dealt:
    """The columns of a stack dealt to the ranks of a pipeline: their degrees, those that keep the rules, their overheads."""

    def __init__(self, space: Space, stack: Stack) -> None:
        self.space, self.stack = space, stack
        self.experts = bool(experts_of(space.architecture))
        self.found: dict[tuple[int, str], dict[str, Any]] = {}
        self.bytes: dict[tuple[int, str, int], Any] = {}

    def degrees(self, plan: Plan, shard: str) -> dict[str, Any]:
        key = plan.pipeline, shard
        if key not in self.found:
            self.found[key] = _dealt(self.space, self.stack.degrees, plan.pipeline, shard)
        return self.found[key]

    def columns(self, plan: Plan, shard: str) -> Any:
        """The columns that keep the rules as plans of a structure."""
        return _keeping(self.space, plan, self.degrees(plan, shard), rules.OF_RANKS)

    def runtime(self, plan: Plan, shard: str) -> Any:
        """Bytes that are no tensors, of all columns."""
        key = plan.pipeline, shard, schedule(plan.schedule).copies
        if key not in self.bytes:
            found = np.empty(self.stack.cut.size)
            for cut in self.stack.cuts:
                own = {name: values[cut.start : cut.end] for name, values in self.degrees(plan, shard).items()}
                here = replace(plan, context_comm=cut.plan.context_comm, **own)
                found[cut.start : cut.end] = overheads.runtime(here, self.space.device, experts=self.experts)
            self.bytes[key] = found
        return self.bytes[key]


def _dealt(space: Space, degrees: dict[str, Any], pipeline: int, shard: str) -> dict[str, Any]:
    """Degrees with those of data parallelism."""
    data = space.devices / (degrees["tensor"] * degrees["context"] * pipeline)
    if shard == "all":
        return {**degrees, "data": data}
    ranks = np.maximum(np.floor(space.device.domain.si / degrees["tensor"]), 1)
    return {**degrees, "data": data, "shard_group": np.minimum(ranks, data * degrees["context"])}


def _keeping(space: Space, plan: Plan, degrees: dict[str, Any], among: tuple[Rule, ...]) -> Any:
    """Which plans of a structure keep the rules. A group that is all ranks is no other way to shard."""
    data = degrees["data"]
    kept = (data == np.floor(data)) & rules.mask(space.architecture, replace(plan, **degrees), space.job, among=among)
    if "shard_group" in degrees:
        kept = kept & (degrees["shard_group"] < data * degrees["context"])
    return np.flatnonzero(kept)


def _rows(space: Space, stack: Stack, plan: Plan, columns: Any) -> Rows:
    return Rows(
        space.architecture, replace(plan, **{name: values[columns] for name, values in stack.degrees.items()}), space.device,
        length=space.length, global_batch=space.global_batch, mask=space.mask, checked=False,
        cut=stack.stages(plan.pipeline, plan.schedule, plan.virtual),
        costs={block: taken(cost, columns) for block, cost in stack.costs.items()},
        whole=np.array([[mode.startswith("full")] for mode in stack.modes]),
    )  # fmt: skip


def _read(space: Space, training: Training, shape: tuple[int, int]) -> tuple[Any, Any]:
    """Bytes and seconds of plans; seconds of those that do not fit are infinite."""
    peak = np.broadcast_to(training.peak(), shape)
    fits = peak <= space.device.memory.si
    if not fits.any():
        return peak, np.broadcast_to(np.inf, shape)
    step_s = training.step_seconds() if isinstance(training, Rows) else training.seconds.step
    return peak, np.where(fits, step_s, np.inf)


def _alone(space: Space, setting: Plan) -> Iterator[Group]:
    """Plans whose recompute mode takes several layers together."""
    for mode in space.values("recompute"):
        for chosen, degrees in space.cuts(setting) if not stacked(mode) else ():
            for structure, shard in _structures(space, replace(setting, recompute=mode)):
                plan = replace(structure, context_comm=chosen.context_comm, sequence=chosen.sequence)
                own = _dealt(space, degrees, plan.pipeline, shard)
                kept = _keeping(space, plan, own, rules.RULES)
                own = {name: values[kept] for name, values in own.items()}
                if count := kept.size:
                    training = space.training(replace(plan, **own), checked=False)
                    found = _read(space, training, (1, count))
                    yield Group(plan, (mode,), own, (Cut(0, count, chosen),), np.zeros(count, dtype=np.intp), *found)


def _structures(space: Space, setting: Plan) -> Iterator[tuple[Plan, str]]:
    """The pipelines of a setting with their ZeRO stages, and the ranks that states are sharded over."""
    for stages, name, virtual in space.pipelines():
        for zero, shard in space.shardings(stages):
            yield replace(setting, pipeline=stages, schedule=name, virtual=virtual, zero=zero), shard
