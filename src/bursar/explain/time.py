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
    symbol = _named(f"tau_{name}", numbers["m"], value, numbers) if name in OF_A_PASS else sp.Symbol(f"T_{name}")
    if name not in OF_A_PASS:
        numbers[str(symbol)] = value
        return Step(name, symbol, value, "s", name, source=SOURCES.get(name, "roofline"), reasons=(Reason(f"time_why_{name}"),))
    blocks = tuple(_blocks(name, job, numbers))
    formula = letter("m") * symbol
    return Step(name, formula, value, "s", name, source="roofline", reasons=(Reason(f"time_why_{name}"),), steps=blocks)


SOURCES = {"bubble": "megatron-2021", "pipeline": "megatron-2021", "data_parallel": "zero"}


def _named(name: str, ways: int, value: float, numbers: dict[str, Any]) -> Any:
    """The seconds of one of several equal passes."""
    numbers[name] = value / ways
    return sp.Symbol(name)


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
        lines = tuple(_lines(part, block, other, job, numbers, passes, count)) if part in OPERATORS else ()
        facts = {"count": number, "kind": block.kind, "first": (run.first or 0) if run else 0}
        key = "explain_layers" if run else {"stem": "embedding", "head": "explain_head"}.get(block.kind, "explain_layer")
        yield Step(path, times(count, letter("m") * sp.Symbol(name)), passes * each, "s", key, facts, "roofline", steps=lines)


def _lines(part: str, block: Block, other: Block, job: Job, numbers: dict[str, Any], passes: int, count: Any) -> Iterator[Step]:
    """The operators of a block, as often as they run."""
    training = job.training
    roof, letters = training.machine.roofline, _letters(training.machine.roofline, numbers)
    rate, mode = training.plan.recipe.rate, training.plan.mode if block.kind not in ("stem", "head") else "none"
    for line, word in zip(block.walk(training.step), other.walk(step(training.step)), strict=True):
        if isinstance(line.op, Collective) or (part == "recompute" and not recompute.runs_again(line.op, mode)):
            continue
        kernel = training.kernels.of(line.op)
        place = 1 if part == "backward" else 0
        value = operator_time.seconds(line, kernel, rate, roof)[place]
        if value:
            formula = operator_time.seconds(word, kernel, rate, letters)[place]
            yield Step(line.path, times(count, letter("m") * formula), passes * value, "s", source="roofline")


def _letters(roof: Roofline, numbers: dict[str, Any]) -> Roofline:
    """A roofline over letters for its rates."""
    found = {}
    for each in fields(roof):
        value = getattr(roof, each.name)
        if isinstance(value, float) and each.name not in STRUCTURE:
            numbers[f"R_{each.name}"] = value
            found[each.name] = sp.Symbol(f"R_{each.name}", positive=True)
    return replace(roof, **found)
