"""A decoder's chunk under PyTorch's tensor parallelism, as `parallelize_module` lays it out.

Column-cut and row-cut products, the embedding and the head cut by vocabulary. What enters a region enters once for all of its
readers; with `sequence` norms work on their rank's share of the tokens, which lie along the second dimension.
"""

from __future__ import annotations

from typing import Any

from torch.distributed.tensor import DTensor, Partial, Replicate, Shard
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    PrepareModuleInput,
    RowwiseParallel,
    SequenceParallel,
    parallelize_module,
)

COLUMNS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.up_proj")
ROWS = ("self_attn.o_proj", "mlp.down_proj")
NORMS = ("input_layernorm", "post_attention_layernorm")


def styles(sequence: bool) -> dict[str, Any]:
    """The plan of a layer."""
    outside = Shard(1) if sequence else Replicate()
    enters = {"input_layouts": (outside,), "desired_input_layouts": (Replicate(),), "use_local_output": False}
    named = {
        "input_kwarg_layouts": {"hidden_states": outside},
        "desired_input_kwarg_layouts": {"hidden_states": Replicate()},
        "use_local_output": False,
    }
    return {
        "self_attn": PrepareModuleInput(**named),
        "mlp": PrepareModuleInput(**enters),
        **{name: ColwiseParallel() for name in COLUMNS},
        **{name: RowwiseParallel(output_layouts=outside) for name in ROWS},
        **({name: SequenceParallel(use_local_output=True) for name in NORMS} if sequence else {}),
    }


def ends(chunk: Any, sequence: bool) -> dict[str, Any]:
    """The plan of what is around the layers; logits stay cut by vocabulary."""
    outside = Shard(1) if sequence else Replicate()
    found: dict[str, Any] = {}
    if chunk.embed_tokens is not None:
        found["embed_tokens"] = RowwiseParallel(input_layouts=Replicate(), output_layouts=outside)
    if chunk.lm_head is not None:
        found["lm_head"] = ColwiseParallel(input_layouts=outside, output_layouts=Shard(-1))
        if sequence:
            found["norm"] = SequenceParallel(use_local_output=True)
    return found


def cut(chunk: Any, mesh: Any, sequence: bool) -> None:
    """One rank's part of a chunk, in place."""
    for layer in chunk.layers:
        parallelize_module(layer, mesh, styles(sequence))
    parallelize_module(chunk, mesh, ends(chunk, sequence))


def settle(chunk: Any) -> None:
    """Adds up gradients that each rank has of its own tokens alone, those of norms."""
    for parameter in chunk.parameters():
        gradient = parameter.grad
        if isinstance(gradient, DTensor) and any(isinstance(place, Partial) for place in gradient.placements):
            whole = [Replicate() if isinstance(place, Partial) else place for place in gradient.placements]
            parameter.grad = gradient.redistribute(placements=whole)
