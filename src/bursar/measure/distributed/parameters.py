"""Parameters of a stage as PyTorch has them: matrices that transformers fuses are one, tables without gradients are buffers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from bursar.adapters import FUSED
from bursar.dims import Dim, product
from bursar.parallel import fsdp
from bursar.parallel.pipeline import Chunk, Stage
from bursar.training import Training
from bursar.tree import Block

BUFFERS = ("correction",)  # of a router
ROUTED = {"gate": "gate_up", "up": "gate_up"}  # the two matrices into an expert are one


class Parameter(NamedTuple):
    """A tensor and the ranks that hold the same one: "data" or "expert_data"."""

    shape: tuple[Dim, ...]
    group: str

    @property
    def size(self) -> int:
        return int(product(self.shape))

    def shard(self, ways: Dim) -> int:
        """Elements of one rank where every parameter is cut by itself."""
        return int(fsdp.chunk(self.shape, ways))

    def rows(self, ways: Dim, rank: int) -> int:
        """Those that it has without padding: chunks of the last ranks are smaller, or empty."""
        chunk = int(fsdp.chunk((self.shape[0],), ways))
        return max(0, min(chunk, int(self.shape[0]) - rank * chunk)) * int(product(self.shape[1:]))


def counted(job: Training, block: Block) -> list[Parameter]:
    """The parameters of a block as bursar counts them, experts of a layer together."""
    return [Parameter(shape, group) for _, name, shape, group in _named(job, block)]


def trained(job: Training, block: Block, *, fused: bool = True) -> list[Parameter]:
    """The parameters of a block that have gradients, as PyTorch has them."""
    into = {part: whole for whole, parts in FUSED.get(job.architecture.family, {}).items() for part in parts}
    found: dict[tuple[str, str], Parameter] = {}
    for path, name, shape, group in _named(job, block):
        if name in BUFFERS:
            continue
        whole, _, last = path.rpartition(".")
        nested = len(shape) > 2
        key = (into.get(path, f"{whole}.{ROUTED.get(last, last)}" if nested else path) if fused else path), name
        beside = 1 if nested else 0  # matrices are fused along what they make
        if key in found:
            made = found[key].shape[beside] + shape[beside]
            shape = (*shape[:beside], made, *shape[beside + 1 :])
        found[key] = Parameter(shape, group)
    return list(found.values())


def _named(job: Training, block: Block) -> Iterable[tuple[str, str, tuple[Dim, ...], str]]:
    apart = job.plan.expert > 1
    for line in block.walk(job.step):
        for name, shape in line.op.shapes().items():
            nested = (line.instances, *shape) if line.nested else shape
            yield line.path, name, nested, "expert_data" if line.nested and apart else "data"


def dealt(sizes: Iterable[int], ranks: int) -> list[int]:
    """Elements of each rank where whole parameters are dealt out, the largest first, to the rank that has least
    (torch.distributed.optim.ZeroRedundancyOptimizer)."""
    found = [0] * ranks
    for size in sorted(sizes, reverse=True):
        found[found.index(min(found))] += size
    return found


def stage_of(job: Training, index: int) -> Stage:
    """What the ranks of a pipeline index hold."""
    return next(stage for stage in job.stages if index in stage.indices)


def of_chunk(job: Training, chunk: Chunk) -> list[Parameter]:
    """The trained parameters of a chunk, one by one."""
    return [one for block, times in chunk.blocks() for one in times * trained(job, block)]


def shares(job: Training, index: int) -> list[int]:
    """Elements of the parameters of a stage that each data-parallel rank updates, where these are dealt out."""
    return dealt([one.size for chunk in stage_of(job, index).chunks for one in of_chunk(job, chunk)], int(job.plan.data))
