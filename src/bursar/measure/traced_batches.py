"""FLOPs of the batches of any module: each shape is traced once, on a copy without weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch.utils._pytree import tree_flatten, tree_map_only

from bursar.measure.lengths import Batch, Flops
from bursar.measure.tracing import trace


class Traced:
    """Counts batches of a module: a mapping is its keyword arguments, a tuple its arguments. The first tensor has the samples."""

    def __init__(self, module: torch.nn.Module) -> None:
        without_weights = {id(tensor): _on_meta(tensor) for tensor in (*module.parameters(), *module.buffers())}
        self.module = copy.deepcopy(module, without_weights).train()
        self.known: dict[Any, Flops] = {}

    def batch(self, given: Any) -> Batch:
        first = next(leaf for leaf in tree_flatten(given)[0] if isinstance(leaf, torch.Tensor))
        return Batch((1,) * int(first.shape[0]), ((int(first.shape[0]), 1),))

    def of(self, given: Any) -> Flops:
        """Raises TraceError where the module cannot be traced without values."""
        shapes = _shapes(given)
        if shapes not in self.known:
            args, kwargs = _arguments(tree_map_only(torch.Tensor, _on_meta, given))
            found = trace(self.module, *args, strict=True, **kwargs)
            model = found.forward + found.backward
            self.known[shapes] = Flops(model, model, found.again)
        return self.known[shapes]


def _on_meta(tensor: torch.Tensor) -> torch.Tensor:
    made = torch.empty_like(tensor, device="meta")
    return torch.nn.Parameter(made, tensor.requires_grad) if isinstance(tensor, torch.nn.Parameter) else made


def _shapes(given: Any) -> Any:
    leaves, tree = tree_flatten(given)
    return tuple((tuple(leaf.shape), leaf.dtype) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves), tree


def _arguments(given: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(given, Mapping):
        return (), dict(given)
    return (tuple(given) if isinstance(given, (tuple, list)) else (given,)), {}
