"""What each verb answers: options in, one JSON object out. Names of keys are stable; more keys are welcome.

Whole numbers are ints, bytes are bytes, times are seconds. `report/` draws tables from these objects and from nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bursar.devices import Device
    from bursar.model import Model
    from bursar.offloading import Hosted
    from bursar.plan import Plan
    from bursar.planner import Candidate, Found, Space
    from bursar.training import Training
    from bursar.tree import Architecture

Options = dict[str, Any]
Payload = dict[str, Any]

CONVENTION = (
    "1 multiply-add = 2 FLOP; matrix products only; attention core with a {mask} mask; logits and router counted, "
    "embedding look-up 0, recomputation not counted"
)


def _model(options: Options) -> Model:
    from bursar.model import load

    return load(
        options["model"],
        mtp=options.get("mtp", False),
        dropout=options.get("dropout"),
        as_family=options.get("as_family"),
        changes=options.get("set") or (),
    )


def _tuned(options: Options) -> Model:
    """The model with its adapters and frozen weights."""
    from bursar import jobs
    from bursar.plan import Plan

    return _model(options).tuned(Plan(**jobs.tuning(options)))


def _trainable(architecture: Architecture) -> int:
    """Parameters that are trained."""
    return sum(times * sum(block.trained) for _, times, block in architecture.parts())


def _assumed(options: Options) -> Payload:
    """Which family was assumed, if one was."""
    family = options.get("as_family")
    return {"assumed": f"read as family {family}"} if family else {}


def _device(options: Options) -> Device | None:
    from bursar.devices import device

    return device(options["device"]) if options["device"] else None


def _per(total: int, count: int) -> int | float:
    """total / count, an int where it comes out whole."""
    return total // count if total % count == 0 else total / count


def params(options: Options) -> Payload:
    """Parameters, exact: total, active, and every part."""
    model = _tuned(options)
    found = model.parameters()
    return {
        "model": model.name,
        "total": found.total,
        "active": found.active,
        "trainable": _trainable(model.architecture),
        "embedding": found.embedding,
        "head": found.head,
        "groups": found.groups,
        "layers": [layer._asdict() for layer in found.layers],
        "components": found.components,
        "source": model.published.source,
        "published": model.published.figures,
        **_checkpoint(model, options),
        **_assumed(options),
    }


def _checkpoint(model: Model, options: Options) -> Payload:
    """What the checkpoint holds, and where that is not what the config says."""
    place = options.get("checkpoint")
    if not place:
        return {}
    from bursar import checkpoints

    stored = checkpoints.read(place)
    found = checkpoints.reconcile(model.architecture, stored)
    return {
        "checkpoint": {"total": stored.total, "bytes": stored.bytes, "tensors": len(stored.tensors)},
        "reconciled": found.by,
        "missing": found.missing,
        "extra": found.extra,
        "shapes": found.shapes,
        "difference": stored.total - model.parameters().total,
    }


def flops(options: Options) -> Payload:
    """Model FLOPs of a batch: forward, backward, training, per token and by kind."""
    model = _tuned(options)
    step = model.step(options["seq"], options["batch"], options["mask"], past=options["past"])
    found = model.flops(step.queries, options["batch"], options["mask"], past=options["past"])
    return {
        "model": model.name,
        "seq": step.queries,
        "batch": options["batch"],
        "past": options["past"],
        "forward": found.forward,
        "backward": found.backward,
        "train": found.train,
        "forward_per_token": _per(found.forward, step.tokens),
        "train_per_token": _per(found.train, step.tokens),
        "by_kind": found.by_kind,
        "convention": CONVENTION.format(mask=options["mask"]),
        **_by_length(model, options),
        **_assumed(options),
    }


def _by_length(model: Model, options: Options) -> Payload:
    """Forward FLOPs of one sequence by kind, at lengths that double, for a picture of where the attention core takes over."""
    if not options["chart"]:
        return {}
    longest = model.architecture.max_length or 2**18
    lengths = [2**power for power in range(5, 19) if min(512, longest) <= 2**power <= longest]
    return {"by_length": [{"seq": seq, "by_kind": model.flops(seq, 1, options["mask"]).by_kind} for seq in lengths]}


def kv(options: Options) -> Payload:
    """KV cache: elements and bytes per token, and of a batch at its length."""
    model = _model(options)
    length = model.length(options["seq"])
    found = model.kv(length, options["batch"], options["kv_dtype"])
    asked = {"seq": length, "batch": options["batch"], "kv_dtype": options["kv_dtype"]}
    return {"model": model.name, **asked, **found._asdict(), **_assumed(options)}


def activations(options: Options) -> Payload:
    """Bytes that autograd keeps for one micro-batch, by layer and tensor."""
    from bursar import jobs

    model = _model(options)
    plan = jobs.plan(
        {**options, **dict.fromkeys(("pp", "dp", "vp"), 1), **dict.fromkeys(("schedule", "layout", "devices", "nodes"))}
    )
    length = model.length(options["seq"])
    found = model.activations(plan, length, options["mask"])
    return {
        "model": model.name,
        "seq": length,
        "micro_batch": plan.micro_batch,
        "kernels": plan.kernels,
        "precision": plan.precision,
        "recompute": plan.recompute,
        "tp": plan.tensor,
        "sp": plan.sequence,
        "layers": [vars(layer) for layer in found.layers],
        "shared": found.shared,
        "embedding": found.embedding,
        "head": found.head,
        "loss": found.loss,
        "total": found.total,
        "entries": [
            {
                "path": entry.path,
                "tensor": entry.path.rsplit(".", 1)[-1],
                "kind": entry.kind,
                "count": entry.times,
                "bytes": entry.value,
            }
            for entry in found.entries
        ],
        **_wiring(model, plan, length, options),
        **_assumed(options),
    }


def _wiring(model: Model, plan: Plan, length: int, options: Options) -> Payload:
    """A layer of every kind, operator by operator, for a picture of it."""
    if not options["chart"]:
        return {}
    from bursar import diagram
    from bursar.training import Training

    training = Training(model.architecture, plan, length=length, mask=options["mask"])
    return {
        "wiring": [
            {"kind": kind, "lines": [{**node._asdict(), "kept": [item._asdict() for item in node.kept]} for node in nodes]}
            for kind, nodes in diagram.layers(training).items()
        ]
    }


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
        "plan": plan.options(),
        **_assumed(options),
    }


def memory(options: Options) -> Payload:
    """Bytes of one rank of every pipeline stage at its peak, by category."""
    from bursar import jobs

    training, batch = jobs.training(_model(options), options, _device(options))
    stages = training.memory()
    capacity = int(training.device.memory.si) if training.device else None
    peak = max(stage.peak for stage in stages)
    hosted = training.hosted()
    return {
        **_job(training, options),
        "asked_tokens": batch.asked_tokens,
        "trainable": _trainable(training.architecture),
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


def _host(hosted: tuple[Hosted, ...]) -> list[Payload]:
    """Bytes of each stage on the host, if there are any."""
    return [{"host": on.total} if on.total else {} for on in hosted]


def _places(training: Training) -> list[Payload]:
    """Where in the step every stage has its peak."""
    from bursar import timeline

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
    from bursar import timeline

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
    from bursar import whatif

    return {"what_if": [vars(outcome) for outcome in whatif.outcomes(training)]}


def time(options: Options) -> Payload:
    """Seconds of a step and where they go, tokens per second, MFU, HFU; with --tokens the days and the cost of a run."""
    from bursar import jobs
    from bursar.errors import PlanError

    device = _device(options)
    if device is None:
        raise PlanError("a time needs a device", field="device", valid="--device NAME")
    training, batch = jobs.training(_model(options), options, device)
    return {**_job(training, options), "asked_tokens": batch.asked_tokens, **_times(training), **_run(training, options)}


def _times(training: Training) -> Payload:
    from bursar.devices import band

    seconds = training.seconds
    tokens = training.global_batch * training.length
    fastest, slowest = band()
    rate = training.model_flops / seconds.step / training.plan.devices
    return {
        "step_s": seconds.step,
        "step_s_band": [seconds.step * fastest.si, seconds.step * slowest.si],
        "band": f"uncalibrated: {slowest.source.title}",
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
    from bursar.host import adam

    usual, fastest, slowest = adam()
    own = training.seconds.optimizer
    return {"host_update_s_band": [own * fastest.si / usual.si, own * slowest.si / usual.si], "host_band": usual.source.title}


def _run(training: Training, options: Options) -> Payload:
    from bursar import jobs

    if not options["tokens"]:
        return {}
    return {"run_tokens": options["tokens"], **jobs.run(training, options["tokens"], options["price"])._asdict()}


def plan(options: Options) -> Payload:
    """The best plans of a model on a cluster, why the first one wins, and what it would take if none fits."""
    from bursar import planner
    from bursar.errors import PlanError

    model, device = _model(options), _device(options)
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
        **_assumed(options),
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
        **_times(training),
        **_run(training, options),
    }


def _would_fit(space: Space) -> Payload | None:
    from bursar import planner

    larger = planner.smallest_cluster(space)
    return None if larger is None else {"devices": larger[0], **_point(larger[1])}


def models(options: Options) -> Payload:
    """The catalog of models: our count, the publisher's headline, the source."""
    from bursar import catalog
    from bursar.model import load

    rows = []
    for name in catalog.names():
        model = load(name)
        found = model.parameters()
        rows.append(
            {
                "model": name,
                "name": model.published.title,
                "family": model.architecture.family,
                "total": found.total,
                "active": found.active,
                "published": model.published.figures,
                "note": model.published.figures.get("note"),
                "source": model.published.source,
                "title": model.published.source["title"],
            }
        )
    return {"models": rows}


