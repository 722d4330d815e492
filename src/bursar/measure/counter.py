"""Watches the operators of a run below autograd: FLOPs by module, operator and pass, and the operators that nothing is known of."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bursar.measure.modules import Running
from bursar.measure.operators import without_products
from bursar.measure.products import Flops, flops_of, has_formula

FORWARD, BACKWARD, AGAIN = "forward", "backward", "again"
# questions about a tensor's layout, which its own class answers
_LAYOUT = frozenset({
    "sym_is_contiguous", "is_contiguous", "is_strides_like_format", "is_non_overlapping_and_dense", "size", "sym_size", "stride",
    "sym_stride", "storage_offset", "sym_storage_offset", "numel", "sym_numel", "dim", "layout",
})  # fmt: skip


class Operators(TorchDispatchMode):
    """FLOPs of what runs inside, by (module, operator, pass). What a checkpoint runs again, and what a kernel computes a second
    time, are in the pass `again`: executed, and no model FLOPs. `made` remembers which operator made a storage."""

    supports_higher_order_operators = True

    def __init__(self, running: Running) -> None:
        super().__init__()
        self.running = running
        self.flops: Counter[tuple[str, str, str]] = Counter()
        self.unknown: Counter[str] = Counter()
        self.made: dict[int, str] = {}
        self.last = ""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if isinstance(func, torch._ops.HigherOrderOperator):
            return self._higher_order(func, args, kwargs)
        if func._opname in _LAYOUT:
            return NotImplemented
        self.last = str(func)
        packet = func._overloadpacket
        if not without_products(func):
            if not has_formula(packet):
                with self:
                    decomposed = func.decompose(*args, **kwargs)
                if decomposed is not NotImplemented:
                    return decomposed
            out = func(*args, **kwargs)
            self._count(packet, args, kwargs, out)
        else:
            out = func(*args, **kwargs)
        self._remember(out, packet)
        return out

    def _higher_order(self, func: Any, args: Any, kwargs: Any) -> Any:
        """flex_attention has a formula; another operator of operators runs as it is and is named."""
        if not has_formula(func):
            self.unknown[str(func)] += 1
            return NotImplemented
        out = func(*args, **kwargs)
        self._count(func, args, kwargs, out)
        return out

    def _count(self, packet: Any, args: Any, kwargs: Any, out: Any) -> None:
        found = flops_of(packet, args, kwargs, out)
        if found is None:
            self.unknown[str(packet)] += 1
            return
        self._enter(packet, found)

    def _enter(self, packet: Any, found: Flops) -> None:
        backward = torch._C._current_graph_task_id() != -1
        again = backward and torch.is_grad_enabled()  # a checkpoint runs its forward pass again, with gradients on
        module = self.running.path
        self.flops[module, str(packet), AGAIN if again else BACKWARD if backward else FORWARD] += found.model
        if found.again:
            self.flops[module, str(packet), AGAIN] += found.again

    def _remember(self, out: Any, packet: Any) -> None:
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided:
                self.made.setdefault(tensor.untyped_storage()._cdata, str(packet))
