"""What autograd keeps for the backward pass: the storages that the graph of an output holds, each once.

A graph that no output leads to (a router's choice among experts) is freed with the forward pass, so the graph is asked, node by
node, and not which tensors were ever saved. What a checkpoint keeps to itself is its own affair: asking for it would run it.
An operator that writes into a view has its node inside the one of its base (CopySlices), which alone is in the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple
from weakref import WeakSet

import torch

WRAPPED = "torch::autograd::CopySlices"  # its own number follows that of the node inside


class Saved(NamedTuple):
    """A storage that autograd keeps: the innermost module that ran, the operator that made it ("" for what came from outside), the
    dtype and shape of the tensor that was saved first, and the bytes of the whole storage."""

    module: str
    operator: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int


class Held:
    """A saved tensor, apart from the graph that made it."""

    def __init__(self, tensor: Any, module: str, operator: str) -> None:
        self.tensor, self.module, self.operator = tensor.detach(), module, operator

    def entries(self) -> Iterator[tuple[int, Saved]]:
        """Its storages by address."""
        for part in dense(self.tensor):
            shape = tuple(int(length) for length in part.shape)
            storage = part.untyped_storage()
            dtype = str(part.dtype).removeprefix("torch.")
            yield storage._cdata, Saved(self.module, self.operator, dtype, shape, int(storage.nbytes()))


def dense(tensor: Any) -> tuple[Any, ...]:
    """The tensors with a storage that a tensor is made of: itself, or the indices and values of a sparse one."""
    if tensor.layout == torch.strided:
        return (tensor,)
    if tensor.layout == torch.sparse_coo:
        return tensor._indices(), tensor._values()
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return tensor.crow_indices(), tensor.col_indices(), tensor.values()
    if tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        return tensor.ccol_indices(), tensor.row_indices(), tensor.values()
    return (tensor.values(), tensor.offsets()) if tensor.layout == torch.jagged else ()


class SavedTensors:
    """Watches a forward pass; `whose` says which module runs and which operator made the storage at an address."""

    def __init__(self, module: torch.nn.Module, whose: Callable[[int], tuple[str, str]]) -> None:
        own = (*module.parameters(), *module.buffers())
        self.own = {part.untyped_storage()._cdata for tensor in own for part in dense(tensor)}
        self.whose = whose
        self.packed: dict[int, WeakSet[Held]] = {}  # by the number of the node whose tensors come by here
        self.asked: dict[Held, None] | None = None  # while the graph is asked
        self.hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, self._unpack)

    def _pack(self, tensor: Any) -> Held:
        parts = dense(tensor)
        held = Held(tensor, *self.whose(parts[-1].untyped_storage()._cdata if parts else 0))
        self.packed.setdefault(torch.autograd._get_sequence_nr() - 1, WeakSet()).add(held)
        return held

    def _unpack(self, held: Held) -> Any:
        if self.asked is not None:
            self.asked[held] = None
        return held.tensor

    def held_by(self, outputs: Iterable[Any]) -> dict[int, Saved]:
        """The storages that the graphs of outputs hold, by address, those of parameters and buffers left out, in order of their
        making."""
        asked: dict[Held, None] = {}
        self.asked = asked
        for node in sorted(_nodes(outputs), key=lambda node: int(node._sequence_nr())):
            if node.name() == WRAPPED:
                asked.update(dict.fromkeys(self.packed.get(node._sequence_nr() - 1, ())))
            elif node._sequence_nr() in self.packed:
                kind: Any = type(node)
                for name in _fields(kind):
                    getattr(node, name)  # unpacks it
        self.asked = None  # so that the backward pass lets go of them
        found: dict[int, Saved] = {}
        for held in asked:
            for address, entry in held.entries():
                if address not in self.own:
                    found.setdefault(address, entry)
        return found


@cache
def _fields(kind: Any) -> tuple[str, ...]:
    return tuple(name for name in dir(kind) if name == "saved_tensors" or name.startswith("_saved_"))


def _nodes(outputs: Iterable[Any]) -> Iterator[Any]:
    """The nodes of the graphs that outputs lead to."""
    found = list(dict.fromkeys(tensor.grad_fn for tensor in outputs if tensor.grad_fn is not None))
    seen = set(found)
    for node in found:  # which grows as it is walked
        yield node
        following = [after for after, _ in node.next_functions if after is not None and after not in seen]
        seen.update(following)
        found += dict.fromkeys(following)
