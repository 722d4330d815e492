"""Watches the operators of a run below autograd: FLOPs by module, operator and pass, and the operators that nothing is known of."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import torch
from torch._ops import HigherOrderOperator
from torch.utils._python_dispatch import TorchDispatchMode

from bursar.measure.alive import Alive
from bursar.measure.flops import flops_of, has_formula
from bursar.measure.modules import Running
from bursar.measure.operators import without_products

FORWARD, BACKWARD, AGAIN = "forward", "backward", "again"
# questions about a tensor's layout, which its own class answers
_LAYOUT = frozenset({
    "sym_is_contiguous", "is_contiguous", "is_strides_like_format", "is_non_overlapping_and_dense", "size", "sym_size", "stride",
    "sym_stride", "storage_offset", "sym_storage_offset", "numel", "sym_numel", "dim", "layout",
})  # fmt: skip


class _Kind(NamedTuple):
    """What is known of an operator: its packet and its name; whether it asks for a layout, hides others, may multiply matrices, or
    only views."""

    packet: Any
    name: str
    layout: bool
    composite: bool
    counted: bool
    view: bool


class Operators(TorchDispatchMode):
    """FLOPs of what runs inside, by (module, operator, pass). What a checkpoint runs again, and what a kernel computes a second
    time, are in the pass `again`: executed, and no model FLOPs. `alive` has every storage that is made."""

    supports_higher_order_operators = True

    def __init__(self, running: Running, alive: Alive) -> None:
        super().__init__()
        self.running, self.alive = running, alive
        self.flops: Counter[tuple[str, str, str]] = Counter()
        self.unknown: Counter[str] = Counter()
        self.kinds: dict[Any, _Kind] = {}
        self.last: Any = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        self.last = func
        if isinstance(func, HigherOrderOperator):
            return self._higher_order(func, args, kwargs)
        kind = self.kinds.get(func) or self._kind(func)
        if kind.layout:
            return NotImplemented
        if kind.composite:
            with self:
                decomposed = func.decompose(*args, **kwargs)
            if decomposed is not NotImplemented:
                return decomposed
        out = func(*args, **kwargs)
        if kind.counted:
            self._count(kind.packet, kind.name, args, kwargs, out)
        if not kind.view:
            self._remember(out, kind.name)
        return out

    def _kind(self, func: Any) -> _Kind:
        packet = func._overloadpacket
        counted = not without_products(func)
        found = _Kind(packet, str(packet), func._opname in _LAYOUT, counted and not has_formula(packet), counted, func.is_view)
        self.kinds[func] = found
        return found

    def _higher_order(self, func: Any, args: Any, kwargs: Any) -> Any:
        """An operator of operators that is not opened (`opened`): by its formula, else it is named."""
        out = func(*args, **kwargs)
        self._count(func, str(func), args, kwargs, out)
        self._remember(out, str(func))
        return out

    def _count(self, packet: Any, name: str, args: Any, kwargs: Any, out: Any) -> None:
        found = flops_of(packet, args, kwargs, out)
        if found is None:
            self.unknown[name] += 1
            return
        backward = torch._C._current_graph_task_id() != -1
        again = backward and torch.is_grad_enabled()  # a checkpoint runs its forward pass again, with gradients on
        module = self.running.path
        self.flops[module, name, AGAIN if again else BACKWARD if backward else FORWARD] += found.model
        if found.again:
            self.flops[module, name, AGAIN] += found.again

    def _remember(self, out: Any, name: str) -> None:
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided:
                self.alive.enter(tensor, self.running.path, name)
