"""The host that devices hang on: its link, and how fast it updates weights, read from `data/hosts.toml`."""

from __future__ import annotations

from typing import NamedTuple

from bursar.errors import PlanError
from bursar.facts import Fact, table
from bursar.machines.devices import Device

FILE = "hosts.toml"
MEASURED = 1e9  # parameters of the step that `adam` times
ADAM_BYTES = 4 + 2 * (4 + 8) + 2  # of each: read an FP32 gradient, read and write masters and moments, write the 16-bit weight


class Host(NamedTuple):
    """A host at achieved rates, in base units: bytes per second of a device's link one way, bytes per second that an update moves
    in the host's memory, and the devices that share it."""

    link: float
    memory: float
    devices: float


def link(device_id: str) -> Fact | None:
    """The bandwidth of a device's link to its host, one way; None where none is known."""
    return next((found["bandwidth"] for found in table(FILE)["links"].values() if device_id in found["devices"]), None)


def adam() -> tuple[Fact, Fact, Fact]:
    """Seconds of a step of Adam on a host for 1e9 parameters: (usual, fastest, slowest)."""
    found = table(FILE)["adam"]
    return found["usual"], found["fastest"], found["slowest"]


def host(device: Device) -> Host:
    """The host of a device; refused where its link is not known."""
    found = link(device.kin)
    if found is None:
        raise PlanError(
            f"the link of {device.id} to its host is not in the catalog: offload has no seconds, only bytes", field="offload",
            value=device.id, valid=[name for found in table(FILE)["links"].values() for name in found["devices"]],
        )  # fmt: skip
    return Host(
        link=found.si * table(FILE)["achieved"]["link"].si,
        memory=MEASURED * ADAM_BYTES / adam()[0].si,
        devices=device.node.si,
    )
