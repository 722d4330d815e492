"""Seconds of a collective: α plus the bytes that cross the slowest wire (Thakur et al. 2005; NCCL's performance notes).

A group of `ways` ranks `stride` devices apart lies within a link domain, or spans domains and then has one network port for
each of its ranks in a domain: B = min(link, ranks per domain × port). At one rank every term vanishes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from bursar.devices import Device, rates
from bursar.dims import Dim, at_least, at_most, choose
from bursar.errors import PlanError
from bursar.formula import formula

# what crosses the wire per rank, in units of (n − 1)/n of the full size
VOLUME: Mapping[str, int] = MappingProxyType({"all_reduce": 2, "all_gather": 1, "reduce_scatter": 1, "all_to_all": 1})


class Group(NamedTuple):
    """Ranks that talk to each other: seconds per byte of the full size of a gather, and of a start."""

    per_byte: Dim
    latency: Dim

    @formula("seconds of a collective", "s", "nccl")
    def seconds(self, collective: str, size: Dim) -> Dim:
        """A collective over `size` bytes, the gathered or reduced whole."""
        return VOLUME[collective] * self.per_byte * size + self.latency


@dataclass(frozen=True)
class Network:
    """Links of a cluster of one kind of device, at achieved rates, in base units."""

    link: float
    link_latency: float
    domain: float
    port: float  # per device
    port_latency: float

    @formula("bandwidth of a group", "B/s", "nccl")
    def bandwidth(self, ways: Dim, stride: Dim) -> Dim:
        together = at_least(at_most(self.domain / stride, ways), 1)  # ranks of the group in one domain
        return choose(ways * stride <= self.domain, self.link, at_most(self.link, together * self.port))

    def group(self, ways: Dim, stride: Dim) -> Group:
        """`ways` ranks, `stride` devices apart."""
        latency = choose(ways * stride <= self.domain, self.link_latency, self.port_latency)
        return Group((ways - 1) / (ways * self.bandwidth(ways, stride)), latency * at_most(ways - 1, 1))

    @formula("seconds of a message between stages", "s", "nccl")
    def message(self, size: Dim, stride: Dim) -> Dim:
        return size / self.bandwidth(2, stride) + choose(2 * stride <= self.domain, self.link_latency, self.port_latency)


def network(device: Device, devices: int | None) -> Network:
    """The links between so many devices; refused if they span domains that nothing is known to join."""
    domain, achieved = device.domain.si, rates(device.id)
    if device.network is None and devices is not None and devices > domain:
        raise PlanError(
            f"{devices} {device.id} span link domains of {int(domain)}, and no network between them is in the catalog",
            field="devices", value=devices, valid=f"1 to {int(domain)}",
        )  # fmt: skip
    return Network(
        link=device.link.si * achieved.link.si,
        link_latency=achieved.link_latency.si,
        domain=domain,
        port=device.network.si * achieved.network.si if device.network else device.link.si * achieved.link.si,
        port_latency=achieved.network_latency.si,
    )
