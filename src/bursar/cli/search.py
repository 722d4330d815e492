"""The best plan of a model on a cluster, or on several counts of its devices; and as the launch of a framework."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from bursar import own
from bursar.cli import running
from bursar.cli.asked import Options, Payload, assumed, device_of, model_of
from bursar.cli.job import run_of, stages_of, times_of
from bursar.errors import PlanError

if TYPE_CHECKING:
    from bursar.jobs import Batch
    from bursar.planner import Candidate, Changed, Found, Space


class Search(NamedTuple):
    """A space, the batch that was asked, and what was found in it."""

    space: Space
    batch: Batch
    found: Found


def plan(options: Options) -> Payload:
    """The best plans of a model on a cluster, why the first one wins, and what it would take if none fits."""
    device = device_of(options)
    if device is None:
        raise PlanError("a search needs a device", field="device", valid="--device NAME")
    if options["out"] is not None and options["framework"] is None:
        raise PlanError("a launch is written for a framework", field="framework", valid="--framework NAME beside --out FILE")
    counts: tuple[int | None, ...] = (None,) if options["devices"] is None else options["devices"].each(int(device.node.si))
    if len(counts) == 1:
        return _answer(_search({**options, "devices": counts[0]}), options)
    return _together({count: _search_or_reason({**options, "devices": count}) for count in counts}, options)


def _search(options: Options) -> Search:
    """A search; where no plan keeps the rules, the error says which rule the nearest one breaks."""
    from bursar import planner
    from bursar.questions import nearest

    device = device_of(options)
    assert device is not None
    space, batch = planner.space_of(model_of(options), options, device)
    try:
        if options["framework"]:
            from bursar.launch import framework, searched

            chosen = framework(options["framework"])
            space = searched.among(chosen, space)
            return Search(space, batch, searched.again(chosen, space, planner.best_of(space)))
        return Search(space, batch, planner.best_of(space))
    except PlanError as error:
        raise (nearest.refusal(space) or error if error.field == "devices" else error) from None


def _search_or_reason(options: Options) -> Search | PlanError:
    try:
        return _search(options)
    except PlanError as error:
        return error


def _answer(search: Search, options: Options) -> Payload:
    from bursar import planner

    space, batch, found = search
    payload: Payload = {
        "model": options["model"],
        "device": space.device.id,
        "devices": space.devices,
        "device_memory": int(space.device.memory.si),
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
        "hidden": _published(),
        **assumed(options),
    }
    if options["sensitivity"]:
        payload["sensitivity"] = [
            _sensitive(changed) for changed in planner.sensitivity(space, found.best[0] if found.best else None)
        ]
    if not found.best:
        return {**payload, "would_fit": _would_fit(space), "would_fit_offloaded": _offloaded(space)}
    return {**payload, **(_launch(search, options) if options["framework"] else {})}


def _published() -> Payload:
    """What published runs are known to have hidden behind products."""
    from bursar.questions import hidden

    found = hidden.facts()
    return {**{name: fact.si for name, fact in found.items()}, "sources": [fact.source.title for fact in found.values()]}


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
    from bursar.questions import hidden
    from bursar.report import reasons

    training = space.training(candidate.plan)
    run = run_of(training, options)
    return {
        **_point(space, candidate),
        "why": reasons.why(candidate, found, options["lang"]),
        "stages": stages_of(training),
        **times_of(training),
        "hidden_share": hidden.share(training),
        **run,
        **running.conventions_of(training, options),
        **running.wall(training, run, options),
    }


# ── several counts ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _together(searches: dict[int | None, Search | PlanError], options: Options) -> Payload:
    """The answer of the count with most tokens per second, beside a row of every count and the front of them all. Where nothing
    fits, that of the largest."""
    done = [search for search in searches.values() if isinstance(search, Search)]
    if not done:
        raise next(error for error in searches.values() if isinstance(error, PlanError))
    chosen = max(done, key=lambda search: search.batch.tokens / search.found.best[0].step_s if search.found.best else 0.0)
    return {
        **_answer(chosen if chosen.found.best else done[-1], options),
        "searched": sum(search.found.searched for search in done),
        "feasible": sum(search.found.feasible for search in done),
        "seconds": sum(search.found.seconds for search in done),
        "pareto": _front(done),
        "counts": [_count(count, search, options) for count, search in searches.items()],
    }


def _count(devices: int | None, search: Search | PlanError, options: Options) -> Payload:
    """A row of one count: its best plan and the run with it, or why there is none."""
    if isinstance(search, PlanError):
        return {"devices": devices, "fits": False, "why": str(search)}
    space, batch, found = search
    row = {"devices": devices, "global_batch_tokens": batch.tokens, "searched": found.searched, "feasible": found.feasible}
    if not found.best:
        return {**row, "fits": False, "leanest_peak": found.leanest.peak}
    best = found.best[0]
    run = run_of(space.training(best.plan), options)
    return {**row, "fits": True, **_point(space, best), "tokens_per_s": batch.tokens / best.step_s, **run}


def _front(searches: list[Search]) -> list[Payload]:
    """Plans that no other one undercuts in seconds and device-hours per token and in memory; fastest first."""
    points: list[tuple[tuple[float, ...], Payload]] = []
    for space, batch, found in searches:
        for candidate in found.pareto:
            seconds = candidate.step_s / batch.tokens
            point = {**_point(space, candidate), "global_batch_tokens": batch.tokens}
            points.append(((seconds, seconds * candidate.plan.devices, candidate.peak), point))
    kept = [one for one in points if not any(_undercuts(other, one[0]) for other, _ in points)]
    return [point for _, point in sorted(kept, key=lambda one: one[0])]


def _undercuts(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(ours <= theirs for ours, theirs in zip(one, other, strict=True))


# ── where nothing fits, what a change would bring, and the launch ───────────────────────────────────────────────────────────


def _would_fit(space: Space, doublings: int = 8) -> Payload | None:
    """The first doubling of the devices on which a plan fits, from the first that bounds do not rule out."""
    from bursar import planner
    from bursar.questions import bounds

    powers = [power for power in range(1, doublings + 1) if bounds.holds(replace(space, devices=space.devices * 2**power))]
    if not powers:
        return None
    below = replace(space, devices=space.devices * 2 ** (powers[0] - 1))
    larger = planner.smallest_cluster(below, doublings - powers[0] + 1)
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


def _launch(search: Search, options: Options) -> Payload:
    """The fastest of the best plans that the framework can express, as its file."""
    from bursar.launch import Job, framework, searched

    space, _, found = search
    chosen, model, node = framework(options["framework"]), model_of(options), int(space.device.node.si)
    jobs = [Job(model, candidate.plan, space.length, space.global_batch, node) for candidate in found.best]
    first = searched.first(chosen, jobs)
    if options["out"] is not None:
        own.write(options["out"], first.text, "out")
    said: dict[str, Any] = {"framework": chosen.name, **first._asdict(), "not_said": list(chosen.open), "out": options["out"]}
    return {"launch": said}
