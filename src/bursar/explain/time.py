"""The seconds of a step: the passes of every block operator by operator on the roofline, and what is waited for.

The formula of an operator is the one that the step is timed by, read with letters for the device's rates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import sympy as sp

from bursar import operator_time, recompute, step_time
from bursar.explain.job import Job
from bursar.explain.letters import letter, step
from bursar.explain.step import Explained, Reason, Step, times, total
from bursar.model import Model
from bursar.ops.collective import Collective
from bursar.parallel.schedules import schedule
from bursar.roofline import Roofline
from bursar.training import Training
from bursar.tree import Block

OPERATORS = ("forward", "backward", "recompute")  # parts of a step that are seconds of operators
OF_A_PASS = (*OPERATORS, "tensor_parallel", "expert_parallel", "context_parallel")
SOURCES = {"bubble": "megatron-2021", "pipeline": "megatron-2021", "data_parallel": "zero"}
STRUCTURE = ("cast_bytes",)  # says whether operands are cast, so that it stays a number


def time(model: Model, training: Training) -> Explained:
    """Seconds of a step, part by part, on the stage that sets the pace."""
    seconds = training.time()
    own = [sum(step_time.of_stage(stage, training.paces)) for stage in training.stages]
    job = Job(model, training, own.index(max(own)))
    numbers: dict[str, Any] = {**job.numbers, "m": training.micro_batches // schedule(training.plan.schedule).copies}
    steps = tuple([_part(name, value, job, numbers) for name, value in seconds._asdict().items() if value])
    formula, _ = total(steps)
    root = Step(model.name, formula, seconds.step, "s", "explain_time", source="roofline", assumes=("assume_rates",), steps=steps)
    return Explained(root, numbers)


def _part(name: str, value: float, job: Job, numbers: dict[str, Any]) -> Step:
    """A part of the step: so many passes of a micro-batch, or seconds of its own."""
    if name in OF_A_PASS:
        numbers[f"tau_{name}"] = value / numbers["m"]
        formula, steps = letter("m") * sp.Symbol(f"tau_{name}"), tuple(_blocks(name, job, numbers))
    else:
        numbers[f"T_{name}"] = value
        formula, steps = sp.Symbol(f"T_{name}"), ()
    reasons = (Reason(f"time_why_{name}"),)
    return Step(name, formula, value, "s", name, source=SOURCES.get(name, "roofline"), reasons=reasons, steps=steps)


def _blocks(part: str, job: Job, numbers: dict[str, Any]) -> Iterator[Step]:
    """The blocks of the stage, each as often as it is passed."""
    own, words = job.stages
    runs = {id(run.ints): run for run in job.runs}
    shown: set[int] = set()
    for (block, _), (other, _) in zip(own.blocks(), words.blocks(), strict=True):
        each = getattr(job.training.paces[id(block)], part)
        if not each or id(block) in shown:
            continue
        shown.add(id(block))
        run = runs.get(id(block))
        number, count, path = (run.times, run.count, run.path.strip(".")) if run else (1, 1, block.kind)
        passes = number * numbers["m"]
        name = f"tau_{part}_{path.replace('.', '_')}"
        numbers[name] = each
        lines = _lines(part, (block, other), job, numbers, (passes, count), job.training.plan.mode if run else "none")
        facts = {"count": number, "kind": block.kind, "first": (run.first or 0) if run else 0}
        key = "explain_layers" if run else {"stem": "embedding", "head": "explain_head"}.get(block.kind, "explain_layer")
        yield Step(
            path, times(count, letter("m") * sp.Symbol(name)), passes * each, "s", key, facts, "roofline", steps=tuple(lines)
        )


def _lines(
    part: str, both: tuple[Block, Block], job: Job, numbers: dict[str, Any], passes: tuple[int, Any], mode: str
) -> Iterator[Step]:
    """The operators of a block, as often as they run under a recompute mode."""
    if part not in OPERATORS:
        return
    training, rate, place = job.training, job.training.plan.recipe.rate, int(part == "backward")
    roof = training.machine.roofline
    letters, (own, other), (number, count) = _letters(roof, numbers), both, passes
    for line, word in zip(own.walk(training.step), other.walk(step(training.step)), strict=True):
        if isinstance(line.op, Collective) or (part == "recompute" and not recompute.runs_again(line.op, mode)):
            continue
        kernel = training.kernels.of(line.op)
        value = operator_time.seconds(line, kernel, rate, roof)[place]
        if value:
            formula = operator_time.seconds(word, kernel, rate, letters)[place]
            yield Step(line.path, times(count, letter("m") * formula), number * value, "s", source="roofline")


def _letters(roof: Roofline, numbers: dict[str, Any]) -> Roofline:
    """A roofline over letters for its rates."""
    found = {}
    for each in fields(roof):
        value = getattr(roof, each.name)
        if isinstance(value, float) and each.name not in STRUCTURE:
            numbers[f"R_{each.name}"] = value
            found[each.name] = sp.Symbol(f"R_{each.name}", positive=True)
    return replace(roof, **found)
