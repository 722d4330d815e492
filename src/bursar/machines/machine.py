"""Where a plan runs: a device's roofline, the network, and the groups that the plan makes of it.

Ranks are placed tensor first, then context, then expert and data, then pipeline, so that the chattiest group has the shortest
wires.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from bursar.dims import Dim
from bursar.machines.devices import launch
from bursar.machines.network import Group, Network
from bursar.machines.roofline import Roofline
from bursar.parallel.expert import COMMS
from bursar.plan import Plan

DEDUPLICATED = COMMS[1]


class Machine(NamedTuple):
    """A device, its links, and what a plan makes of them."""

    roofline: Roofline
    network: Network
    groups: Groups
    price: dict[str, float]  # what overlap costs compute, by the group that communicates
    launch: Dim = 0  # seconds of the host for an operator of a pass


class Groups(dict[str, Group]):
    """The groups of ranks that talk to each other, each placed when it is first asked for: a dense model has none of experts."""

    def __init__(self, network: Network, plan: Plan) -> None:
        super().__init__()
        self.network, self.plan = network, plan

    def __missing__(self, name: str) -> Group:
        self[name] = found = PLACES[name](self.network, self.plan)
        return found


def _expert(network: Network, plan: Plan) -> Group:
    place = network.spread if plan.expert_comm == DEDUPLICATED else network.group
    return place(plan.expert, plan.expert_tensor)


PLACES: Mapping[str, Callable[[Network, Plan], Group]] = MappingProxyType({
    "tensor": lambda network, plan: network.group(plan.tensor, 1),
    "context": lambda network, plan: network.circle(plan.context, plan.tensor),
    "expert": _expert,
    "data": lambda network, plan: network.group(plan.shards("data"), plan.tensor),
    "expert_data": lambda network, plan: network.group(plan.shards("expert_data"), plan.expert_tensor * plan.expert),
    "data_replicas": lambda network, plan: network.group(plan.replicas, plan.tensor * plan.shards("data")),
    "expert_data_replicas": lambda network, plan: network.group(
        plan.replicas, plan.expert_tensor * plan.expert * plan.shards("expert_data")
    ),
})  # fmt: skip


def placed(roof: Roofline, network: Network, plan: Plan) -> Machine:
    """The machine of a plan."""
    return Machine(roof, network, Groups(network, plan), network.price, launch(plan.kernels).si)