def devices(options: Options) -> Payload:
    """The catalog of devices: dense peaks, memory, links, each number with its source."""
    from bursar import devices as catalog
    from bursar import host
    from bursar.facts import Fact

    def fact(found: Fact | None) -> Payload | None:
        if found is None:
            return None
        note = {"note": found.note} if found.note else {}
        return {"value": found.value, "unit": found.unit, "source": found.source.title, "as_of": found.source.as_of, **note}

    rows = []
    for name in catalog.names():
        device = catalog.device(name)
        rows.append(
            {
                "device": name,
                "name": device.name,
                "aliases": list(device.aliases),
                "peaks": {k: fact(v) for k, v in device.peaks.items()},
                "memory": fact(device.memory),
                "memory_bandwidth": fact(device.memory_bandwidth),
                "link": fact(device.link),
                "link_kind": device.link_kind,
                "link_domain": fact(device.domain),
                "host_link": fact(host.link(name)),
                "network": fact(device.network),
                "node": fact(device.node),
                "power": fact(device.power),
                "price": fact(catalog.price(name)),
            }
        )
    return {"devices": rows}


def optimizers(options: Options) -> Payload:
    """The optimizers: bytes of state per parameter (as text where it follows from the shape m×n of a matrix), update, source."""
    from bursar.facts import sources
    from bursar.optimizers import OPTIMIZERS, Optimizer

    def per_parameter(item: Optimizer) -> float | str:
        return item.per_parameter if item.bytes_per_parameter is None else float(item.bytes_per_parameter)

    return {
        "optimizers": [
            {
                "name": item.name,
                "state_per_param": per_parameter(item),
                "state": [state.name for state in item.states],
                "managed": item.paged,
                "update": item.update,
                "flops_per_param": item.flops,
                "source": sources()[item.source].title,
            }
            for item in OPTIMIZERS.values()
        ]
    }
