"""A search among the plans alone that a framework can express."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any, NamedTuple

from bursar import planner
from bursar.errors import PlanError
from bursar.launch.launched import Framework, Job, refuse
from bursar.plan import CLI_NAMES, Plan
from bursar.planner import AXES, Candidate, Found, Space

FIELDS = {**{option: field for field, option in CLI_NAMES.items()}, "shard": "shard_group"}  # of the axes
AXIS_FIELDS = frozenset(FIELDS[axis] for axis in AXES)
PLAIN = {field.name: field.default for field in fields(Plan)} | {"shard_group": "all", "expert_tensor": 0}


class Written(NamedTuple):
    """The first plan of some that a framework could express: its place among them, the file, and why those before it could not."""

    place: int
    text: str
    refused: tuple[str, ...]


def among(framework: Framework, space: Space) -> Space:
    """The space with the values that the framework has. What is no axis is as the framework has it unless asked otherwise."""
    usual = {name: value for name, value in framework.usual.items() if getattr(space.base, name) == PLAIN[name]}
    base = replace(space.base, **usual)
    refuse(framework.name, replace(base, **framework.again), framework.expressed | AXIS_FIELDS, framework.held)
    return replace(space, base=base, fixed={axis: _values(framework, space, axis) for axis in AXES}, also={})


def _values(framework: Framework, space: Space, axis: str) -> tuple[Any, ...]:
    field, asked = FIELDS[axis], space.values(axis)
    if field in framework.expressed or field == "sequence":
        return asked
    valid = framework.held.get(field, (PLAIN[field],))
    found = tuple([value for value in asked if value in valid])
    if not found and axis in space.fixed:
        words = "/".join(str(AXES[axis].write(value)) for value in asked)
        raise PlanError(f"{framework.name} cannot express {axis}={words}", field=axis, value=asked, valid=_written(axis, valid))
    return found or valid


def again(framework: Framework, space: Space, found: Found) -> Found:
    """What was found, read again as the framework holds it; plans that do not fit so are left out."""
    if not framework.again:
        return found

    def read(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
        every = [planner.read(space, replace(one.plan, **framework.again)) for one in candidates]
        return tuple(sorted([one for one in every if one.peak <= space.device.memory.si], key=lambda one: (one.step_s, one.peak)))

    leanest = planner.read(space, replace(found.leanest.plan, **framework.again))
    return found._replace(best=read(found.best), pareto=read(found.pareto), leanest=leanest)


def _written(axis: str, values: tuple[Any, ...]) -> list[Any]:
    return [AXES[axis].write(value) for value in values]


def first(framework: Framework, jobs: Iterable[Job]) -> Written:
    """The first job that the framework can express. PlanError of the first one where there is none."""
    refused: list[PlanError] = []
    for place, job in enumerate(jobs):
        try:
            return Written(place, framework.write(job), tuple(str(error) for error in refused))
        except PlanError as error:
            refused.append(error)
    raise refused[0]
