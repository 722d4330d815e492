"""Inverse questions: the smallest cluster, the longest context, the largest batch or model, the cheapest device by a deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bursar.cli.asked import Options, Payload, device_of, model_of
from bursar.errors import PlanError

if TYPE_CHECKING:
    from bursar.machines.devices import Device
    from bursar.questions import inverse


def cluster(options: Options) -> Payload:
    """The fewest devices on which a plan fits, and with --tokens and --days keeps a deadline."""
    from bursar import planner
    from bursar.questions import inverse

    device = _device(options)
    space, _ = planner.space_of(model_of(options), {**options, "devices": int(device.node.si), "nodes": None}, device)
    found = inverse.cluster(space, _deadline(options))
    return {**_asked(options, device), "devices": found.value, **_shown(found)}


def context(options: Options) -> Payload:
    """The longest sequence with which a plan of so many devices fits."""
    from bursar import planner
    from bursar.questions import inverse

    device = _device(options)
    space, _ = planner.space_of(model_of(options), options, device)
    found = inverse.context(space)
    return {**_asked(options, device), "devices": space.devices, "seq": found.value, **_shown(found)}


def batch(options: Options) -> Payload:
    """The most sequences of a micro-batch with which a plan fits its device."""
    from bursar import jobs
    from bursar.questions import inverse

    device = _device(options)
    training, _ = jobs.training(model_of(options), options, device)
    found = inverse.micro_batch(training)
    tokens = None if found.value is None else found.value * training.length
    answer = {"seq": training.length, "micro_batch": found.value, "tokens": tokens, "tried": list(found.tried)}
    return {**_asked(options, device), **answer}


def model(options: Options) -> Payload:
    """The largest model of the catalog that so many devices can train."""
    from bursar.questions import inverse

    device = _device(options)
    found = inverse.model(options, device)
    return {"device": device.id, "model": found.value, "devices": options["devices"], **_shown(found)}


def device(options: Options) -> Payload:
    """The cheapest device and count for a run by a deadline, among devices with a price."""
    from bursar.questions import inverse

    found = inverse.devices(model_of(options), options, _deadline(options))
    return {
        "model": options["model"],
        "tokens": options["tokens"],
        "days_allowed": options["days"],
        "offers": [
            {
                "device": offer.device,
                "devices": offer.devices,
                **offer.run._asdict(),
                "plan": offer.candidate.plan.options(),
                "mfu": offer.candidate.utilization,
            }
            for offer in found
        ],
    }


def advise(options: Options) -> Payload:
    """What a step is spent on, what limits it, and what each single change of the plan would save."""
    from bursar import jobs
    from bursar.questions import adviser

    device = _device(options)
    training, _ = jobs.training(model_of(options), options, device)
    found = adviser.advise(training)
    return {
        **_asked(options, device),
        "plan": training.plan.options(),
        "step_s": training.seconds.step,
        "peak": training.peak(),
        "device_memory": int(device.memory.si),
        "fits": training.peak() <= device.memory.si,
        **{name: [item._asdict() for item in items] for name, items in found._asdict().items()},
    }


def _device(options: Options) -> Device:
    found = device_of(options)
    if found is None:
        raise PlanError("this question needs a device", field="device", valid="--device NAME")
    return found


def _deadline(options: Options) -> inverse.Deadline:
    from bursar.questions.inverse import Deadline

    return Deadline(options["tokens"], options["days"], options["price"])


def _asked(options: Options, device: Device) -> Payload:
    return {"model": options["model"], "device": device.id}


def _shown(found: inverse.Answer) -> Payload:
    """The plan that shows an answer, its run, and what was tried."""
    candidate = found.candidate
    shown: Payload = {}
    if candidate:
        times = {"step_s": candidate.step_s, "mfu": candidate.utilization}
        shown = {"plan": candidate.plan.options(), "peak": candidate.peak, **times}
    return {**shown, **(found.run._asdict() if found.run else {}), "tried": list(found.tried)}
