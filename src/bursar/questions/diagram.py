"""A layer as a graph: its operators, the tensors that they read, and what of each is kept for the backward pass, in bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bursar import recompute
from bursar.dims import Dim
from bursar.ops.collective import Collective
from bursar.precision import size
from bursar.training import Training
from bursar.tree import Block, Input, Nested


class Tensor(NamedTuple):
    """A tensor that is kept, and its bytes."""

    tensor: str
    bytes: Dim


class Node(NamedTuple):
    """An operator: the wire that it makes, its name, the wires that it reads, and what is kept of its result and beside it."""

    name: str
    op: str
    reads: tuple[str, ...]
    kept: tuple[Tensor, ...]


def layers(training: Training) -> dict[str, tuple[Node, ...]]:
    """Kind of layer → tables of all layers, then its operators in order, nested blocks (experts) before their line."""
    found: dict[str, tuple[Node, ...]] = {}
    for _, _, block in training.stages[0].layers:
        if block.kind not in found:
            kept, tables = _kept(training, block)
            found[block.kind] = (*tables, *_nodes(block, "", kept))
    return found


def _kept(training: Training, block: Block) -> tuple[dict[str, Dim], tuple[Node, ...]]:
    """Path → bytes of what autograd keeps of a layer, and apart from it the tables that all layers share."""
    plan = training.plan
    kept: dict[str, Dim] = {}
    tables: list[Node] = []
    for item in recompute.kept(block, training.step, training.kernels.keeps, plan.mode):
        held = size(item.elements, plan.recipe.rate[item.kind])
        if item.shared:
            tables.append(Node(item.path, "", (), (Tensor(item.path, held),)))
        else:
            kept[item.path] = held
    return kept, tuple(tables)


def _nodes(block: Block, prefix: str, kept: dict[str, Dim], given: str | None = None) -> Iterator[Node]:
    """Its operators; what a nested block is `given` and a collective of one rank do nothing, so that their readers read through."""
    through: dict[str, str] = {}
    for name, op in block.lines.items():
        path = prefix + name
        reads = tuple([through.get(prefix + read, prefix + read) for read in op.reads])
        inner = list(op.block.lines) if isinstance(op, Nested) else []
        own = [(item[len(path) :].lstrip(".") or path, value) for item, value in kept.items() if _belongs(item, path, inner)]
        if isinstance(op, Input) and given:
            through[path] = given
        elif isinstance(op, Collective) and op.ways == 1 and not own:
            through[path] = reads[0]
        else:
            if isinstance(op, Nested):
                nested = list(_nodes(op.block, f"{path}.", kept, reads[0]))
                yield from nested
                reads = (*reads, nested[-1].name)
            yield Node(path, type(op).__name__, reads, tuple([Tensor(*item) for item in own]))


def _belongs(item: str, path: str, inner: list[str]) -> bool:
    """Whether a kept tensor is a line's result or stands beside it, and not that of a line nested in it."""
    return item == path or (item.startswith(f"{path}.") and item[len(path) + 1 :].split(".")[0] not in inner)
