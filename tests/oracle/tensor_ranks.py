"""What one rank keeps and holds under PyTorch's tensor parallelism: a program of its own, as `ranks.py` is.

    python tensor_ranks.py '{"world": 2, "cases": [{"config": {…}, "dtype": "fp32", "seq": 16, "batch": 2, "sequence": true}]}'

prints a list with, for every case, the bytes that autograd keeps of the layers' forward pass and the bytes of the layers'
parameters and gradients. Layers are cut as `bursar.measure.distributed.tensors` cuts them.
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
from torch.distributed.device_mesh import init_device_mesh
from torch.testing._internal.distributed.fake_pg import FakeStore

from bursar.measure.distributed.holding import local
from bursar.measure.distributed.tensors import cut_layer, plan_of

DTYPES = {"bf16-pure": torch.bfloat16, "fp32": torch.float32}


def measured(mesh: Any, config: dict[str, Any], dtype: str, seq: int, batch: int, sequence: bool) -> dict[str, int]:
    """The layers of a model on one rank: forward and backward of a step."""
    values = {key: value for key, value in config.items() if key != "model_type"}
    chosen = transformers.AutoConfig.for_model(config["model_type"], **values)
    model = transformers.AutoModel.from_config(chosen, attn_implementation="sdpa").to(DTYPES[dtype]).train()
    for layer in model.layers:
        cut_layer(layer, plan_of(chosen), mesh, sequence)
    own = [local(p) for layer in model.layers for p in layer.parameters()]
    mine = {tensor.untyped_storage()._cdata for tensor in own}
    kept: dict[int, Any] = {}

    def pack(tensor: Any) -> Any:
        storage = local(tensor).untyped_storage()
        if storage._cdata not in mine:
            kept[storage._cdata] = storage  # held, so that its address is not used again
        return tensor

    share = seq // mesh.size() if sequence else seq
    hidden = torch.zeros((batch, share, chosen.hidden_size), dtype=DTYPES[dtype], requires_grad=True)
    place = torch.arange(seq)[None]
    table = model.rotary_emb(torch.zeros((batch, seq, chosen.hidden_size), dtype=DTYPES[dtype]), place)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        for layer in model.layers:
            hidden = layer(hidden, attention_mask=None, position_embeddings=table, position_ids=place)
    hidden.sum().backward()
    gradients = [local(p.grad) for layer in model.layers for p in layer.parameters()]
    return {
        "kept": sum(storage.nbytes() for storage in kept.values()),
        "weights": sum(tensor.numel() * tensor.element_size() for tensor in own),
        "gradients": sum(tensor.numel() * tensor.element_size() for tensor in gradients),
    }


def main(asked: dict[str, Any]) -> None:
    dist.init_process_group("fake", rank=0, world_size=asked["world"], store=FakeStore())
    mesh = init_device_mesh("cpu", (asked["world"],))
    print(json.dumps([measured(mesh, **case) for case in asked["cases"]]))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
