"""A training step of one rank under PyTorch's engine: built, cut, run until it is as later ones are, and watched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
import torch.nn.functional as functional
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor, Shard
from torch.distributed.tensor.parallel import loss_parallel
from torch.nn.parallel import DistributedDataParallel

from bursar.measure.distributed import experts, holding, models, pipelines, sharding, tensors
from bursar.measure.distributed.comparing import Measured
from bursar.measure.distributed.predicting import FULL
from bursar.measure.distributed.watching import Call, Watch
from bursar.model import Model
from bursar.ops.linear import Head
from bursar.parallel.pipeline import laid_out
from bursar.parallel.schedules import schedule
from bursar.plan import Plan
from bursar.training import Training

DTYPES: Mapping[str, torch.dtype] = {"bf16-pure": torch.bfloat16}  # of weights at rest; else FP32
ACTIVATIONS = {**DTYPES, "bf16": torch.bfloat16}
FIRST = 1  # steps that set buffers up and agree on shapes
ORDERED = 2  # DistributedDataParallel agrees on the order of its buckets in a second one


class Mesh(NamedTuple):
    """The ranks by dimension, and those that share experts by another cut of data and tensor parallelism."""

    whole: DeviceMesh
    routed: DeviceMesh | None

    def sharing(self, plan: Plan) -> DeviceMesh:
        """The ranks that FSDP2 shards over: replicas beside shards, or one dimension."""
        return self.whole["replicate", "data"] if plan.shard_group is not None else self.whole["data"]

    def names(self) -> dict[str, str]:
        """The dimension of every group of several ranks, by the group's name; all ranks together are one group."""
        return {
            str(mesh.get_group(name).group_name): name
            for mesh in (self.routed, self.whole) if mesh is not None
            for name in mesh.mesh_dim_names or () if mesh[name].size() > 1
        }  # fmt: skip

    def place(self) -> dict[str, int]:
        """Where this rank is."""
        return dict(zip(self.whole.mesh_dim_names or (), self.whole.get_coordinate() or (), strict=True))


