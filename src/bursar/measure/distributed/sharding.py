"""A chunk under FSDP2 (`fully_shard`): every layer is a unit, what is around the layers is the root unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

# a precision of ours, as FSDP2's policy has it; parameters are FP32 in all of them
POLICIES: Mapping[str, Mapping[str, torch.dtype]] = {"fp32": {}, "bf16": {"param_dtype": torch.bfloat16}}
REDUCED: Mapping[str | None, Mapping[str, torch.dtype]] = {None: {}, "fp32": {"reduce_dtype": torch.float32}}


def policy(precision: str, grad_dtype: str | None) -> MixedPrecisionPolicy:
    """In which dtype weights are gathered and gradients reduced."""
    return MixedPrecisionPolicy(**POLICIES[precision], **(REDUCED[grad_dtype] if POLICIES[precision] else {}))


def shard(chunk: Any, data: Any, experts: Any, mixed: MixedPrecisionPolicy, *, reshard: bool, summed: bool) -> None:
    """Shards a chunk in place over the mesh `data`, and the experts of its layers over `experts` where that is a mesh of several
    ranks; where it is of one, a rank's experts are its own. `summed`: gradients are divided
    apart from their reduction, for backends that reduce by sums alone (gloo)."""
    apart: set[torch.nn.Parameter] = set()
    for layer in chunk.layers:
        if experts is not None:
            mixture = layer.mlp.experts
            if experts.size() > 1:
                fully_shard(mixture, mesh=experts, mp_policy=mixed, reshard_after_forward=reshard)
            else:
                apart |= set(mixture.parameters())
        fully_shard(layer, mesh=data, mp_policy=mixed, reshard_after_forward=reshard, ignored_params=apart)
    fully_shard(chunk, mesh=data, mp_policy=mixed, ignored_params=apart)  # a root stays whole until its backward pass
    for module in chunk.modules():
        if isinstance(module, FSDPModule):
            module.set_force_sum_reduction_for_comms(summed)
