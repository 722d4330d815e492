"""Every storage of a run by what it is for, from operator to operator: a mode below autograd sees each as it is made, and a weak
reference says when it is gone.

parameters  of the module, with its buffers          optimizer_state  what the optimizer holds between steps
inputs      tensors that the step is given           gradients        of parameters, once they have arrived there
activations what autograd keeps for the backward pass, from when it does      temporary  everything else
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple
from weakref import ref

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bursar.measure.flops import flops_of
from bursar.measure.modules import Running
from bursar.measure.snapshot import blocks
from bursar.measure.timing import wait

CATEGORIES = ("parameters", "optimizer_state", "gradients", "activations", "inputs", "temporary")


class Row(NamedTuple):
    """After an operator: its name, the innermost module, the pass, when it began and how long it took in seconds, its FLOPs, the
    bytes of the tensors that it read and made (0 for a view), and the bytes of every category."""

    operator: str
    module: str
    phase: str
    began: float
    seconds: float
    flops: int
    moved: int
    bytes: tuple[int, ...]


class Storages(TorchDispatchMode):
    """Tracks what runs inside. `phase` is what a caller says runs outside of a backward pass. On a GPU every operator is waited
    for, and `counts` are the blocks that its allocator had handed out before the first and after each."""

    def __init__(self, running: Running, device: torch.device) -> None:
        super().__init__()
        self.running, self.device, self.phase = running, device, "forward"
        self.counts: list[int] = [blocks(device)] if device.type == "cuda" else []
        self.rows: list[Row] = []
        self.sums: Counter[str] = Counter()
        self.known: dict[int, tuple[str, int]] = {}  # storage → category, bytes
        self.watches: dict[int, Any] = {}
        self.keeping = torch.autograd.graph.saved_tensors_hooks(self._pack, lambda tensor: tensor)

    def hold(self, category: str, tensors: Iterable[Any]) -> None:
        """Tensors are of a category from here on; what stands already keeps its own."""
        for tensor in tensors:
            storage = tensor.untyped_storage()
            key, size = storage._cdata, int(storage.nbytes())
            if key in self.known:
                if self.known[key][0] in ("temporary", "activations"):
                    self._count(key, category, self.known[key][1])
            else:
                self.watches[key] = ref(storage, partial(self._gone, key))
                self._count(key, category, size)

    def grown(self, parameter: torch.Tensor) -> None:
        """A gradient has arrived: a hook of torch.Tensor.register_post_accumulate_grad_hook."""
        if parameter.grad is not None:
            self.hold("gradients", [parameter.grad])

    def _pack(self, tensor: torch.Tensor) -> torch.Tensor:
        self.hold("activations", [tensor])
        return tensor.detach()

    def _count(self, key: int, category: str, size: int) -> None:
        if key in self.known:
            self.sums[self.known[key][0]] -= self.known[key][1]
        self.known[key] = category, size
        self.sums[category] += size

    def _gone(self, key: int, _: Any) -> None:
        category, size = self.known.pop(key)
        self.watches.pop(key)
        self.sums[category] -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        began = time.perf_counter()
        out = func(*args, **(kwargs or {}))
        wait(self.device)
        took = time.perf_counter() - began
        if self.counts:
            self.counts.append(blocks(self.device))
        made = _tensors(out)
        moved = 0 if func.is_view else sum(_size(tensor) for tensor in (*_tensors((args, kwargs)), *made))
        self.hold_new(made)
        found = flops_of(func._overloadpacket, args, kwargs or {}, out)
        phase = "backward" if torch._C._current_graph_task_id() != -1 else self.phase
        sums = tuple(self.sums[name] for name in CATEGORIES)
        self.rows.append(Row(str(func), self.running.path, phase, began, took, found.model if found else 0, moved, sums))
        return out

    def hold_new(self, tensors: Iterable[Any]) -> None:
        """Storages that were not there before are temporary until something holds them."""
        self.hold("temporary", [tensor for tensor in tensors if tensor.untyped_storage()._cdata not in self.known])


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor) and leaf.layout == torch.strided]


def _size(tensor: torch.Tensor) -> int:
    return int(tensor.numel() * tensor.element_size())
