"""Seconds of a collective: α + c·S/B·(1 + √(S₀/S)), of S bytes in all (Thakur et al. 2005; NCCL's performance notes).

A group of `ways` ranks `stride` devices apart lies within a link domain, or spans domains. A ring over it then has one port
for each of its ranks in a domain: B = min(link, ranks per domain × port); an all-to-all has one port for each rank's own data.
A torus has links along its axes alone (`torus`).
Ranks hand on S/n at a time, so that S₀ grows with n. A switch that adds (NVLS) speeds up all-reduces of a domain alone.
At one rank every term vanishes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from bursar.dims import Dim, at_least, at_most, choose, root
from bursar.errors import PlanError
from bursar.formula import formula
from bursar.machines.devices import Device, Rates, overlap_price, rates_of
from bursar.machines.torus import hops, spanned

# what crosses the wire per rank, in units of (n − 1)/n of the full size
VOLUME: Mapping[str, int] = MappingProxyType({"all_reduce": 2, "all_gather": 1, "reduce_scatter": 1})
SWITCHED = 4  # ranks above which all-reduces go through the switch
MEASURED = 8  # ranks at which S₀ is stated


class Group(NamedTuple):
    """Ranks that talk to each other: seconds per byte of the full size of a gather, per byte that a rank hands to an
    all-to-all, and of a start."""

    ring: Dim
    pairs: Dim
    latency: Dim
    small: Dim = 0  # bytes at which a gather takes twice as long as its bytes say
    reduce: Dim = 0  # seconds per byte of an all-reduce, of its start, and where it takes twice as long
    reduce_latency: Dim = 0
    reduce_small: Dim = 0
    neighbours: Dim = 0  # seconds per byte of the full size when blocks go from neighbour to neighbour
    rounds: Dim = 0  # hand-overs until every rank has seen every block
    across: Dim = 0  # seconds per byte of an all-to-all that leaves the domain of its rank
    within: Dim = 0  # and that stays in it
    ways: Dim = 1
    domains: Dim = 1

    @formula("seconds of a collective", "s", "nccl")
    def seconds(self, collective: str, size: Dim, parts: Dim = 1) -> Dim:
        """A collective over `size` bytes: the gathered or reduced whole, what goes round a ring, or what one rank hands to an
        all-to-all; in so many `parts` one after the other."""
        if collective == "all_to_all":
            return self.pairs * size + self.latency
        if collective == "ring":
            return self.neighbours * size + self.latency * self.rounds
        if collective == "all_reduce":
            return self.reduce * (size + root(self.reduce_small * size * parts)) + self.reduce_latency * parts
        return self.ring * (size + root(self.small * size * parts)) + self.latency * parts

    @formula("seconds of an all-to-all that sends a token once to each place", "s", "deepep")
    def deduplicated(self, size: Dim, top_k: Dim) -> Dim:
        """`size` bytes with `top_k` copies of a token: one crosses to each domain that holds any of its experts, and goes on there
        to each rank that does. Both run at once."""
        across = self.across * size * (distinct(self.domains, top_k) / top_k)
        within = self.within * size * (distinct(self.ways, top_k) / top_k) * self.domains
        return at_least(across, within) + self.latency


@formula("places that hold any of the experts of a token", "1", "deepep")
def distinct(places: Dim, top_k: Dim) -> Dim:
    """n (1 − (1 − 1/n)^k), expected where routing is uniform."""
    return places * (1 - (1 - 1 / places) ** top_k)


@dataclass(frozen=True)
class Network:
    """Links of a cluster of one kind of device, at achieved rates, in base units."""

    link: float
    link_latency: float
    domain: float
    port: float  # per device
    port_latency: float
    link_small: float = 0.0  # S₀ of gathers and scatters within a domain, across domains, and of all-reduces, in bytes
    port_small: float = 0.0
    pairwise: float = 0.0  # all-to-alls of a domain; as gathers, if 0
    switch: float = 0.0  # all-reduces of a domain; none, if 0
    switch_latency: float = 0.0
    switch_small: float = 0.0
    axes: int = 0  # of a torus, with the devices on it; 0 where every pair of a domain has the whole link
    devices: Dim = 1
    pod: float = 0.0  # devices below switches that pass all they send; 0 where all switches do
    uplink: float = 0.0  # per device beyond its pod, when all devices of the pod send
    link_price: float = 0.0  # share of the time of communication that compute beside it loses
    port_price: float = 0.0

    @property
    def price(self) -> dict[str, float]:
        """The same for each group that communicates."""
        return {"tensor": self.link_price, "expert": self.link_price, "data": self.port_price}

    def together(self, ways: Dim, stride: Dim) -> Dim:
        """Ranks of a group in one domain."""
        return at_least(at_most(self.domain / stride, ways), 1)

    def wires(self, ways: Dim) -> Dim:
        """Bandwidth of a rank within its domain."""
        return self.link * spanned(ways, self.devices, self.axes) / self.axes if self.axes else self.link

    @formula("bandwidth of a ring over a group", "B/s", "nccl")
    def bandwidth(self, ways: Dim, stride: Dim) -> Dim:
        """A byte of a gather enters a domain once, by any of the ports of the group's ranks there."""
        link = self.wires(ways)
        ports = self.tapered(self.together(ways, stride) * self.port, ways, stride)
        return choose(ways * stride <= self.domain, link, at_most(link, ports))

    def mates(self, ways: Dim, stride: Dim) -> Dim:
        """Ranks of a group in one pod."""
        return at_least(at_most(self.pod / stride, ways), 1)

    def tapered(self, rate: Dim, ways: Dim, stride: Dim) -> Dim:
        """A rate of a ring, where it may leave its pod once: all rings of the pod share what leaves it."""
        if not self.pod:
            return rate
        return choose(ways * stride <= self.pod, rate, at_most(rate, self.mates(ways, stride) * self.uplink))

    @formula("seconds per byte of an all-to-all", "s/B", "nccl")
    def pairs(self, ways: Dim, stride: Dim) -> Dim:
        """What a rank sends beyond its domain leaves by its own port, beside what it sends within."""
        return at_least(*self.sides(ways, stride))

    def sides(self, ways: Dim, stride: Dim) -> tuple[Dim, Dim]:
        """Seconds per byte of an all-to-all across domains, and within one."""
        together = self.together(ways, stride)
        across = (ways - together) / (ways * self.port)
        if self.pod:
            across = at_least(across, (ways - self.mates(ways, stride)) / (ways * self.uplink))
        if self.axes:
            crossed = hops(together, spanned(together, self.devices, self.axes))
            return across, crossed * together / (ways * self.wires(together))
        return across, (together - 1) / (ways * (self.pairwise or self.link))

    def spread(self, ways: Dim, stride: Dim) -> Group:
        """The same group, for ranks that send every token once to each place that needs it."""
        across, within = self.sides(ways, stride)
        domains = ways / self.together(ways, stride)
        return self.group(ways, stride)._replace(across=across, within=within, ways=ways, domains=domains)

    def group(self, ways: Dim, stride: Dim) -> Group:
        """`ways` ranks, `stride` devices apart."""
        many = at_most(ways - 1, 1)
        inside = ways * stride <= self.domain
        latency = choose(inside, self.link_latency, self.port_latency) * many
        ring = (ways - 1) / (ways * self.bandwidth(ways, stride))
        small = choose(inside, self.link_small, self.port_small) / MEASURED * ways
        return Group(ring, self.pairs(ways, stride), latency, small, *self._reduction(ways, inside, ring, latency, small))

    def _reduction(self, ways: Dim, inside: Dim, ring: Dim, latency: Dim, small: Dim) -> tuple[Dim, Dim, Dim]:
        """The same three numbers of an all-reduce: by the switch, or a scatter and a gather."""
        both, twice = VOLUME["all_reduce"] * ring, 2 * latency
        if not self.switch:
            return both, twice, small
        switched = inside & (ways > SWITCHED)
        return (
            choose(switched, VOLUME["all_reduce"] * (ways - 1) / (ways * self.switch), both),
            choose(switched, self.switch_latency, twice),
            choose(switched, self.switch_small / MEASURED * ways, small),
        )

    def circle(self, ways: Dim, stride: Dim) -> Group:
        """The same for ranks that also hand blocks to their neighbours: across domains a hand-over has one port."""
        link = self.wires(ways)
        slowest = choose(ways * stride <= self.domain, link, at_most(link, self.tapered(self.port, ways, stride)))
        return self.group(ways, stride)._replace(neighbours=(ways - 1) / (ways * slowest), rounds=ways - 1)

    @formula("seconds of a message between stages", "s", "nccl")
    def message(self, size: Dim, stride: Dim) -> Dim:
        return size / self.bandwidth(2, stride) + self.link_latency


