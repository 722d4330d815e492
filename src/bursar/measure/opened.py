"""What PyTorch does behind one operator, or will not do without its own kernel, is opened while a trace runs.

An encoder layer of torch.nn may run as one operator that keeps and counts nothing. flex_attention compiles itself, which nothing
can watch, and refuses devices for which it has no kernel to compute with; a trace watches what it asks for, and needs no kernel.
Loops and branches of torch.cond, scan, map and while_loop run step by step, as they would in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch._higher_order_ops.associative_scan import AssociativeScanOp, generic_associative_scan
from torch._higher_order_ops.cond import CondOp
from torch._higher_order_ops.map import MapImpl
from torch._higher_order_ops.scan import ScanOp
from torch._higher_order_ops.while_loop import WhileLoopOp
from torch.nn.attention import flex_attention

Run = Callable[..., Any]


def _scan(op: Any, combine: Run, init: Sequence[Any], xs: Sequence[Any], additional_inputs: Sequence[Any]) -> tuple[Any, ...]:
    """The last carry, and what every step made, stacked."""
    carry, made = list(init), []
    for row in zip(*[x.unbind(0) for x in xs], strict=True):
        found = list(combine(*carry, *row, *additional_inputs))
        carry, out = found[: len(init)], found[len(init) :]
        made.append(out)
    return (*carry, *[None if parts[0] is None else torch.stack(parts) for parts in zip(*made, strict=True)])


def _cond(op: Any, chosen: Any, yes: Run, no: Run, operands: Sequence[Any]) -> Any:
    return (yes if chosen else no)(*operands)


def _map(op: Any, function: Run, xs: Sequence[Any], beside: Sequence[Any]) -> list[Any]:
    made = [function(*row, *beside) for row in zip(*[x.unbind(0) for x in xs], strict=True)]
    return [torch.stack(parts) for parts in zip(*made, strict=True)]


def _while(op: Any, goes_on: Run, body: Run, carried: Sequence[Any], beside: Sequence[Any]) -> tuple[Any, ...]:
    state = tuple(carried)
    while goes_on(*state, *beside):
        state = tuple(body(*state, *beside))
    return state


def _associative(op: Any, combine: Run, xs: Sequence[Any], additional_inputs: Sequence[Any]) -> Any:
    return generic_associative_scan(combine, xs, additional_inputs=additional_inputs)


OPENED: tuple[tuple[type, Run], ...] = (
    (ScanOp, _scan), (CondOp, _cond), (MapImpl, _map), (WhileLoopOp, _while), (AssociativeScanOp, _associative),
)  # fmt: skip


@contextmanager
def opened() -> Iterator[None]:
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with ExitStack() as patches:
            patches.enter_context(patch.object(flex_attention, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True))
            patches.enter_context(patch.object(flex_attention, "_validate_device", lambda *tensors: None))
            for kind, run in OPENED:
                patches.enter_context(patch.object(kind, "__call__", run))
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
