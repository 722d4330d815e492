"""Failures and checkpoints: how much of a run's time is useful work.

A job of N devices fails when any of them does, every θ = (device-hours between failures)/N on the average, at random (Poisson). It
writes a checkpoint of δ seconds after every τ seconds of work; a failure costs the work since the last one and R seconds to start
again. The useful share of the time is

    τ / (θ e^(R/θ) (e^((τ+δ)/θ) − 1))

and greatest near τ = √(2δθ) (Young 1974), more closely near Daly's (2006, equations 20 and 37).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

from bursar.dims import Dim, root
from bursar.errors import PlanError
from bursar.facts import Fact, table
from bursar.formula import formula
from bursar.plan import Plan
from bursar.training import Training

TUNED = ("precision", "grad_dtype", "optimizer", "state_dtype", "lora_rank", "adapter", "lora_targets", "weights", "freeze_layers")
HIGHEST = 700.0  # exponents beyond it are no number: nothing is ever finished


@formula("seconds between failures of a job", "s")
def job_mtbf(device_seconds: Dim, devices: Dim) -> Dim:
    """Any device stops all of them."""
    return device_seconds / devices


@formula("seconds to write a checkpoint", "s")
def writing(size: Dim, bandwidth: Dim) -> Dim:
    """Its bytes at the rate of the storage; training waits."""
    return size / bandwidth


@formula("bytes of a checkpoint", "B")
def checkpoint(parameters: Dim, weight: Dim, masters: Dim, states: Dim) -> Dim:
    """Weights that are trained, their masters and the states of the optimizer, each once."""
    return parameters * weight + masters + states


@formula("seconds of work between checkpoints, to first order", "s", "young-1974")
def young(write: Dim, mtbf: Dim) -> Dim:
    """√(2δθ)."""
    return root(2 * write * mtbf)


@formula("seconds of work between checkpoints", "s", "daly-2006")
def daly(write: Dim, mtbf: Dim) -> Dim:
    """√(2δθ)·(1 + √(δ/2θ)/3 + (δ/2θ)/9) − δ, where δ < 2θ."""
    ratio = write / (2 * mtbf)
    return young(write, mtbf) * (1 + root(ratio) / 3 + ratio / 9) - write


@formula("share of the time that is useful work", "1", "daly-2006")
def useful(interval: Dim, mtbf: Dim, restarts: Dim, attempts: Dim) -> Dim:
    """`restarts` is e^(R/θ), `attempts` e^((τ+δ)/θ): how often a restart and a stretch of work are tried."""
    return interval / (mtbf * restarts * (attempts - 1))


class Goodput(NamedTuple):
    """How failures and checkpoints stretch a run: bytes, seconds, the useful share, and what of the rest is whose."""

    goodput: float
    mtbf_s: float
    checkpoint_bytes: int
    checkpoint_s: float
    interval_s: float
    young_s: float
    restart_s: float
    lost_to_checkpoints: float
    lost_to_failures: float


def facts() -> dict[str, Any]:
    """Published failures of a run, the storage beside it, and a restart."""
    return table("failures.toml")


def published_device_seconds() -> float:
    """Device-seconds between the unexpected interruptions of Llama 3's run."""
    found = facts()["interruptions"]
    lived: float = found["days"].si * found["devices"].si / found["count"].si
    return lived


def storage(devices: int) -> float:
    """Bytes per second that so many devices write: their share of the storage beside Llama 3's."""
    found = facts()["storage"]
    share: float = found["bandwidth"].si * devices / found["devices"].si
    return share


def restart() -> Fact:
    """Seconds from a failure until training goes on."""
    found: Fact = facts()["restart"]["seconds"]
    return found


def checkpoint_bytes(training: Training) -> int:
    """Bytes of a checkpoint of a job: what is trained, whatever ranks it lies on."""
    plan = training.plan
    alone = replace(Plan(), **{name: getattr(plan, name) for name in TUNED})
    whole = Training(training.model, alone, length=training.length)
    found = whole.memory()[0]
    trained = sum([times * sum(block.trained) for _, times, block in whole.architecture.parts()])
    states = found.optimizer_state + (whole.managed() if alone.states.paged else 0)
    size: int = math.ceil(checkpoint(trained, alone.recipe.rate["weight"], found.master_weights, states))
    return size


def stretched(size: int, devices: int, device_seconds: float, bandwidth: float, again: float, every: float | None) -> Goodput:
    """The goodput of a job: a checkpoint of `size` bytes at `bandwidth`, `again` seconds to restart, a checkpoint `every` so many
    seconds of work, or as often as is best.

    Raises PlanError where failures come so fast that nothing is ever finished.
    """
    mtbf, write = job_mtbf(device_seconds, devices), writing(size, bandwidth)
    best = daly(write, mtbf) if write < 2 * mtbf else mtbf
    interval = every or best
    if max(again, interval + write) / mtbf > HIGHEST:
        raise PlanError(
            f"{devices:,} devices fail every {mtbf:.3g} s, before a stretch of {interval + write:.3g} s ends",
            field="mtbf_device_hours", value=device_seconds / 3600, valid="more hours, more storage or more frequent checkpoints",
        )  # fmt: skip
    share = useful(interval, mtbf, math.exp(again / mtbf), math.exp((interval + write) / mtbf))
    writes = share * write / interval
    return Goodput(share, mtbf, size, write, interval, young(write, mtbf), again, writes, 1 - share - writes)


def of_training(
    training: Training, *, device_hours: float | None, bandwidth: float | None, again: float | None, every_steps: int | None
) -> Goodput:
    """The goodput of a job; what is not given is as published of Llama 3's run."""
    devices = training.plan.devices
    return stretched(
        checkpoint_bytes(training), devices, published_device_seconds() if device_hours is None else 3600 * device_hours,
        bandwidth or storage(devices), restart().si if again is None else again,
        None if every_steps is None else every_steps * training.seconds.step,
    )  # fmt: skip
