"""The seconds of a step: the passes of every block operator by operator on the roofline, and what is waited for.

The formula of an operator is the one that the step is timed by, read with letters for the device's rates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, NamedTuple

import sympy as sp

from bursar import recompute
from bursar.explain.job import Job
from bursar.explain.letters import letter, step
from bursar.explain.step import Explained, Reason, Step, times, title, total
from bursar.machines.roofline import Roofline
from bursar.model import Model
from bursar.ops.collective import Collective
from bursar.parallel.schedules import schedule
from bursar.seconds import operator_time, step_time
from bursar.training import Training
from bursar.tree import Block, Op

OPERATORS = ("forward", "backward", "recompute")  # parts of a step that are seconds of operators
OF_A_PASS = (*OPERATORS, "tensor_parallel", "expert_parallel", "context_parallel")
SOURCES = {"bubble": "megatron-2021", "pipeline": "megatron-2021", "data_parallel": "zero"}
STRUCTURE = ("cast_bytes",)  # says whether operands are cast, so that it stays a number


class Timed(NamedTuple):
    """An operator with the seconds of its forward and of its backward pass, and their formulas."""

    path: str
    op: Op
    seconds: tuple[float, float]
    formulas: tuple[Any, Any]


def time(model: Model, training: Training) -> Explained:
    """Seconds of a step, part by part, on the stage that sets the pace."""
    seconds = training.time()
    own = [sum(step_time.of_stage(stage, training.paces)) for stage in training.stages]
    job = Job(model, training, own.index(max(own)))
    numbers: dict[str, Any] = {**job.numbers, "m": training.micro_batches // schedule(training.plan.schedule).copies}
    timed = _timed(job, numbers)
    steps = tuple([_part(name, value, job, numbers, timed) for name, value in seconds._asdict().items() if value])
    formula, _ = total(steps)
    root = Step(model.name, formula, seconds.step, "s", "explain_time", source="roofline", assumes=("assume_rates",), steps=steps)
    return Explained(root, numbers)


def _timed(job: Job, numbers: dict[str, Any]) -> dict[int, tuple[Timed, ...]]:
    """The operators of every block of the stage."""
    training, (own, words) = job.training, job.stages
    pairs = {id(block): (block, other) for (block, _), (other, _) in zip(own.blocks(), words.blocks(), strict=True)}
    return {key: tuple(_operators(*pair, training, numbers)) for key, pair in pairs.items()}


def _operators(block: Block, other: Block, training: Training, numbers: dict[str, Any]) -> Iterator[Timed]:
    roof, rate = training.machine.roofline, training.plan.recipe.rate
    letters = _letters(roof, numbers)
    for line, word in zip(block.walk(training.step), other.walk(step(training.step)), strict=True):
        if not isinstance(line.op, Collective):
            kernel = training.kernels.of(line.op)
            both = [operator_time.seconds(side, kernel, rate, rates) for side, rates in ((line, roof), (word, letters))]
            yield Timed(line.path, line.op, *both)


def _part(name: str, value: float, job: Job, numbers: dict[str, Any], timed: Mapping[int, tuple[Timed, ...]]) -> Step:
    """A part of the step: so many passes of a micro-batch, or seconds of its own."""
    if name in OF_A_PASS:
        numbers[f"tau_{name}"] = value / numbers["m"]
        formula, steps = letter("m") * sp.Symbol(f"tau_{name}"), tuple(_blocks(name, job, numbers, timed))
    else:
        numbers[f"T_{name}"] = value
        formula, steps = sp.Symbol(f"T_{name}"), ()
    reasons = (Reason(f"time_why_{name}"),)
    return Step(name, formula, value, "s", name, source=SOURCES.get(name, "roofline"), reasons=reasons, steps=steps)


def _blocks(part: str, job: Job, numbers: dict[str, Any], timed: Mapping[int, tuple[Timed, ...]]) -> Iterator[Step]:
    """The blocks of the stage, each as often as it is passed."""
    runs = {id(run.ints): run for run in job.runs}
    for block in {id(block): block for block, _ in job.stages[0].blocks()}.values():
        each = getattr(job.training.paces[id(block)], part)
        if not each:
            continue
        run = runs.get(id(block))
        number, count, path = (run.times, run.count, run.path.strip(".")) if run else (1, 1, block.kind)
        name = f"tau_{part}_{path.replace('.', '_')}"
        numbers[name] = each
        every, passes = number * numbers["m"], times(count, letter("m"))
        operators = _passes(part, timed[id(block)], job.training.plan.mode if run else "none")
        lines = [Step(path, passes * formula, every * value, "s", source="roofline") for path, formula, value in operators]
        facts = {"count": number, "kind": block.kind, "first": (run.first or 0) if run else 0}
        yield Step(
            path, passes * sp.Symbol(name), every * each, "s", title(block.kind, number), facts, "roofline", steps=tuple(lines)
        )


def _passes(part: str, timed: tuple[Timed, ...], mode: str) -> Iterator[tuple[str, Any, float]]:
    """The operators that a part of the step is seconds of."""
    if part in OPERATORS:
        place = int(part == "backward")
        for one in timed:
            if one.seconds[place] and (part != "recompute" or recompute.runs_again(one.op, mode)):
                yield one.path, one.formulas[place], one.seconds[place]


def _letters(roof: Roofline, numbers: dict[str, Any]) -> Roofline:
    """A roofline over letters for its rates."""
    found = {}
    for each in fields(roof):
        value = getattr(roof, each.name)
        if isinstance(value, float) and each.name not in STRUCTURE:
            numbers[f"R_{each.name}"] = value
            found[each.name] = sp.Symbol(f"R_{each.name}", positive=True)
    return replace(roof, **found)
