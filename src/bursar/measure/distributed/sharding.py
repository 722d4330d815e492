"""A chunk under PyTorch's data parallelism: FSDP2 (`fully_shard`), or DistributedDataParallel with whole or dealt-out states.

Under FSDP2 every layer is a unit, what is around the layers is the root unit. Under the other all gradients of a chunk are one
bucket, which lives in their place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.nn.parallel import DistributedDataParallel

from bursar.measure.distributed import experts as mixtures

GATHERED: Mapping[str, Mapping[str, torch.dtype]] = {"bf16": {"param_dtype": torch.bfloat16}}  # other precisions: as they rest
REDUCED: Mapping[str | None, Mapping[str, torch.dtype]] = {"fp32": {"reduce_dtype": torch.float32}}
MIB = 2**20  # the unit of DistributedDataParallel's buckets


def policy(precision: str, grad_dtype: str | None) -> MixedPrecisionPolicy:
    """In which dtype weights are gathered and gradients reduced."""
    return MixedPrecisionPolicy(**GATHERED.get(precision, {}), **REDUCED.get(grad_dtype, {}))


def shard(chunk: Any, data: Any, experts: Any, mixed: MixedPrecisionPolicy, *, reshard: bool, summed: bool) -> None:
    """Shards a chunk in place over the mesh `data`, and the experts of its layers over `experts` where that is a mesh of several
    ranks; where it is of one, a rank's experts are its own. `summed`: gradients are divided apart from their reduction, for
    backends that reduce by sums alone (gloo)."""
    apart: set[torch.nn.Parameter] = set()
    for layer in chunk.layers:
        for mixture in mixtures.of_layer(layer) if experts is not None else ():
            if experts.size() > 1:
                fully_shard(mixture, mesh=experts, mp_policy=mixed, reshard_after_forward=reshard)
            else:
                apart |= set(mixture.parameters())
        fully_shard(layer, mesh=data, mp_policy=mixed, reshard_after_forward=reshard, ignored_params=apart)
    fully_shard(chunk, mesh=data, mp_policy=mixed, ignored_params=apart)  # a root stays whole until its backward pass
    for module in chunk.modules():
        if isinstance(module, FSDPModule):
            module.set_force_sum_reduction_for_comms(summed)


def replicated(chunk: Any, group: Any) -> DistributedDataParallel:
    """A chunk with one bucket of gradients, added up once a step."""
    size = sum(parameter.numel() * parameter.element_size() for parameter in chunk.parameters())
    module = DistributedDataParallel(
        chunk, process_group=group, bucket_cap_mb=size // MIB + 1, gradient_as_bucket_view=True, broadcast_buffers=False
    )
    if dist.get_backend(group) == "fake":
        module.register_comm_hook(group, lambda group, bucket: _summed(group, bucket))  # which may have no annotations of text
    return module


def _summed(group: Any, bucket: Any) -> torch.futures.Future[torch.Tensor]:
    """What DistributedDataParallel does by itself where a group has results to wait for: fake ones have none."""
    total = bucket.buffer().div_(group.size())
    dist.all_reduce(total, group=group)
    done: torch.futures.Future[torch.Tensor] = torch.futures.Future()
    done.set_result(total)
    return done


def optimizer(parameters: list[torch.nn.Parameter], group: Any) -> torch.optim.Optimizer:
    """AdamW, parameter by parameter: some of them may be cut and others whole. With a group every rank of it updates its part of
    the parameters."""
    if group is None:
        return torch.optim.AdamW(parameters, foreach=False)
    return ZeroRedundancyOptimizer(
        parameters, torch.optim.AdamW, process_group=group, parameters_as_bucket_view=True, foreach=False
    )
