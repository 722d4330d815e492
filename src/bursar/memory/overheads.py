"""Device memory that no tensor of a job accounts for: CUDA context, workspaces of libraries, NCCL's buffers, gaps of the allocator.

None of it is exact. Each is a fact with a band, low, usual and high, from `data/overheads.toml`; the account of a rank takes the
usual one and keeps it apart from bytes of tensors.

A communicator is counted for every group of more than one rank. One for gathers and reductions keeps rings and trees of channels at
any size. One for messages keeps channels to every peer of its link domain, and one buffer for all that are beyond it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from bursar.dims import Dim, at_least, at_most
from bursar.facts import Fact, Source, table
from bursar.formula import formula
from bursar.kernels import Kernels
from bursar.machines.devices import Device, workspace, workspace_source
from bursar.parallel.pipeline import Stage
from bursar.plan import Plan
from bursar.step import Step

LEVELS = ("low", "usual", "high")
NEIGHBOURS = 2  # in a ring of messages, and in a pipeline
OF_A_WEIGHT = 4  # tensors: the weight, its gradient, two states
ONE_TOKEN = Step(1, 1)


class Band(NamedTuple):
    """A measured number with the least and the most that it may be."""

    low: Fact
    usual: Fact
    high: Fact


class Overhead(NamedTuple):
    """Bytes of one overhead on a rank, with their band and the source of the usual ones."""

    name: str
    bytes: Dim
    low: Dim
    high: Dim
    source: Source


class Reserved(NamedTuple):
    """Bytes that PyTorch's allocator takes from the device for the tensors of a rank."""

    low: int
    value: int
    high: int


class Buffers(NamedTuple):
    """Bytes of NCCL: of a communicator for collectives, of a peer in the link domain, of the buffer for peers beyond it."""

    collective: int
    peer: int
    network: int


class Connected(NamedTuple):
    """What a group's communicator has: rings and trees, peers in the link domain, a buffer for those beyond it."""

    name: str
    collective: Dim = 0
    peers: Dim = 0
    network: Dim = 0

    @formula("buffers of a communicator", "B", "nccl-memory")
    def bytes(self, buffers: Buffers) -> Dim:
        return self.collective * buffers.collective + self.peers * buffers.peer + self.network * buffers.network


def tables() -> dict[str, Any]:
    """The facts of `data/overheads.toml`."""
    return table("overheads.toml")


@lru_cache(maxsize=64)
def context(device_id: str) -> Band:
    """Bytes of a CUDA context with the kernels that it has loaded."""
    contexts = tables()["context"]
    found = next((table for table in contexts.values() if device_id in table["devices"]), contexts["default"])
    return Band(*[found[level] for level in LEVELS])


@lru_cache(maxsize=3)
def buffers(level: str) -> Buffers:
    """NCCL's buffers at a level of the band."""
    found = tables()["nccl"]
    connection = found["connection"][level].si
    each = found["channels"][level].si * found["collective"][level].si, found["pair"][level].si
    return Buffers(int(each[0] * connection), int(each[1] * connection), int(found["network"][level].si))


def communicators(plan: Plan, device: Device | None, *, experts: bool) -> Iterator[Connected]:
    """The communicators of a rank, one for each of its groups; a model has those of experts only where it has experts."""
    domain = device.domain.si if device else None
    yield _collective("tensor", plan.tensor)
    if plan.context_comm == "all-gather":
        yield _collective("context", plan.context)
    else:
        most = NEIGHBOURS if plan.context_comm == "ring" else None
        yield _messages("context", plan.context, plan.tensor, domain, most)
    yield _collective("data", plan.shards("data"))
    if experts:
        yield _messages("expert", plan.expert, plan.expert_tensor, domain, None)
        yield _collective("expert_data", plan.shards("expert_data"))
    yield _messages("pipeline", plan.pipeline, plan.tensor * plan.data_context, domain, NEIGHBOURS)
    if plan.shard_group is not None:
        yield _collective("data_replicas", plan.replicas)


def _collective(name: str, ways: Dim) -> Connected:
    return Connected(name, collective=at_most(ways - 1, 1))


def _messages(name: str, ways: Dim, stride: Dim, domain: float | None, most: int | None) -> Connected:
    """The communicator of ranks `stride` devices apart that send to all others, or to `most` of them."""
    if type(ways) is int and ways == 1:
        return Connected(name)
    together = ways if domain is None else at_least(at_most(ways, domain // stride), 1)
    peers = together - 1 if most is None else at_most(together - 1, most)
    return Connected(name, peers=_whole(peers), network=at_most(ways - together, 1))


def _whole(count: Dim) -> Dim:
    return int(count) if type(count) is float else count


@lru_cache(maxsize=64)
def fixed(device_id: str) -> int:
    """Bytes of the usual overheads that no plan changes: context and workspaces."""
    return int(context(device_id).usual.si) + int(workspace(device_id)[1])


def runtime(plan: Plan, device: Device | None, *, experts: bool) -> Dim:
    """Bytes of all usual overheads of a rank."""
    found = list(communicators(plan, device, experts=experts))
    together = Connected("all", sum([c.collective for c in found]), sum([c.peers for c in found]), sum([c.network for c in found]))
    return fixed(device.kin if device else "") + together.bytes(buffers("usual"))


def of_plan(plan: Plan, device: Device | None, *, experts: bool) -> tuple[Overhead, ...]:
    """Every overhead of a rank; those of groups of one rank are left out."""
    device_id = device.kin if device else ""
    low, usual, high = (int(fact.si) for fact in context(device_id))
    found = [Overhead("context", usual, low, high, context(device_id).usual.source)]
    low, usual, high = workspace(device_id)
    found.append(Overhead("workspace", usual, low, high, workspace_source()))
    source = tables()["nccl"]["connection"]["usual"].source
    for group in communicators(plan, device, experts=experts):
        low, usual, high = (group.bytes(buffers(level)) for level in LEVELS)
        if type(usual) is not int or usual:
            found.append(Overhead(f"nccl.{group.name}", usual, low, high, source))
    return tuple(found)


def tensors(stage: Stage, step: Step, plan: Plan, kernels: Kernels) -> int:
    """How many tensors a rank of a stage has, about: those of its weights, and what its layers keep of every micro-batch."""
    weights = kept = 0
    for block, times in stage.blocks():
        weights += times * sum([len(line.op.shapes()) for line in block.walk(ONE_TOKEN)])
        kept += times * len(list(block.kept(step, kernels.keeps)))
    return OF_A_WEIGHT * weights + plan.pipeline * kept


@formula("memory that the allocator hands out", "B", "caching-allocator")
def allocated(tensor_bytes: Dim, count: Dim, block: int, workspaces: Dim) -> Dim:
    """Every tensor fills whole blocks, so that half of one is lost on average; workspaces are tensors too."""
    return tensor_bytes + count * (block // 2) + workspaces


def reserved(tensor_bytes: int, count: int, device: Device | None) -> Reserved:
    """Bytes that the allocator takes from the device for so many tensors: segments that are split have gaps."""
    facts = tables()["allocator"]
    held = allocated(tensor_bytes, count, int(facts["block"].si), workspace(device.kin if device else "")[1])
    return Reserved(*[int(held * facts["reserved"][level].si) for level in LEVELS])
