"""Expert parallelism: a rank holds its share of a layer's experts, token copies go to them and back by all-to-all.

Routing is dealt out in turn, so that every expert has the same work and every rank knows what comes to it; the router's scores
weigh the results. (A router of its own mind would first exchange how many copies come, one number for each expert.)
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import nn
from torch.distributed._functional_collectives import all_to_all_single_autograd

from bursar.measure.distributed.holding import local

STACKED = {"gate_up_proj", "down_proj"}  # parameters of experts, (experts, made, read)


def of_layer(layer: nn.Module) -> list[Any]:
    """The mixtures of a layer: modules that hold all experts, each matrix in one parameter."""
    return [module for module in layer.modules() if dict(module.named_parameters(recurse=False)).keys() == STACKED]


def spread(chunk: Any, mesh: Any) -> None:
    """Every mixture of a chunk, in place, over the ranks of a mesh; parameters are still without memory."""
    for layer in chunk.layers:
        for mixture in of_layer(layer):
            for name, parameter in list(mixture.named_parameters(recurse=False)):
                setattr(mixture, name, nn.Parameter(parameter[: len(parameter) // mesh.size()].detach().clone()))
            mixture.group = mesh.get_group()
            mixture.forward = MethodType(_forward, mixture)


def _forward(mixture: Any, hidden: torch.Tensor, chosen: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Tokens (n, h), chosen experts and their scores (n, k) → (n, h)."""
    tokens, picks = chosen.shape
    ranks, copies = mixture.group.size(), tokens * picks
    dealt = torch.arange(copies, device=hidden.device) % mixture.num_experts
    order = torch.argsort(dealt, stable=True)
    even = [copies // ranks] * ranks
    arrived = all_to_all_single_autograd(hidden[order // picks], even, even, mixture.group)
    results = all_to_all_single_autograd(_experts(mixture, arrived, ranks), even, even, mixture.group)
    returned = torch.zeros_like(results).index_copy(0, order, results)
    return (returned.view(tokens, picks, -1) * scores[..., None].to(returned.dtype)).sum(1)


def _experts(mixture: Any, arrived: torch.Tensor, ranks: int) -> torch.Tensor:
    """The experts of a rank on what arrived: from every rank, in the order of its experts, the same number for each."""
    held = mixture.num_experts // ranks
    mine = arrived.view(ranks, held, -1, arrived.shape[-1]).transpose(0, 1).reshape(held, -1, arrived.shape[-1])
    gate, up = torch.bmm(mine, mixture.gate_up_proj.transpose(1, 2)).chunk(2, dim=-1)
    made = torch.bmm(mixture.act_fn(gate) * up, mixture.down_proj.transpose(1, 2))
    return made.view(held, ranks, -1, arrived.shape[-1]).transpose(0, 1).reshape(arrived.shape)


def average(chunk: Any, batches: int, ranks: int) -> None:
    """Gradients of experts come from the tokens of `ranks` ranks, `batches` of which share a batch: divided by how many batches
    these are, as gradients of weights that every rank has are."""
    for layer in chunk.layers:
        for mixture in of_layer(layer):
            for parameter in mixture.parameters():
                local(parameter.grad).mul_(batches).div_(ranks)
