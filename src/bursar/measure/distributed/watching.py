"""Collectives of a step as PyTorch calls them: a mode that sees every operator and writes down those that communicate.

Bytes are those of the tensor that a collective joins: the gathered or reduced whole, what a rank hands to an all-to-all, or a
message that it sends; what it receives is a message of its neighbour. That is the ledger's own rule (`sent`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch.distributed.tensor import DTensor
from torch.utils._python_dispatch import TorchDispatchMode

# of an operator: the collective, and which of its arguments or results is the tensor that is joined
JOINED: Mapping[str, tuple[str, int | str]] = {
    "_c10d_functional.all_reduce": ("all_reduce", 0),
    "_c10d_functional.all_reduce_": ("all_reduce", 0),
    "_c10d_functional.all_gather_into_tensor": ("all_gather", "result"),
    "_c10d_functional.reduce_scatter_tensor": ("reduce_scatter", 0),
    "_c10d_functional.all_to_all_single": ("all_to_all", 0),
    "_c10d_functional.broadcast": ("broadcast", 0),
    "c10d.allreduce_": ("all_reduce", 0),
    "c10d._allgather_base_": ("all_gather", 0),
    "c10d._reduce_scatter_base_": ("reduce_scatter", 1),
    "c10d.alltoall_base_": ("all_to_all", 1),
    "c10d.broadcast_": ("broadcast", 0),
    "c10d.send": ("send", 0),
}
SILENT = ("c10d.recv_", "c10d.barrier", "_c10d_functional.wait_tensor", "_c10d_functional._wrap_tensor_autograd")
SPACES = ("c10d", "_c10d_functional", "_c10d_functional_autograd", "_dtensor")


class Call(NamedTuple):
    """A collective: the name of its group, what it is, its bytes."""

    group: str
    collective: str
    bytes: int


class Watch(TorchDispatchMode):
    """Inside, every collective is written down in `calls`; one that is not known, in `unknown`."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.unknown: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(issubclass(kind, DTensor) for kind in types):
            return NotImplemented  # it turns into local tensors and collectives first
        result = func(*args, **(kwargs or {}))
        if getattr(func, "namespace", "") in SPACES:
            self._seen(str(func).rpartition(".")[0], args, result)
        return result

    def _seen(self, name: str, args: Any, result: Any) -> None:
        if name in SILENT:
            return
        if name not in JOINED:
            self.unknown.append(name)
            return
        collective, place = JOINED[name]
        tensors = _tensors(result if place == "result" else args[place])
        size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        self.calls.append(Call(_group(args), collective, size))


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    else:
        for part in value:
            yield from _tensors(part)


def _group(args: Any) -> str:
    """The name of the group among the arguments: text, or a process group in its box."""
    for value in reversed(args):
        if isinstance(value, str) and value not in ("sum", "avg", "max", "min"):
            return value
        if isinstance(value, torch.ScriptObject) and "ProcessGroup" in str(value._type()):
            return str(torch.distributed.ProcessGroup.unbox(value).group_name)
    return ""
