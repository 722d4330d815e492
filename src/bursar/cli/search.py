"""The best plan of a model on a cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bursar.cli.asked import Options, Payload, assumed, device_of, model_of
from bursar.cli.job import run_of, times_of

if TYPE_CHECKING:
    from bursar.planner import Candidate, Changed, Found, Space


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
        "axes": space.axes(),
        "best": [_candidate(space, candidate, found, options) for candidate in found.best],
        "pareto": [_point(space, candidate) for candidate in found.pareto],
        "leanest": _point(space, found.leanest),
        **assumed(options),
    }
    if options["sensitivity"]:
        payload["sensitivity"] = [
            _sensitive(changed) for changed in planner.sensitivity(space, found.best[0] if found.best else None)
        ]
    if not found.best:
        payload["would_fit"] = _would_fit(space)
        payload["would_fit_offloaded"] = _offloaded(space)
    return payload


def _point(space: Space, candidate: Candidate) -> Payload:
    headroom = int(space.device.memory.si) - candidate.peak
    return {
        **candidate.plan.options(),
        "devices": candidate.plan.devices,
        "peak": candidate.peak,
        "step_s": candidate.step_s,
        "mfu": candidate.utilization,
        "headroom": headroom,
        "device_hours_per_step": candidate.step_s / 3600 * candidate.plan.devices,
    }


def _candidate(space: Space, candidate: Candidate, found: Found, options: Options) -> Payload:
    from bursar.report import reasons

    training = space.training(candidate.plan)
    return {
        **_point(space, candidate),
        "why": reasons.why(candidate, found, options["lang"]),
        "stages": [{**stage._asdict(), "peak": stage.peak} for stage in training.memory()],
        **times_of(training),
        **run_of(training, options),
    }


def _would_fit(space: Space) -> Payload | None:
    from bursar import planner

    larger = planner.smallest_cluster(space)
    return None if larger is None else {"devices": larger[0], **_point(space, larger[1])}


def _offloaded(space: Space) -> Payload | None:
    """The fastest plan on the same devices that keeps optimizer states, or weights too, on the host."""
    from bursar import planner

    kinds = ("optimizer",), ("optimizer", "parameters")
    found = None if space.base.offload else planner.best_if_any(replace(space, fixed={**space.fixed, "offload": kinds}))
    return None if found is None else _point(space, found)


def _sensitive(changed: Changed) -> Payload:
    step = {} if changed.best is None else {**changed.best.plan.options(), "step_s": changed.best.step_s, "peak": changed.best.peak}
    return {"change": changed.change, "faster": changed.faster, **step}
