"""Clusters as records of sourced facts: a device, its node, the domain of its links, and the network between domains.

Those of the catalog are `data/clusters/<name>.toml`; a user's own is one such file, with numbers as `own.py` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from bursar import own
from bursar.errors import FactError, PlanError, UnknownNameError
from bursar.facts import Fact, data, table
from bursar.machines.devices import Device, device
from bursar.own import BANDWIDTH_UNITS, COUNT_UNITS, POWER_UNITS, Key

KEYS: Mapping[str, Key] = {
    "name": Key(), "device": Key(),
    "node.devices": Key(COUNT_UNITS), "node.power": Key(POWER_UNITS),
    "link.kind": Key(), "link.bandwidth": Key(BANDWIDTH_UNITS), "link.domain": Key(COUNT_UNITS),
    "network.kind": Key(), "network.topology": Key(), "network.bandwidth": Key(BANDWIDTH_UNITS),
    "network.pod": Key(COUNT_UNITS), "network.oversubscription": Key(("1",)),
    "size.devices": Key(COUNT_UNITS),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Cluster:
    """Devices of one kind and what joins them. Bandwidths are per device and one way; what is None is as the device has it.

    `pod` devices hang below switches that pass all they send; beyond, `oversubscription` times less passes at once. `size` is how
    many devices there are, None where a kind of cluster comes in any size.
    """

    id: str
    name: str
    device: str | None
    node: Fact | None
    node_power: Fact | None
    link_kind: str | None
    link: Fact | None
    domain: Fact | None
    network_kind: str | None
    network: Fact | None
    topology: str
    pod: Fact | None
    oversubscription: Fact | None
    size: Fact | None

    def placed(self, name: str | None = None) -> Device:
        """The device of the cluster as it stands there. A cluster that names none takes the one given; one that does, no other."""
        if name is None and self.device is None:
            raise PlanError(f"cluster {self.id} names no device", field="device", valid="--device NAME, or device = in its file")
        found = device(self.device or str(name))
        if name is not None and device(name).id != found.id:
            raise PlanError(f"device={name} is not that of cluster {self.id}", field="device", value=name, valid=found.id)
        stands: dict[str, Any] = {
            "node": self.node, "link_kind": self.link_kind, "link": self.link, "domain": self.domain,
            "network_kind": self.network_kind, "network": self.network, "pod": self.pod,
            "oversubscription": self.oversubscription, "size": self.size, "node_power": self.node_power,
        }  # fmt: skip
        return replace(found, cluster=self.id, **{field: value for field, value in stands.items() if value is not None})


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """The clusters of the catalog."""
    return tuple(sorted(file.name.removesuffix(".toml") for file in data("clusters").iterdir() if file.name.endswith(".toml")))


def cluster(name: str) -> Cluster:
    """A cluster of the catalog, or a user's own by the path of its file, which ends in .toml."""
    if own.is_file(name):
        return _made(own.stem(name), own.read(name, KEYS), name)
    return _known(name.lower())


@lru_cache(maxsize=64)
def _known(name: str) -> Cluster:
    if name not in names():
        raise UnknownNameError("cluster", name, names())
    facts = table("clusters", f"{name}.toml")
    flat = {f"{part}.{key}": value for part in ("node", "link", "network", "size") for key, value in facts.get(part, {}).items()}
    return _made(name, {**flat, "name": facts["name"], "device": facts["device"]}, f"{name}.toml")


def _made(name: str, found: Mapping[str, Any], where: str) -> Cluster:
    made = Cluster(
        id=name, name=found.get("name", name), device=found.get("device"), node=found.get("node.devices"),
        node_power=found.get("node.power"), link_kind=found.get("link.kind"), link=found.get("link.bandwidth"),
        domain=found.get("link.domain"), network_kind=found.get("network.kind"), network=found.get("network.bandwidth"),
        topology=found.get("network.topology", ""), pod=found.get("network.pod"),
        oversubscription=found.get("network.oversubscription"), size=found.get("size.devices"),
    )  # fmt: skip
    if made.device is not None and own.is_file(made.device):
        raise FactError(
            f"{where}: device is a file", field="device", value=made.device, valid="a device of the catalog, or --device FILE"
        )
    if (made.pod is None) != (made.oversubscription is None):
        raise FactError(f"{where} has one of network.pod and network.oversubscription", field="network.pod", valid="both or none")
    if made.oversubscription is not None and made.oversubscription.si < 1:
        raise FactError(
            f"{where}: network.oversubscription is {made.oversubscription.value:g}",
            field="network.oversubscription",
            valid="1 or more",
        )
    return made