def network(device: Device, devices: Dim, given: Rates | None = None) -> Network:
    """The links between so many devices, at the rates that are known or at those given; refused if they span domains that nothing
    is known to join."""
    domain, achieved = device.domain.si, given or rates_of(device)
    if device.network is None and isinstance(devices, int) and devices > domain:
        raise PlanError(
            f"{devices} {device.id} span link domains of {int(domain)}, and no network between them is in the catalog",
            field="devices", value=devices, valid=f"1 to {int(domain)}",
        )  # fmt: skip
    port = device.network.si * achieved.network.si if device.network else device.link.si * achieved.link.si
    return Network(
        link=device.link.si * achieved.link.si,
        link_latency=achieved.link_latency.si,
        domain=domain,
        port=port,
        port_latency=achieved.network_latency.si,
        link_small=achieved.link_small.si,
        port_small=achieved.network_small.si,
        pairwise=device.link.si * achieved.all_to_all.si,
        switch=device.link.si * achieved.all_reduce.si,
        switch_latency=achieved.all_reduce_latency.si,
        switch_small=achieved.all_reduce_small.si,
        axes=int(device.axes.si) if device.axes else 0,
        devices=devices,
        pod=device.pod.si if device.pod else 0.0,
        uplink=port / device.oversubscription.si if device.oversubscription else port,
        link_price=overlap_price("link").si,
        port_price=overlap_price("network").si,
    )
