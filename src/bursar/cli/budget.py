"""Answers from numbers alone: the budget of a run, the roofline of a device, the states of N parameters, the audit of a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bursar.cli.asked import Options, Payload, assumed, device_of, model_of
from bursar.errors import PlanError

if TYPE_CHECKING:
    from bursar.machines.devices import Device

GIVEN = ("params", "tokens", "tokens_per_param", "flops", "devices", "mfu", "seconds", "days", "device_hours", "price")
RECOMPUTED = {"none": 0, "full": 1}  # forward passes that run again


def run(options: Options) -> Payload:
    """The budget of a run, solved for what is not given: parameters, tokens, FLOPs, devices, time, MFU (by a plan: time), money."""
    from bursar.questions import budget

    device = device_of(options)
    peak, about = _peak(options, device)
    given = {name: options[name] for name in GIVEN if options[name] is not None}
    others = {"batch_tokens": options["global_batch_tokens"], "cost_usd": options["usd"], "peak_flop_per_s": peak}
    given |= {name: value for name, value in others.items() if value is not None}
    given |= _of_model(options)
    relations = budget.COUNTED if options["model"] else budget.RELATIONS
    known, steps = budget.solve(given, relations)
    if "price" not in known and (price := _price(device)) is not None:
        known, steps = budget.solve({**given, "price": price}, relations)
    if not steps:
        raise PlanError("nothing follows from this alone", field="params", valid="two of --params, --tokens, --flops, or more")
    devices = known.get("devices")
    if devices is not None and "devices" not in given:
        known |= {"devices": _whole_devices(devices), "devices_exact": devices}
    return {
        "model": options["model"],
        **known,
        **_rates(known),
        **_executed(known, options["recompute"]),
        "device": device.id if device else None,
        **about,
        "beside": _beside(known.get("flops")),
        "possible": known.get("mfu", 0) <= 1,
        "solved": [step._asdict() for step in steps],
        "source": _sources(steps),
        **assumed(options),
    }


def _whole_devices(exact: float) -> int:
    """Devices come whole; what rounding added in the last digits is none."""
    nearest = round(exact)
    return nearest if abs(exact - nearest) <= 1e-9 * exact else -int(-exact // 1)


def _of_model(options: Options) -> Payload:
    """FLOPs of a token by the exact count of a model, instead of six per parameter."""
    if not options["model"]:
        return {}
    if options["params"] is not None:
        raise PlanError("parameters are given by a model or by a number, not both", field="params", valid="one of the two")
    model = model_of(options)
    length = model.length(options["seq"])
    found = model.flops(length, 1, options["mask"])
    return {
        "params": model.params(),
        "flops_per_token": _over(found.train, length),
        "forward_per_token": _over(found.forward, length),
        "seq": length,
        "mask": options["mask"],
    }


def _over(whole: float, part: float) -> int | float:
    """A quotient, whole where it comes out whole."""
    return whole // part if isinstance(whole, int) and isinstance(part, int) and whole % part == 0 else whole / part


def _peak(options: Options, device: Device | None) -> tuple[float | None, Payload]:
    """The dense peak of a device in the format that products run in, or the one given, and where it is from."""
    from bursar.precision import recipe

    if options["peak"] is not None:
        return options["peak"], {"peak_dtype": None, "peak_source": "given"}
    if device is None:
        return None, {}
    dtype = recipe(options["precision"]).compute
    fact = device.peak(dtype)
    return fact.si, {"peak_dtype": dtype, "peak_source": fact.source.title}


def _price(device: Device | None) -> float | None:
    """The dated example price of a device."""
    from bursar.machines.devices import price

    found = price(device.id) if device else None
    return found.si if found else None


def _rates(known: Payload) -> Payload:
    """What follows for reading: years, tokens per second and per device."""
    from bursar.questions.budget import DAYS_PER_YEAR

    found: Payload = {}
    if "seconds" in known:
        found["years"] = known["seconds"] / (86_400 * DAYS_PER_YEAR)
    if "device_seconds" in known:
        found["device_years"] = known["device_seconds"] / (86_400 * DAYS_PER_YEAR)
    if "tokens" in known and "seconds" in known:
        found["tokens_per_s"] = known["tokens"] / known["seconds"]
    if "tokens" in known and "device_seconds" in known:
        found["tokens_per_s_per_device"] = known["tokens"] / known["device_seconds"]
    return found


def _executed(known: Payload, recompute: str) -> Payload:
    """FLOPs by pass, those that are executed and their share of the peak: the forward pass may run again."""
    if recompute not in RECOMPUTED:
        raise PlanError(f"recompute={recompute} of a run", field="recompute", value=recompute, valid=list(RECOMPUTED))
    if "flops" not in known:
        return {}
    flops = known["flops"]
    forward = _over(flops, 3)
    if "forward_per_token" in known:
        forward = _over(flops * known["forward_per_token"], known["flops_per_token"])
    again = RECOMPUTED[recompute] * forward
    split = {"forward": forward, "backward": flops - forward, "recomputation": again}
    found = {"executed_flops": flops + again, "split": split, "recompute": recompute}
    return {**found, **({"hfu": known["mfu"] * (flops + again) / flops} if "mfu" in known else {})}


def _beside(flops: float | None) -> list[Payload]:
    """Published runs and thresholds of laws, and how many times as much this one is."""
    from bursar.questions.budget import figures

    if flops is None:
        return []
    return [
        {
            "name": name,
            "kind": kind,
            "flops": fact.si,
            "ratio": flops / fact.si,
            "note": fact.note,
            "source": fact.source.title,
            "as_of": fact.source.as_of,
        }
        for name, kind, fact in figures()
    ]


def _sources(steps: Any) -> list[str]:
    from bursar.facts import sources

    return [sources()[name].title for name in dict.fromkeys(step.source for step in steps)]


def roofline(options: Options) -> Payload:
    """What bounds an operation on a device, products or memory: its ridge point, and the least time."""
    from bursar.facts import sources
    from bursar.questions import ridge

    device = device_of(options)
    peak, about = _peak(options, device)
    bandwidth = options["bandwidth"] or (device.memory_bandwidth.si if device else None)
    if peak is None or bandwidth is None:
        raise PlanError("a roofline needs a peak and a bandwidth", field="device", valid="--device NAME, or --peak and --bandwidth")
    point = ridge.ridge(peak, bandwidth)
    found: Payload = {"device": device.id if device else None, "peak_flop_per_s": peak, **about}
    found |= {"bandwidth_b_per_s": bandwidth, "ridge": point}
    flops, moved, seconds = options["flops"], options["bytes"], options["seconds"]
    if flops is not None and moved is not None:
        intensity = flops / moved
        found |= {"intensity": intensity, "ceiling": ridge.ceiling(intensity, point)}
    if flops is not None or moved is not None:
        least = ridge.bound(flops or 0, moved or 0, peak, bandwidth)
        found |= {"flops": flops, "bytes": moved, "compute_s": least.compute, "memory_s": least.memory, "least_s": least.seconds}
        found["bound"] = "compute" if least.compute >= least.memory else "memory"
    if seconds is not None and flops is not None:
        found |= {"seconds": seconds, "utilization": flops / seconds / peak}
    if seconds is not None and moved is not None:
        found |= {"seconds": seconds, "bandwidth_used": moved / seconds / bandwidth}
    return {**found, "source": sources()["roofline"].title}


def states(options: Options) -> Payload:
    """Bytes of weights, gradients, masters and optimizer states of so many parameters, whole or sharded."""
    from bursar import jobs
    from bursar.questions.static import static

    params, ranks = options["params"], options["dp"] or 1
    if params is None:
        raise PlanError("this needs parameters", field="params", valid="--params N, such as 70B")
    plan = jobs.plan({**options, "dp": ranks, **dict.fromkeys(("tp", "pp", "cp", "vp"), 1), "devices": None, "schedule": None})
    held = static(params, plan)
    device = device_of(options)
    capacity = options["capacity"] or (int(device.memory.si) if device else None)
    found = {
        "params": params,
        "precision": plan.precision,
        "optimizer": plan.optimizer,
        "dp": ranks,
        "zero": plan.zero,
        **held._asdict(),
        "total": held.total,
        "per_param": {name: value * 1.0 / params for name, value in (*held._asdict().items(), ("total", held.total))},
        "share": {name: value / held.total for name, value in held._asdict().items()},
        "gb": held.total / 1e9,
        "gib": held.total / 2**30,
    }
    if capacity is not None:
        found |= {"device": device.id if device else None, "capacity": capacity, "fits": held.total <= capacity}
        found |= {"devices": -(-held.total // capacity), "largest_params": capacity * params // held.total}
    return found


def audit(options: Options) -> Payload:
    """Which assumption makes a stated number of bytes for so many parameters, and what the others give."""
    from bursar.questions.audit import readings

    params, stated = options["params"], options["bytes"]
    if params is None or stated is None:
        raise PlanError("this needs parameters and the bytes that were stated", field="bytes", valid="--params N --bytes NUMBER")
    found = readings(params, stated)
    return {
        "params": params,
        "bytes": stated,
        "per_param": stated / params,
        "explained_by": [reading.rule for reading in found if reading.near],
        "readings": [{**reading._asdict(), "near": reading.near} for reading in found],
    }
