"""Turning what a user asks into a job: whole sequences from a batch in tokens, and what a run of many steps costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from bursar.dims import ceil_div, divisors, split
from bursar.errors import PlanError
from bursar.facts import Fact
from bursar.machines.devices import Device, price
from bursar.machines.multipliers import band_for
from bursar.model import Model
from bursar.plan import CLI_NAMES, Plan
from bursar.training import Training

SECONDS_PER_DAY = 86_400
ROUNDING = 0.05  # a batch in tokens moves by at most this much to suit the devices


class Run(NamedTuple):
    """A run of many steps. `days` with its band: what predictions of published runs were off by."""

    steps: int
    days: float
    days_low: float
    days_high: float
    device_hours: float
    cost_usd: float | None


def run(training: Training, tokens: int, usd_per_device_hour: float | None = None) -> Run:
    """The steps that a number of tokens takes, and their time and price."""
    steps = ceil_div(tokens, training.global_batch * training.length)
    seconds = steps * training.seconds.step
    fastest, slowest = band_for(training)
    hours = seconds / 3600 * training.plan.devices
    usd = usd_per_device_hour_of(training.device, usd_per_device_hour)
    days = seconds / SECONDS_PER_DAY
    return Run(steps, days, days * fastest.si, days * slowest.si, hours, None if usd is None else hours * usd)


def usd_per_device_hour_of(device: Device | None, given: float | None = None) -> float | None:
    """The price that is given, or the dated example of the device."""
    if given is not None:
        return given
    found: Fact | None = price(device.id) if device else None
    return found.si if found else None


@dataclass(frozen=True)
class Batch:
    """Sequences of a step, and what was asked for."""

    sequences: int
    length: int
    asked_tokens: int | None = None

    @property
    def tokens(self) -> int:
        return self.sequences * self.length


def batch(options: dict[str, Any], length: int, whole: Callable[[float], int]) -> Batch | None:
    """The global batch, if one is asked for; `whole` turns a batch in tokens, divided by the length, into sequences."""
    sequences, tokens = options["global_batch"], options["global_batch_tokens"]
    if sequences is not None and tokens is not None:
        raise PlanError("a batch is given in sequences or in tokens, not both", field="global_batch", valid="one of the two")
    if sequences is not None:
        return Batch(sequences, length)
    return Batch(whole(tokens / length), length, tokens) if tokens is not None else None


def suited(sequences: float, devices: int) -> int:
    """Whole sequences that plans for so many devices can split: the nearest multiple of the largest divisor of the number of
    devices that moves the batch by at most 5 %, else the nearest whole number."""
    for unit in reversed(divisors(devices)):
        rounded = round(sequences / unit) * unit
        if rounded and abs(rounded - sequences) <= ROUNDING * sequences:
            return rounded
    return max(1, round(sequences))


def plan(options: dict[str, Any], device: Device | None = None) -> Plan:
    """The plan of a set of options; what `dp` leaves open follows from the number of devices."""
    devices = device_count(options, device)
    tp, pp, cp = options["tp"], options["pp"], options["cp"]
    dp = options["dp"]
    if dp is None:
        dp = 1 if devices is None else split(devices, tp * pp * cp, "devices", "tp·pp" if cp == 1 else "tp·pp·cp")
    if devices is not None and (made := tp * pp * cp * dp) != devices:
        degrees = f"tp·pp·cp·dp={tp}·{pp}·{cp}·{dp}={made}"
        raise PlanError(f"{degrees} is not devices={devices}", field="devices", value=devices, valid=made)
    _there(tp * pp * cp * dp, device)
    given = {field: options[name] for field, name in CLI_NAMES.items() if name in options}
    derived = {
        "data": dp,
        "zero": int(options["zero"]),
        "schedule": options["schedule"] or ("interleaved" if options["vp"] > 1 else "1f1b"),
    }
    return Plan(**{**given, **derived})


def tuning(options: dict[str, Any]) -> dict[str, Any]:
    """The fields of a plan that say what is trained."""
    names = ("lora_rank", "adapter", "lora_targets", "lora_dropout", "weights", "freeze_layers")
    return {name: options[name] for name in names if name in options}


def device_count(options: dict[str, Any], device: Device | None) -> int | None:
    """The number of devices, from itself or from whole nodes."""
    devices: int | None = options.get("devices")
    nodes: int | None = options.get("nodes")
    if nodes is None:
        return _there(devices, device)
    if device is None:
        raise PlanError("nodes need a device to know their size", field="device", valid="--device NAME")
    count = nodes * int(device.node.si)
    if devices is not None and devices != count:
        raise PlanError(
            f"nodes={nodes} of {int(device.node.si)} devices are not devices={devices}", field="nodes", value=nodes, valid=count
        )
    return _there(count, device)


def _there(count: int | None, device: Device | None) -> int | None:
    """A number of devices that the cluster has."""
    if count is not None and device is not None and device.size is not None and count > device.size.si:
        most = int(device.size.si)
        raise PlanError(f"{device.cluster} has {most} devices, not {count}", field="devices", value=count, valid=f"1 to {most}")
    return count


def training(model: Model, options: dict[str, Any], device: Device | None) -> tuple[Training, Batch]:
    """The training job of a set of options, and its batch: by default one micro-batch, or four for each pipeline stage."""
    chosen = plan(options, device)
    length = model.length(options["seq"])
    unit = chosen.data * chosen.micro_batch
    stages = 4 * chosen.pipeline if chosen.pipeline > 1 else 1
    found = batch(options, length, lambda exact: max(1, round(exact / unit)) * unit) or Batch(unit * stages, length)
    return Training(model.architecture, chosen, device, length=length, global_batch=found.sequences, mask=options["mask"]), found
