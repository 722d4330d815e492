"""The adviser: what a step is spent on, what limits it, and which single change of the plan would help, by how much, at what price.

Nothing is a rule of thumb: every remedy is the job with one knob turned (`whatif`), and the part of the step that it shortens
most is what it is a remedy for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from bursar.errors import BursarError
from bursar.questions import whatif
from bursar.training import Training

# the parts of a step by what they wait for
LIMITS: Mapping[str, tuple[str, ...]] = {
    "compute": ("forward", "backward"),
    "recomputation": ("recompute",),
    "communication": ("tensor_parallel", "expert_parallel", "context_parallel", "pipeline", "data_parallel"),
    "bubble": ("bubble",),
    "optimizer": ("optimizer",),
    "host": ("offload",),
    "launching": ("launching",),
}
WORTH = 0.002  # of the step: less is within any band


class Limit(NamedTuple):
    """Seconds of a step that wait for one thing, their share, and the largest part of them."""

    name: str
    seconds: float
    share: float
    part: str


class Remedy(NamedTuple):
    """One change: seconds of a step that it saves, the part that it shortens most, the peak with it, whether that fits, and the
    share of tokens per second that it adds."""

    knob: str
    saves_s: float
    part: str
    peak: int
    fits: bool
    faster: float


class Advice(NamedTuple):
    """Limits, heaviest first; remedies that fit, those that save most first; those that would help and do not fit; and, where the
    job itself does not fit, what makes it fit, fastest first."""

    limits: tuple[Limit, ...]
    remedies: tuple[Remedy, ...]
    too_large: tuple[Remedy, ...]
    to_fit: tuple[Remedy, ...]


def advise(training: Training) -> Advice:
    """Advice on a job on a device."""
    capacity = training.device.memory.si if training.device else float("inf")
    turned = [remedy for knob in whatif.KNOBS if (remedy := _remedy(knob, training, capacity)) is not None]
    helpful = sorted([one for one in turned if one.saves_s > WORTH * training.seconds.step], key=lambda one: -one.saves_s)
    fits = training.peak() <= capacity
    return Advice(
        limits(training),
        tuple(one for one in helpful if one.fits),
        tuple(one for one in helpful if not one.fits),
        () if fits else tuple(sorted([one for one in turned if one.fits], key=lambda one: -one.saves_s)),
    )


def limits(training: Training) -> tuple[Limit, ...]:
    """The step by what it waits for; the shares add up to one."""
    parts = training.seconds._asdict()
    found = []
    for name, held in LIMITS.items():
        seconds = sum(float(parts[part]) for part in held)
        found.append(Limit(name, seconds, seconds / training.seconds.step, max(held, key=lambda part: parts[part])))
    return tuple(sorted([limit for limit in found if limit.seconds], key=lambda limit: -limit.seconds))


def _remedy(knob: whatif.Knob, training: Training, capacity: float) -> Remedy | None:
    """The knob turned; devices and global batch stay."""
    try:
        changed = replace(training, plan=replace(training.plan, **knob.turn(training.plan)))
        before, after = training.seconds._asdict(), changed.seconds._asdict()
        peak = changed.peak()
    except BursarError:
        return None
    saves = float(training.seconds.step - changed.seconds.step)
    part = max(before, key=lambda name: before[name] - after[name])
    return Remedy(knob.name, saves, part, peak, peak <= capacity, float(training.seconds.step / changed.seconds.step) - 1)
