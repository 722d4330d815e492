"""The best plan of a model on a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bursar.cli.asked import Options, Payload, assumed, device_of, model_of
from bursar.cli.job import run_of, times_of

if TYPE_CHECKING:
    from bursar.planner import Candidate, Found, Space


def plan(options: Options) -> Payload:
    """The best plans of a model on a cluster, why the first one wins, and what it would take if none fits."""
    from bursar import planner
    from bursar.errors import PlanError

    model, device = model_of(options), device_of(options)
    if device is None:
        raise PlanError("a search needs a device", field="device", valid="--device NAME")
    space, batch = planner.space_of(model, options, device)
    found = planner.best_of(space)
    payload = {
        "model": options["model"],
        "device": device.id,
        "devices": space.devices,
        "device_memory": int(device.memory.si),
        "seq": space.length,
        "global_batch": space.global_batch,
        "global_batch_tokens": batch.tokens,
        "asked_tokens": batch.asked_tokens,
        "searched": found.searched,
        "feasible": found.feasible,
        "seconds": found.seconds,
        "space": planner.SPACE,
        "best": [_candidate(space, candidate, found, options) for candidate in found.best],
        "pareto": [_point(candidate) for candidate in found.pareto],
        "leanest": _point(found.leanest),
        **assumed(options),
    }
    if not found.best:
        payload["would_fit"] = _would_fit(space)
    return payload


def _point(candidate: Candidate) -> Payload:
    return {
        **candidate.plan.options(),
        "devices": candidate.plan.devices,
        "peak": candidate.peak,
        "step_s": candidate.step_s,
        "mfu": candidate.utilization,
    }


def _candidate(space: Space, candidate: Candidate, found: Found, options: Options) -> Payload:
    from bursar.report import reasons

    training = space.training(candidate.plan)
    return {
        **_point(candidate),
        "why": reasons.why(candidate, found, options["lang"]),
        "stages": [{**stage._asdict(), "peak": stage.peak} for stage in training.memory()],
        **times_of(training),
        **run_of(training, options),
    }


def _would_fit(space: Space) -> Payload | None:
    from bursar import planner

    larger = planner.smallest_cluster(space)
    return None if larger is None else {"devices": larger[0], **_point(larger[1])}