def mesh_of(plan: Plan, device: str) -> Mesh:
    """The mesh of a plan: the dimension that talks most is innermost. Neighbours share experts, tensor-parallel ranks first."""
    shards = int(plan.shards("data"))
    shape = (plan.pipeline, plan.data // shards, shards, plan.tensor) if plan.zero else (plan.pipeline, 1, plan.data, plan.tensor)
    whole = init_device_mesh(device, shape, mesh_dim_names=("pipeline", "replicate", "data", "tensor"))
    if plan.expert == 1:
        return Mesh(whole, None)
    beside = plan.data * plan.tensor // plan.expert
    routed = init_device_mesh(device, (plan.pipeline, beside, plan.expert), mesh_dim_names=("stage", "expert_data", "expert"))
    return Mesh(whole, routed)


class Rank:
    """One rank's chunks of a model, cut by a plan, with an optimizer and its share of the batch."""

    def __init__(self, model: Model, job: Training, device: str) -> None:
        self.job, self.plan, self.device = job, job.plan, device
        self.mesh = mesh_of(self.plan, device)
        self.chunks = self._chunks(model)
        self.modules = {number: self._run_as(chunk) for number, chunk in self.chunks.items()}
        self.parameters = [parameter for chunk in self.chunks.values() for parameter in chunk.parameters()]
        group = self.mesh.whole["data"].get_group() if self.plan.zero == 1 else None
        self.optimizer = sharding.optimizer(self.parameters, group)
        count = int(job.micro_batches) * int(self.plan.micro_batch)
        self.ids = torch.zeros((count, job.length), dtype=torch.long, device=device)
        self.run = self._pipelined() if self.plan.pipeline > 1 else self._alone

    @property
    def index(self) -> int:
        """The rank's place in the pipeline."""
        return int(self.mesh.whole.get_local_rank("pipeline"))

    def _chunks(self, model: Model) -> dict[int, models.Chunk]:
        plan, kind = self.plan, schedule(self.plan.schedule)
        lengths = laid_out(self.job.architecture.layers, plan.pipeline, kind, plan.virtual, plan.layout)
        starts = [sum(lengths[:number]) for number in range(len(lengths) + 1)]
        place = kind.place(self.index, plan.pipeline, kind.chunks(plan.virtual)) if plan.pipeline > 1 else (0,)
        cuts = {number: range(starts[number], starts[number + 1]) for number in place}
        dtype = DTYPES.get(plan.precision, torch.float32)
        found = models.chunks(model, cuts, len(lengths) - 1, self.job.length, dtype)
        for chunk in found.values():
            self._cut(chunk)
            models.draw(chunk, self.device)
        return found

    def _cut(self, chunk: Any) -> None:
        plan = self.plan
        if plan.tensor > 1:
            tensors.cut(chunk, self.mesh.whole["tensor"], plan.sequence)
        if self.mesh.routed is not None:
            experts.spread(chunk, self.mesh.routed["expert"])
        if plan.zero == FULL:
            apart = self.mesh.routed["expert_data"] if self.mesh.routed is not None else None
            sharding.shard(
                chunk, self.mesh.sharing(plan), apart, sharding.policy(plan.precision, plan.grad_dtype), reshard=plan.reshard,
                summed=self.device == "cpu",
            )  # fmt: skip

    def _run_as(self, chunk: Any) -> Any:
        """What is called: the chunk, or under DistributedDataParallel what it is wrapped in."""
        alone = self.plan.zero == FULL or self.plan.data == 1
        return chunk if alone else sharding.replicated(chunk, self.mesh.whole["data"].get_group())

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy in FP32, of logits that may be cut by vocabulary."""
        if self.plan.tensor > 1:
            logits = DTensor.from_local(logits, self.mesh.whole["tensor"], [Shard(-1)], run_check=False)
        return functional.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())

    def _alone(self) -> None:
        (module,) = self.modules.values()
        batches = self.ids.split(int(self.plan.micro_batch))
        for number, ids in enumerate(batches):
            waits = number < len(batches) - 1 and isinstance(module, DistributedDataParallel)
            with module.no_sync() if waits else nullcontext():
                (self._loss(module(ids), ids) / self.job.micro_batches).backward()

    def _pipelined(self) -> Callable[[], None]:
        made = pipelines.schedule(
            self.plan.schedule, self.modules, self.mesh.whole["pipeline"], self._shapes(), int(self.job.micro_batches), self._loss
        )
        last = self._shapes().last
        given = (self.ids,) if 0 in self.chunks else ()
        target = {"target": self.ids} if last in self.chunks else {}
        return lambda: made.step(*given, **target)

    def _shapes(self) -> pipelines.Shapes:
        plan, job = self.plan, self.job
        hidden = int(job.architecture.trunk[0].block.lines["x"].width)
        (vocab,) = {op.d_out for block in job.architecture.tail for op in block.lines.values() if isinstance(op, Head)}
        each = plan.tensor if plan.sequence else 1
        numbered = schedule(plan.schedule).numbered(plan.pipeline, plan.virtual)
        batch = int(plan.micro_batch)
        ids, between = (batch, job.length), (batch, job.length // each, hidden)
        logits = (batch, job.length, vocab // plan.tensor)
        return pipelines.Shapes(ids, between, logits, numbered - 1, ACTIVATIONS.get(plan.precision, torch.float32))

    def step(self) -> None:
        """Gradients of all micro-batches, added up where ranks have parts of them, and the optimizer's step."""
        self.optimizer.zero_grad()
        with self._split_loss():
            self.run()
        for chunk in self.chunks.values():
            tensors.settle(chunk)
            if self.plan.expert > 1:
                experts.average(chunk, self.plan.tensor, self.plan.expert)
        self.optimizer.step()

    @contextmanager
    def _split_loss(self) -> Iterator[None]:
        with ExitStack() as stack:
            if self.plan.tensor > 1:
                stack.enter_context(loss_parallel())
            yield


def measured(model: Model, job: Training, device: str) -> Measured:
    """What a rank did in the last of its steps."""
    rank = Rank(model, job, device)
    wrapped = any(isinstance(module, DistributedDataParallel) for module in rank.modules.values())
    for _ in range(ORDERED if wrapped else FIRST):
        rank.step()
    with Watch() as watch:
        rank.step()
    return Measured(
        torch.distributed.get_rank(), rank.mesh.place(), _counted(watch.calls, rank.mesh.names()),
        holding.held(rank.parameters, rank.optimizer), tuple(sorted(set(watch.unknown))),
    )  # fmt: skip


def _counted(calls: list[Call], names: Mapping[str, str]) -> dict[tuple[str, str], tuple[int, int]]:
    """How many calls and their bytes by dimension and collective."""
    keys = [("expert" if call.collective == "all_to_all" else names.get(call.group, "?"), call.collective) for call in calls]
    counts, sizes = Counter(keys), Counter[tuple[str, str]]()
    for key, call in zip(keys, calls, strict=True):
        sizes[key] += call.bytes
    return {key: (counts[key], sizes[key]) for key in counts}
