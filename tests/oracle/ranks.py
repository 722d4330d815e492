"""What one rank of a sharded job really holds: a program of its own, because PyTorch has one process group in a process.

    python ranks.py '{"world": 8, "rank": 0, "replicas": 1, "cases": [{"config": {…}, "mixed": null, "reshard": true}]}'

prints a list with, for every case, the bytes of parameters, gradients and Adam states, and those that pass: gathered weights,
whole gradients and the buffers of the collectives, at the moments that `bursar.parallel.fsdp.Passing` names. The process group is
PyTorch's fake one, whose collectives send nothing, and the moments are those of FSDPMemTracker.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import torch.distributed as dist
import transformers
from torch.distributed._tools.fsdp2_mem_tracker import FSDPMemTracker, _FSDPModState, _FSDPRefType
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.testing._internal.distributed.fake_pg import FakeStore

from bursar.measure.distributed.holding import held

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
PASSING = (_FSDPRefType.UNSHARDED_PARAM, _FSDPRefType.UNSHARDED_GRAD, _FSDPRefType.ALL_GATHER, _FSDPRefType.REDUCE_SCATTER)


def passing(tracker: Any) -> dict[str, int]:
    """Bytes in passing at the highest moments of the layers and of the root."""

    def at(state: Any, *, layers: bool) -> int:
        stats = [found for found in tracker.memory_tracking.values() if (".layers." in found.mod_fqn) is layers]
        taken = [snapshot[torch.device("cpu")] for found in stats for snapshot in found.snapshots[state]]
        return max(sum(snapshot[part] for part in PASSING) for snapshot in taken)

    return {
        "forward": at(_FSDPModState.PEAK_FW, layers=True),
        "backward": at(_FSDPModState.BEF_POST_BW, layers=True),
        "end": at(_FSDPModState.BEF_POST_BW, layers=False),
    }


def measured(mesh: Any, config: dict[str, Any], mixed: dict[str, str] | None, reshard: bool) -> dict[str, int]:
    """The second training step of a model whose layers, and whose rest, are each a unit: the first one sets buffers up."""
    torch.manual_seed(0)
    values = {key: value for key, value in config.items() if key != "model_type"}
    chosen = transformers.AutoConfig.for_model(config["model_type"], **values)
    chosen._experts_implementation = "batched_mm"
    model = transformers.AutoModelForCausalLM.from_config(chosen)
    policy = MixedPrecisionPolicy(**{name: DTYPES[dtype] for name, dtype in (mixed or {}).items()})
    for layer in model.model.layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy, reshard_after_forward=reshard)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    optimizer = torch.optim.AdamW(model.parameters())
    tracker = FSDPMemTracker(model, optimizer)
    ids = torch.zeros((1, 1), dtype=torch.long)
    tracker.track_inputs((ids,))
    with tracker:
        for _ in range(2):
            tracker.reset_mod_stats()
            optimizer.zero_grad()
            model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
            optimizer.step()
    return {**held(model.parameters(), optimizer), **passing(tracker)}


def main(asked: dict[str, Any]) -> None:
    world, replicas = asked["world"], asked["replicas"]
    dist.init_process_group("fake", rank=asked["rank"], world_size=world, store=FakeStore())
    shape = (world,) if replicas == 1 else (replicas, world // replicas)
    mesh = init_device_mesh("cpu", shape, mesh_dim_names=("replicate", "shard")[-len(shape) :])
    print(json.dumps([measured(mesh, **case) for case in asked["cases"]]))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
