"""A decoder's chunk under PyTorch's tensor parallelism, cut where transformers' own plan of the family cuts it.

Column-cut and row-cut products, the embedding and the head cut by vocabulary. What enters a region enters once for all of its
readers; with `sequence` what is outside of regions works on its rank's share of the tokens, which lie along the last dimension but
one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MethodType
from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.nn.utils.parametrize import register_parametrization

from bursar.measure.distributed import experts
from bursar.measure.distributed.holding import local

COLUMN, ROW, SUMMED = "colwise", "rowwise", "replicated_with_grad_allreduce"


def plan_of(config: Any) -> dict[str, str]:
    """transformers' plan: the path of a module in a layer → how it is cut; of experts, which are spread, nothing."""
    whole: Mapping[str, str] = config.base_model_tp_plan
    return {path.removeprefix("layers.*."): how for path, how in whole.items() if "experts" not in path.split(".")}


class Own(nn.Module):
    """A rank's copy of a parameter that all ranks have; its gradient is that of the rank's own tokens or heads."""

    def forward(self, whole: DTensor) -> torch.Tensor:
        return whole.to_local(grad_placements=[Partial()])


class Entrance:
    """What enters a region becomes whole on every rank, once for all modules of a layer that read it."""

    def __init__(self, mesh: Any, sequence: bool) -> None:
        self.mesh, self.sequence = mesh, sequence
        self.read: Any = None
        self.entered: Any = None

    def __call__(self, module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if given:
            return (self._whole(given[0]), *given[1:]), named
        return given, {**named, "hidden_states": self._whole(named["hidden_states"])}

    def _whole(self, hidden: torch.Tensor) -> DTensor:
        if hidden is not self.read:
            outside = Shard(hidden.dim() - 2) if self.sequence else Replicate()
            self.read = hidden
            self.entered = DTensor.from_local(hidden, self.mesh, [outside], run_check=False).redistribute(placements=[Replicate()])
        found: DTensor = self.entered
        return found

    def left(self, *_: Any) -> None:
        """Lets go of what the layer has read."""
        self.read = self.entered = None


def cut(chunk: Any, mesh: Any, sequence: bool) -> None:
    """One rank's part of a chunk, in place."""
    plan = plan_of(chunk.model.config)
    chunk.spread = sequence
    outside = Shard(1) if sequence else Replicate()
    for layer in chunk.layers:
        cut_layer(layer, plan, mesh, sequence)
    for what, module in chunk.ends():
        if what == "embedding":
            parallelize_module(module, mesh, RowwiseParallel(input_layouts=Replicate(), output_layouts=outside))
            _scaled_afterwards(module)
        elif what == "head":
            parallelize_module(module, mesh, ColwiseParallel(input_layouts=outside, output_layouts=Shard(-1)))
        elif sequence:
            copied(module, mesh)


def cut_layer(layer: nn.Module, plan: Mapping[str, str], mesh: Any, sequence: bool) -> None:
    """One rank's part of a layer by the plan of its family, in place."""
    outside = Shard(1) if sequence else Replicate()
    entrance = Entrance(mesh, sequence)
    named = {path: how for path, how in plan.items() if _part(layer, path) is not None}
    for path in dict.fromkeys(path.rpartition(".")[0] for path, how in named.items() if how == COLUMN):
        layer.get_submodule(path).register_forward_pre_hook(entrance, with_kwargs=True)
    layer.register_forward_hook(entrance.left)
    styles = {COLUMN: ColwiseParallel(), ROW: RowwiseParallel(output_layouts=outside)}
    copies = list(_copied(layer, named, sequence))
    parallelize_module(layer, mesh, {path: styles[how] for path, how in named.items() if how in styles})
    for module in copies:
        copied(module, mesh)


def _scaled_afterwards(embedding: nn.Module) -> None:
    """Vectors that an embedding scales (Gemma's) are scaled once their parts have met: before, DTensor would sum whole ones."""
    if type(embedding) is not nn.Embedding:
        embedding.forward = MethodType(nn.Embedding.forward, embedding)
        embedding.register_forward_hook(lambda module, given, made: made * local(module.embed_scale))


def _part(layer: nn.Module, path: str) -> nn.Module | None:
    """A module of a layer, if it has it: of dense layers and mixtures each has some of the plan's."""
    try:
        return layer.get_submodule(path)
    except AttributeError:
        return None


def _copied(layer: nn.Module, named: Mapping[str, str], sequence: bool) -> Iterator[nn.Module]:
    """The modules whose weights every rank has, and of whose gradients each rank has a part."""
    routed = experts.of_layer(layer)
    for path, module in layer.named_modules():
        summed = named.get(path, SUMMED if sequence else None) == SUMMED
        if summed and module not in routed and any(True for _ in module.parameters(recurse=False)):
            yield module


def copied(module: nn.Module, mesh: Any) -> None:
    """Gradients of a module's parameters are sums over the ranks."""
    for name, parameter in list(module.named_parameters(recurse=False)):
        whole = DTensor.from_local(parameter.detach(), mesh, [Replicate()], run_check=False)
        setattr(module, name, nn.Parameter(whole))
        register_parametrization(module, name, Own(), unsafe=True)


def settle(chunk: Any) -> None:
    """Adds up gradients that each rank has a part of."""
    for parameter in chunk.parameters():
        gradient = parameter.grad
        if isinstance(gradient, DTensor) and any(isinstance(place, Partial) for place in gradient.placements):
            whole = [Replicate() if isinstance(place, Partial) else place for place in gradient.placements]
            parameter.grad = gradient.redistribute(placements=whole)
