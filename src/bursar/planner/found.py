"""The answer of a search: the fastest plans that fit, read again in ints, and the front of time and memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from bursar.errors import PlanError
from bursar.machines.devices import Device
from bursar.machines.devices import device as named
from bursar.model import Model
from bursar.plan import Plan
from bursar.planner.scoring import Scored, score
from bursar.planner.space import BASE, Space, space_of
from bursar.seconds.step_time import Seconds


class Candidate(NamedTuple):
    """A plan that was read again in ints."""

    plan: Plan
    peak: int
    seconds: Seconds
    utilization: float

    @property
    def step_s(self) -> float:
        return self.seconds.step  # type: ignore[no-any-return]


class Found(NamedTuple):
    """The answer of a search. `best` has one plan per layout, fastest first; `leanest` needs least memory."""

    best: tuple[Candidate, ...]
    pareto: tuple[Candidate, ...]
    leanest: Candidate
    searched: int
    feasible: int
    seconds: float


def search(
    model: Model, device: Device | str, devices: int, *, seq: int | None = None, global_batch: int | None = None,
    global_batch_tokens: int | None = None, base: Plan = BASE, mask: str = "full", keep: int = 5, fix: str | None = None,
    also: str | None = None,
) -> Found:  # fmt: skip
    """The fastest plans of a model on `devices` devices that fit, for a global batch in sequences or in tokens.

    `fix` and `also` say what axes go through: fix="tp=8,schedule=1f1b/zb-v" replaces their usual values, `also` adds to them. What
    is no axis stays as in `base`. Raises PlanError where no plan keeps the rules. `best` is empty where none fits; `leanest` then
    says how far off it is.
    """
    options = {
        "seq": seq, "global_batch": global_batch, "global_batch_tokens": global_batch_tokens, "devices": devices, "mask": mask,
        "kernels": base.kernels, "precision": base.precision, "grad_dtype": base.grad_dtype, "optimizer": base.optimizer,
        "state_dtype": base.state_dtype, "optimizer_step": base.update, "fix": fix, "also": also,
    }  # fmt: skip
    space, _ = space_of(model, options, named(device) if isinstance(device, str) else device)
    return best_of(replace(space, base=base), keep)


def best_of(space: Space, keep: int = 5) -> Found:
    """The fastest plans that fit, and the front of time and memory."""
    start = time.perf_counter()
    scored = score(space)
    fits = np.flatnonzero(scored.peak <= space.device.memory.si)
    known: dict[int, Candidate] = {}

    def candidate(index: int) -> Candidate:
        if index not in known:
            known[index] = read(space, scored.plan(index))
        return known[index]

    best = tuple(sorted([candidate(index) for index in _layouts(scored, fits, keep)], key=lambda found: (found.step_s, found.peak)))
    pareto = tuple([candidate(index) for index in _front(scored, fits)])
    least = np.flatnonzero(scored.peak == scored.peak.min())
    leanest = candidate(int(least[np.argmin(scored.step_s[least])]))
    return Found(best, pareto, leanest, scored.peak.size, fits.size, time.perf_counter() - start)


def best_if_any(space: Space) -> Candidate | None:
    """The fastest plan that fits; None where none does, or none keeps the rules."""
    try:
        scored = score(space)
        first = next(_fastest(scored, np.flatnonzero(scored.peak <= space.device.memory.si)), None)
        return None if first is None else read(space, scored.plan(first))
    except PlanError:  # of the rules, or of a device without a network
        return None


def _fastest(scored: Scored, fits: Any, few: int = 256) -> Iterator[int]:
    """Those that fit, fastest first, of equals the leanest. They are sorted as far as they are asked for."""
    while fits.size:
        seconds = scored.step_s[fits]
        bound = np.partition(seconds, few)[few] if fits.size > few else np.inf
        first, fits = fits[seconds <= bound], fits[seconds > bound]
        yield from map(int, first[np.lexsort((scored.peak[first], scored.step_s[first]))])
        few *= 16


def _layouts(scored: Scored, fits: Any, keep: int) -> Iterator[int]:
    """The fastest plan of each of the fastest layouts."""
    seen: set[tuple[int, ...]] = set()
    for index in _fastest(scored, fits):
        layout = _layout(scored.plan(index))
        if layout not in seen:
            seen.add(layout)
            yield index
        if len(seen) == keep:
            return


def _front(scored: Scored, fits: Any, most: int = 8) -> Iterator[int]:
    """The plans, fastest first, that no faster one undercuts in memory."""
    for _ in range(most):
        if not fits.size:
            return
        index = next(_fastest(scored, fits))
        yield index
        fits = fits[scored.peak[fits] < scored.peak[index]]


def _layout(plan: Plan) -> tuple[int, ...]:
    """What tells plans apart at a glance; of plans that share it, the fastest stands for the others."""
    return (plan.tensor, plan.context, plan.pipeline, plan.data, plan.expert, plan.expert_tensor)


def read(space: Space, plan: Plan) -> Candidate:
    """A plan in ints, checked by every rule."""
    training = space.training(plan)
    return Candidate(plan, training.peak(), training.seconds, training.utilization(training.model_flops))


def smallest_cluster(space: Space, doublings: int = 8) -> tuple[int, Candidate] | None:
    """The first doubling of the devices on which a plan fits (the batch grows where it must be split further)."""
    for power in range(1, doublings + 1):
        devices = space.devices * 2**power
        if space.device.size is not None and devices > space.device.size.si:
            return None
        larger = replace(space, devices=devices, global_batch=max(space.global_batch, devices))
        if (found := best_if_any(larger)) is not None:
            return devices, found
    return None
