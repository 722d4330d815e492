"""The memory of a rank at its peak: states by the parameters it holds, activations in flight, what the block at work changes, and
what is measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy as sp

from bursar.explain import activations
from bursar.explain.job import Job
from bursar.explain.letters import letter
from bursar.explain.step import Explained, Reason, Step, times, title, total
from bursar.memory import peaks as held
from bursar.model import Model
from bursar.parallel import data, schedules
from bursar.precision import size
from bursar.training import Training

STATES = ("weights", "gradients", "master_weights", "optimizer_state")
GROUPS = {"data": ("N", "n"), "expert_data": ("X", "x")}  # parameters of a rank, and ranks that share their states
FLYING = "m_f"  # micro-batches in flight
SOURCES = {"weights": "zero", "gradients": "zero", "master_weights": "mixed-precision", "optimizer_state": "zero"}


def memory(model: Model, training: Training) -> Explained:
    """Bytes of the worst stage's rank at its highest moment, part by part."""
    moments = training.moments()
    index = max(range(len(moments)), key=lambda place: moments[place].memory.peak)
    place = next(place for place, stage in enumerate(training.stages) if index in stage.indices)
    job = Job(model, training, place)
    numbers: dict[str, Any] = dict(job.numbers)
    steps = (*_states(training, place, moments[index].memory, numbers), *_moving(training, index, place, numbers))
    root = Step(
        model.name, *total(steps), "B", "explain_memory", {"stage": index, "moment": moments[index].phase}, "zero", "section 3",
        assumes=(f"assume_peak_{moments[index].phase}",), steps=steps,
    )  # fmt: skip
    return Explained(root, numbers, beside=(_parameters(job), _micro_batch(job)))


# ── states ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _states(training: Training, place: int, found: held.Memory, numbers: dict[str, Any]) -> Iterator[Step]:
    """Bytes of weights, gradients, masters and optimizer states: elements that a rank holds times bytes of each."""
    in_letters = _held(training, place, numbers)
    for part in STATES:
        value = getattr(found, part)
        formula = in_letters.get(part)
        if formula is None:
            formula = letter(f"B_{part}")
            numbers[str(formula)] = value
        reason = Reason(f"memory_why_{part}" if in_letters else "memory_by_parameter")
        yield Step(part, formula, value, "B", f"memory_{part}", source=SOURCES[part], reasons=(reason,))


def _held(training: Training, place: int, numbers: dict[str, Any]) -> dict[str, Any]:
    """Bytes of the states over letters, where every parameter costs the same and gradients have buffers; else nothing."""
    plan, load, rate = training.plan, training.stage_loads[place], training.plan.recipe.rate
    if not plan.flat or plan.sharding != "flat" or plan.offload or held.gradients_of(plan) != "allocated":
        return {}
    parts = []
    for group, elements in load.parameters():
        name, ways = GROUPS[group]
        shards = plan.shards(group)
        numbers |= {name: elements, **({ways: shards} if plan.zero else {})}
        parts.append(data.held(letter(name), letter(ways) if plan.zero else shards, plan.zero))
    weight, gradient, state = (sum(getattr(part, use) for part in parts) for use in ("weight", "gradient", "state"))
    frozen = training.held[place].frozen
    numbers |= {"F": frozen} if frozen else {}
    return {
        "weights": size(weight, rate["weight"]) + (letter("F") if frozen else 0),
        "gradients": size(gradient, rate["gradient"]),
        "master_weights": size(state, rate["master"]),
        "optimizer_state": size(state, plan.states.bytes_per_parameter or 0),
    }


# ── what comes and goes ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _moving(training: Training, index: int, place: int, numbers: dict[str, Any]) -> Iterator[Step]:
    """Activations and logits of the micro-batches in flight and what the block at work has of them, buffers, overheads."""
    load, m = training.stage_loads[place], training.micro_batches
    standing, found = training.standing(index, place, m), training.moments()[index].memory
    flights = schedules.in_flight(training.plan.schedule, index, training.plan.pipeline, training.plan.virtual, m)
    alike = not load.chunks and not training.plan.offload
    for part, each, name in (("activations", load.kept, "A"), ("logits", load.logits, "Z")):
        tables = load.tables if part == "activations" else 0
        flying = getattr(standing, part) - tables
        if alike:
            numbers |= {name: each, FLYING: flights[0][0].whole}
            formula = letter(FLYING) * letter(name)
        else:
            formula = _named(f"{name}_f", flying, numbers)
        steps = [Step(f"{part} in flight", formula, flying, "B", f"memory_{part}_in_flight", source="megatron-2021")]
        if tables:
            steps.append(Step("tables", _named("T", tables, numbers), tables, "B", "shared"))
        if change := getattr(found, part) - getattr(standing, part):
            steps.append(Step("at work", _named(f"{name}_w", change, numbers), change, "B", "memory_at_work"))
        yield Step(part, *total(tuple(steps)), "B", f"memory_{part}", steps=tuple(steps))
    for part in ("temporary", "communication"):
        value = getattr(found, part)
        yield Step(part, _named(f"B_{part}", value, numbers), value, "B", f"memory_{part}", reasons=(Reason(f"memory_why_{part}"),))
    yield _overheads(training, numbers)


def _named(name: str, value: Any, numbers: dict[str, Any]) -> Any:
    """A letter for a number that is a maximum over moments, which no formula holds."""
    numbers[name] = value
    return sp.Symbol(name)


def _overheads(training: Training, numbers: dict[str, Any]) -> Step:
    steps = tuple([
        Step(
            one.name, _named(f"O_{place + 1}", one.bytes, numbers), one.bytes, "B", source=one.source,
            facts={"low": one.low, "high": one.high},
        )
        for place, one in enumerate(training.overheads())
    ])  # fmt: skip
    return Step("runtime", *total(steps), "B", "memory_runtime", reasons=(Reason("memory_why_runtime"),), steps=steps)


# ── beside it ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _parameters(job: Job) -> Step:
    """Parameters of the rank, block by block."""
    own, words = job.stages
    counts = {id(run.ints): run for run in job.runs}
    steps: dict[int, Step] = {}
    for (block, _), (other, _) in zip(own.blocks(), words.blocks(), strict=True):
        run = counts.get(id(block))
        number, count, path = (run.times, run.count, run.path) if run else (1, 1, block.kind)
        value = number * sum(block.parameters)
        if value:
            formula = times(count, sp.sympify(sum(other.parameters)))
            facts = {"count": number, "kind": block.kind, "first": run.first or 0 if run else 0}
            steps[id(block)] = Step(path.strip("."), formula, value, "1", title(block.kind, number), facts)
    found = tuple(steps.values())
    return Step("N", *total(found), "1", "memory_parameters", steps=found)


def _micro_batch(job: Job) -> Step:
    """What the rank keeps of one micro-batch, tables included."""
    found = activations.parts(job)
    return Step("A + Z + T", *total(found), "B", "memory_micro_batch", source=activations.SOURCE, steps=found)
