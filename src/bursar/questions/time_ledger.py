"""The seconds of a step as entries of the book: what every operator, collective and wait takes on the rank that sets the pace.

They add up to the step. Communication is entered as long as it takes; what of it compute hides is an entry of its own, below zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bursar import recompute
from bursar.dims import Dim
from bursar.formula import formula_of
from bursar.ledger import Entry, Ledger
from bursar.machines.network import Group
from bursar.machines.roofline import Roofline
from bursar.ops.collective import Collective
from bursar.parallel import overlap
from bursar.parallel.pipeline import Stage
from bursar.parallel.schedules import schedule
from bursar.seconds import block_time, collective_time, operator_time, step_time
from bursar.training import Training
from bursar.tree import Block, Op

# parts of a step that no single operator takes, by the field of `Seconds` → the formula behind them
WAITS: dict[str, Callable[..., Any]] = {
    "data_parallel": overlap.exposed, "optimizer": step_time.update_bytes, "launching": block_time.launching,
}  # fmt: skip
ENGINES: dict[str, Callable[..., Any]] = {
    "matmul": Roofline.compute, "attention": Roofline.attend, "vector": Roofline.traffic, "network": Group.seconds,
}  # fmt: skip
TALKS = {"tensor": "tensor_parallel", "expert": "expert_parallel", "context": "context_parallel"}


def of_step(training: Training) -> Ledger:
    """One step of a job of ints, on the first rank of the slowest stage."""
    own = [sum(step_time.of_stage(stage, training.paces)) for stage in training.stages]
    stage = training.stages[own.index(max(own))]
    each = training.micro_batches // schedule(training.plan.schedule).copies
    entries = list(_worked(stage, training, each))
    return Ledger((*entries, *_hidden(stage, training, each, entries), *_waited(stage, training)))


def _worked(stage: Stage, training: Training, each: int) -> Iterator[Entry]:
    layers = [(prefix, times, block, training.plan.mode) for prefix, times, block in stage.layers]
    stem = [(f"{block.kind}.", 1, block, "none") for block in stage.stem]
    tail = [(f"{block.kind}.", 1, block, "none") for block in stage.tail]
    for prefix, times, block, mode in (*stem, *layers, *tail):
        yield from _block(stage.index, prefix, times, block, mode, training, each)


def _block(stage: int, prefix: str, times: Dim, block: Block, mode: str, training: Training, each: int) -> Iterator[Entry]:
    plan, machine, rate = training.plan, training.machine, training.plan.recipe.rate
    for line in block.walk(training.step, prefix):
        op = line.op
        if isinstance(op, Collective):
            there, back = collective_time.collective(line, op, rate["activation"], machine, plan)
        else:
            there, back = operator_time.seconds(line, training.kernels.of(op), rate, machine.roofline)
        again = there if recompute.runs_again(op, mode) else 0
        for phase, value in (("forward", there), ("backward", back), ("recompute", again)):
            if value:
                yield _entry(stage, line.path, op, phase, times * each * value, times)
    added = times * each * block_time.accumulation(block, plan, machine)
    if added:
        path = f"{prefix}gradients"
        yield Entry(stage, path, "", "backward", "seconds", "accumulation", added, "s", times, *_named(Roofline.traffic))


def _entry(stage: int, path: str, op: Op, phase: str, value: Dim, times: Dim) -> Entry:
    kind = TALKS[op.group] if isinstance(op, Collective) else op.kind
    return Entry(stage, path, type(op).__name__, phase, "seconds", kind, value, "s", times, *_named(ENGINES[op.engine]))


def _hidden(stage: Stage, training: Training, each: int, entries: list[Entry]) -> Iterator[Entry]:
    """What of the communication within a micro-batch runs beside compute."""
    pace = step_time.of_stage(stage, training.paces)
    for field in TALKS.values():
        sent = sum([entry.value for entry in entries if entry.kind == field])
        hidden = each * getattr(pace, field) - sent
        if sent and hidden:
            yield Entry(stage.index, f"{field}.hidden", "", "", "seconds", field, hidden, "s", 1, *_named(overlap.exposed))


def _waited(stage: Stage, training: Training) -> Iterator[Entry]:
    idle = schedule(training.plan.schedule).idle
    for field in ("bubble", "pipeline", "data_parallel", "optimizer", "offload", "launching"):
        value = getattr(training.seconds, field)
        if value:
            yield Entry(stage.index, field, "", "", "seconds", field, value, "s", 1, *_named(WAITS.get(field, idle)))


def _named(function: Callable[..., Any]) -> tuple[str, str]:
    found = formula_of(function)
    return (found.name, found.source) if found else (function.__qualname__, "definition")
