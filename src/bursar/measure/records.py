"""Records of measured steps: machine, date, config, job and numbers as JSON, and what is predicted of the same job.

The package has some (`data/measured/`), which `bursar check --measured` replays without PyTorch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from bursar import own
from bursar.errors import FactError
from bursar.facts import data
from bursar.model import Model, load
from bursar.plan import Plan
from bursar.questions import timeline
from bursar.training import Training

KEYS = ("id", "date", "machine", "config", "job", "measured")
SCALAR = 8  # bytes of a number of Python as a tensor: up to two of them are there in passing
EXACT = {"params": "1", "train_flops": "FLOP", "peak": "B"}  # quantities that are predicted to the last digit, with their units


class Job(NamedTuple):
    """A training step on one device: sequences and their length, dtype of everything, implementation, optimizer."""

    seq: int
    micro_batch: int
    precision: str
    kernels: str
    optimizer: str


class Predicted(NamedTuple):
    """Parameters, model FLOPs of the step, bytes above weights and states at the highest moment, that moment by name and by part,
    and the bytes of Python's numbers that the allocator sees kept beside them."""

    params: int
    train_flops: int
    peak: int
    moment: str
    parts: Mapping[str, int]
    scalars: int


class Compared(NamedTuple):
    """A recorded quantity with what is predicted of it, and where it is of one part of what was measured."""

    quantity: str
    unit: str
    measured: int
    predicted: int
    agrees: bool
    where: str = ""


def predicted(model: Model, job: Job) -> Predicted:
    """What a plan says of a step of whole tensors: gradients that the backward pass makes, an optimizer that goes parameter by
    parameter. Eager attention keeps its scale as a tensor in every layer."""
    plan = Plan(
        kernels=job.kernels, precision=job.precision, micro_batch=job.micro_batch, grad_buffer="lazy", optimizer=job.optimizer,
        update="for-loop", state_dtype="bf16" if job.precision == "bf16-pure" else None,
    )  # fmt: skip
    training = Training(model, plan, length=job.seq, global_batch=job.micro_batch)
    (moment,) = training.moments()
    held = moment.memory
    states = held.weights + held.master_weights + held.optimizer_state + held.runtime
    scales = SCALAR * int(model.architecture.layers) if job.kernels == "eager" else 0
    return Predicted(
        int(model.params()), int(model.flops(job.seq, job.micro_batch).train), int(held.peak - states),
        timeline.name(training.stages[0], moment)[0],
        {name: int(value) for name, value in held._asdict().items() if value and name != "runtime"}, scales,
    )  # fmt: skip


def compared(record: Mapping[str, Any]) -> Iterator[Compared]:
    """Every exact quantity of a record, asked again."""
    found = predicted(load(record["config"]), Job(**record["job"]))
    for quantity, unit in EXACT.items():
        measured, ours = int(record["measured"][quantity]), int(getattr(found, quantity))
        passing = 2 * SCALAR if quantity == "peak" else 0
        yield Compared(quantity, unit, measured, ours, 0 <= measured - ours <= passing)


def records() -> tuple[dict[str, Any], ...]:
    """The records of the package, by name."""
    files = sorted((file for file in data("measured").iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
    found = tuple(json.loads(file.read_text(encoding="utf-8")) for file in files)
    for file, record in zip(files, found, strict=True):
        if missing := [key for key in KEYS if key not in record]:
            raise FactError(f"{file.name} has no {missing[0]}", field=missing[0], valid=KEYS)
    return found


def write(place: str, record: Mapping[str, Any]) -> None:
    """One record into a file. Raises PlanError where that cannot be written."""
    own.write(place, json.dumps(record, indent=2, ensure_ascii=False) + "\n", "record")
