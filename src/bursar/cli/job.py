"""What a job needs: its memory and its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bursar.cli.asked import Options, Payload, assumed, device_of, model_of, trainable

if TYPE_CHECKING:
    from bursar.seconds.offloading import Hosted
    from bursar.training import Training


def _job(training: Training, options: Options) -> Payload:
    """What was asked, as it was understood."""
    plan = training.plan
    return {
        "model": options["model"],
        "seq": training.length,
        "global_batch": training.global_batch,
        "global_batch_tokens": training.global_batch * training.length,
        "devices": plan.devices,
        "device": training.device.id if training.device else None,
        **({"cluster": training.device.cluster} if training.device and training.device.cluster else {}),
        "plan": plan.options(),
        **assumed(options),
    }


def memory(options: Options) -> Payload:
    """Bytes of one rank of every pipeline stage at its peak, by category."""
    from bursar import jobs

    training, batch = jobs.training(model_of(options), options, device_of(options))
    stages = training.memory()
    capacity = int(training.device.memory.si) if training.device else None
    peak = max(stage.peak for stage in stages)
    hosted = training.hosted()
    return {
        **_job(training, options),
        "asked_tokens": batch.asked_tokens,
        "trainable": trainable(training.architecture),
        "stages": [{**stage._asdict(), **on, "peak": stage.peak} for stage, on in zip(stages, _host(hosted), strict=True)],
        **({"hosted": [on._asdict() for on in hosted]} if training.plan.offload else {}),
        "moments": _places(training),
        "peak": peak,
        "device_memory": capacity,
        "fits": None if capacity is None else peak <= capacity,
        **_overheads(training, peak, capacity),
        **({"managed": training.managed()} if training.plan.states.paged else {}),
        "measured": "runtime is the sum of overheads, which are measured; every other part is exact tensors",
        **_timeline(training, options),
        **_what_if(training, options),
    }


def _overheads(training: Training, peak: int, capacity: int | None) -> Payload:
    """What is measured, one by one; the peak at the ends of its band, and whether it fits at both or at neither; what the allocator
    reserves for the tensors of the worst stage."""
    found = training.overheads()
    exact = peak - training.runtime
    low, high = exact + sum(one.low for one in found), exact + sum(one.high for one in found)
    return {
        "overheads": [
            {**one._asdict(), "source": one.source.title, "url": one.source.url, "as_of": one.source.as_of} for one in found
        ],
        "peak_band": {"low": low, "high": high},
        "certain": None if capacity is None else (low <= capacity) == (high <= capacity),
        "reserved": training.reserved()._asdict(),
    }


def stages_of(training: Training) -> list[Payload]:
    """Bytes of one rank of every stage at its peak."""
    return [{**stage._asdict(), "peak": stage.peak} for stage in training.memory()]


def _host(hosted: tuple[Hosted, ...]) -> list[Payload]:
    """Bytes of each stage on the host, if there are any."""
    return [{"host": on.total} if on.total else {} for on in hosted]


def _places(training: Training) -> list[Payload]:
    """Where in the step every stage has its peak."""
    from bursar.questions import timeline

    found: list[Payload] = []
    for index, moment in enumerate(training.moments()):
        stage = next(stage for stage in training.stages if index in stage.indices)
        name, path = timeline.name(stage, moment)
        found.append({"stage": index, "moment": name, "path": path})
    return found


def _timeline(training: Training, options: Options) -> Payload:
    """The step of the worst stage, moment by moment."""
    if not (options.get("timeline") or options.get("chart")):
        return {}
    from bursar.questions import timeline

    peaks = [stage.peak for stage in training.memory()]
    worst = peaks.index(max(peaks))
    rows = [
        {
            "moment": row.moment,
            "micro_batch": row.micro_batch,
            "phase": row.phase,
            "path": row.path,
            **row.memory._asdict(),
            "total": row.memory.peak,
        }
        for row in timeline.shown(training, worst)
    ]
    return {"timeline_stage": worst, "timeline": rows}


def _what_if(training: Training, options: Options) -> Payload:
    """Every knob of the plan turned alone."""
    if not options.get("what_if"):
        return {}
    from bursar.questions import whatif

    return {"what_if": [vars(outcome) for outcome in whatif.outcomes(training)]}


def time(options: Options) -> Payload:
    """Seconds of a step and where they go, MFU, HFU; with --tokens days, cost, failures and energy (what is missing: run)."""
    from bursar import jobs
    from bursar.errors import PlanError

    device = device_of(options)
    if device is None:
        raise PlanError("a time needs a device", field="device", valid="--device NAME")
    training, batch = jobs.training(model_of(options), options, device)
    from bursar.cli import running

    run = run_of(training, options)
    found = {**_job(training, options), "asked_tokens": batch.asked_tokens, **times_of(training), **run}
    found |= {**running.conventions_of(training, options), **running.wall(training, run, options)}
    return {**found, "entries": _seconds(training)}


def _seconds(training: Training) -> list[Payload]:
    """What every operator, collective and wait of the slowest rank takes; the seconds add up to the step."""
    from bursar.questions import time_ledger

    keys = ("path", "op", "phase", "kind", "formula", "source")
    book = time_ledger.of_step(training)
    return [{**{key: getattr(entry, key) for key in keys}, "seconds": entry.value, "count": entry.times} for entry in book]


def times_of(training: Training) -> Payload:
    from bursar.machines.multipliers import band_for

    seconds = training.seconds
    tokens = training.global_batch * training.length
    origin = training.achieved.origin
    fastest, slowest = band_for(training)
    rate = training.model_flops / seconds.step / training.plan.devices
    return {
        "step_s": seconds.step,
        "step_s_band": [seconds.step * fastest.si, seconds.step * slowest.si],
        "band": f"{origin}: {slowest.source.title}",
        "band_origin": origin,
        "tokens_per_s": tokens / seconds.step,
        "tokens_per_s_per_device": tokens / seconds.step / training.plan.devices,
        "model_flops_per_step": training.model_flops,
        "executed_flops_per_step": training.executed_flops,
        "model_tflops_per_device": rate / 1e12,
        "mfu": training.utilization(training.model_flops),
        "hfu": training.utilization(training.executed_flops),
        "peak_dtype": training.plan.recipe.compute,
        "mask": training.mask,
        "bubble_fraction": seconds.bubble / seconds.step,
        "breakdown_s": seconds._asdict(),
        **_host_band(training),
    }


def _host_band(training: Training) -> Payload:
    """Seconds of the host's update, by the slowest and the fastest processors that were measured."""
    if "optimizer" not in training.plan.offload:
        return {}
    from bursar.machines.host import adam

    usual, fastest, slowest = adam()
    own = training.seconds.optimizer
    return {"host_update_s_band": [own * fastest.si / usual.si, own * slowest.si / usual.si], "host_band": usual.source.title}


def run_of(training: Training, options: Options) -> Payload:
    from bursar import jobs

    if not options["tokens"]:
        return {}
    return {"run_tokens": options["tokens"], **jobs.run(training, options["tokens"], options["price"])._asdict()}
