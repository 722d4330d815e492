"""The bytes of everything that a block may hold: its wiring (`wiring.py`) with the sizes of what may be there.

What an implementation holds for the length of its own pass is its `peak`, what its backward pass needs is what it keeps
(`kernels/`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from bursar import recompute
from bursar.dims import Dim, at_most
from bursar.kernels import Kernels
from bursar.kernels.casts import WEIGHT_CAST, weight_cast
from bursar.memory.wiring import FILLS, HANDS_ON, JOINS, MAKES, OVERWRITES, Node, Wiring
from bursar.ops.collective import AllToAll, Copy, Gather, Reduce
from bursar.ops.context import ContextCollective
from bursar.ops.elementwise import Activation, Add, Bias, Dropout, Gated, RMSNorm, Rotary, Slice
from bursar.ops.linear import Head, Linear
from bursar.precision import size
from bursar.step import Step
from bursar.tree import Block, Extra, Input, Nested, Op

# operators that make a tensor as large as each that they read
ALIKE = (Add, Gated, Activation, Rotary, Dropout, Bias, RMSNorm, Copy, Reduce, AllToAll)


class Part:
    """Something that may be there: the part of memory that it counts as, and its bytes, which are worked out once they are asked
    for."""

    __slots__ = ("_bytes", "_elements", "_rate", "part")

    def __init__(self, part: str, elements: Callable[[], Dim] | Dim, rate: Dim) -> None:
        self.part, self._elements, self._rate = part, elements, rate
        self._bytes: Dim = None

    @property
    def bytes(self) -> Dim:
        if self._bytes is None:
            self._bytes = size(self._elements() if callable(self._elements) else self._elements, self._rate)
        return self._bytes

    def forget(self) -> None:
        """Drops the bytes, which come again when they are asked for."""
        self._bytes = None


class Sized(NamedTuple):
    """A block's wiring with the bytes of everything that may be there, of the tables of all layers, and of
    what the caller has until the backward pass is over."""

    wiring: Wiring
    parts: Mapping[str, Part]
    tables: dict[str, Dim]
    shown: Dim


class Wired(NamedTuple):
    """The same before recomputation: what its lines keep, whatever stays of it, with the storage of every wire, and what autocast
    leaves until the forward pass of all blocks is over."""

    nodes: tuple[Node, ...]
    storage: Mapping[str, str]
    parts: Mapping[str, Part]
    tables: dict[str, Dim]
    shown: Dim
    differentiable: frozenset[str]
    gathers: frozenset[str]
    growing: bool
    lasting: frozenset[str]


class Line(NamedTuple):
    """A line where it stands, in order of execution, with the block that it belongs to."""

    path: str
    op: Op
    step: Step
    reads: tuple[str, ...]
    home: Block
    prefix: str
    instances: Dim


def flat(block: Block, step: Step, prefix: str = "", entered: str | None = None, instances: Dim = 1) -> Iterator[Line]:
    """The lines of a block in order; a nested block runs before the line that holds it, on copies of what that line reads."""
    step = block.sees(step)
    for name, op in block.lines.items():
        reads = tuple([prefix + read for read in op.reads])
        if isinstance(op, Nested):
            inside = list(flat(op.block, op.inner(step), f"{prefix}{name}.", reads[0], instances * op.instances))
            yield from inside
            reads = (*reads[1:], inside[-1].path)  # its gradient goes through the copies
        elif isinstance(op, Input) and entered is not None:
            reads = (entered,)
        yield Line(prefix + name, op, step, reads, block, prefix, instances)


def _passing(op: Op) -> Callable[[Step], Dim] | None:
    """Counts the elements of other ranks that a line brings for as long as they are read, and once more for the backward pass."""
    if isinstance(op, ContextCollective):
        return op.buffers
    return op.payload if isinstance(op, Gather) else None


def _arriving(op: Op, step: Step) -> Dim | None:
    """Elements that an all-to-all receives beside those that it sends; none at one rank, where it is no operator at all."""
    return op.made(step) * at_most(op.ways - 1, 1) if isinstance(op, AllToAll) else None


def _into(line: Line) -> tuple[str, ...]:
    """The wires that it passes a gradient to: none where nothing before them is trained."""
    stopped = {line.prefix + getattr(line.op, wire) for wire in line.op.without}
    return tuple([read for read in line.reads if read not in stopped])


def _way(op: Op, overwrites: bool) -> str:
    if overwrites:
        return OVERWRITES
    if isinstance(op, Add):
        return JOINS
    if isinstance(op, Slice):
        return FILLS
    passes_on = isinstance(op, (Copy, Reduce, AllToAll, ContextCollective)) or (isinstance(op, Dropout) and not op.p)
    return HANDS_ON if passes_on else MAKES


def _alike(op: Op, reads: tuple[str, ...], made_as: Mapping[str, str]) -> tuple[str, ...]:
    """What it reads that has as many bytes as what it makes."""
    return tuple([read for read in reads if made_as[read] == op.makes]) if isinstance(op, ALIKE) else ()


def _part(kind: str, path: str) -> str:
    return "logits" if kind in ("logits", "fp32") or path.startswith("loss.") else "activations"


def sized(block: Block, step: Step, rate: Mapping[str, Dim], kernels: Kernels, mode: str, gradients: str) -> Sized:
    """The wiring of a block under a recompute mode and the bytes of its parts, by bytes per element of every kind."""
    return recomputed(wired(block, step, rate, kernels, gradients), block, step, kernels, mode)


def recomputed(found: Wired, block: Block, step: Step, kernels: Kernels, mode: str) -> Sized:
    """What is wired, under a recompute mode: what runs again of it, and what stays."""
    nodes = found.nodes
    if mode == "none":
        stays = frozenset([name for node in nodes for name in node.keeps])
    else:
        again = [recompute.runs_again(line.op, mode) for line in flat(block, step)]
        nodes = tuple([node._replace(again=runs) if runs else node for node, runs in zip(nodes, again, strict=True)])
        kept = [item.path for item in recompute.kept(block, step, kernels.keeps, mode) if not item.shared]
        stays = frozenset([found.storage.get(path, path) for path in kept])
    wiring = Wiring(nodes, stays, found.differentiable, found.gathers, found.growing, found.lasting - stays)
    return Sized(wiring, found.parts, found.tables, found.shown)


def wired(block: Block, step: Step, rate: Mapping[str, Dim], kernels: Kernels, gradients: str) -> Wired:
    """The lines of a block and the bytes of its parts.

    `gradients` says where those of weights go: "allocated" into buffers that are there, "growing" into tensors that stay,
    "added" into tensors that are added to those of earlier micro-batches.
    """
    nodes: list[Node] = []
    parts: dict[str, Part] = {}
    storage: dict[str, str] = {}
    differentiable: set[str] = set()
    gathers: set[str] = set()
    tables: dict[str, Dim] = {}
    shown: Dim = 0
    made_as: dict[str, str] = {}  # kinds of the tensors
    lasting: set[str] = set()  # what autocast leaves until the forward pass of all blocks is over
    for line in flat(block, step):
        path, op, at = line.path, line.op, line.step
        kernel = kernels.of(op)
        part = _part(op.makes, path)
        made_as[path] = op.makes
        alias = line.reads[0] if isinstance(op, (Reduce, AllToAll)) else None if op.alias is None else line.prefix + op.alias
        passing = _passing(op)
        whole = passing is not None
        storage[path] = path if alias is None or whole else storage[alias]
        made = partial(op.payload if isinstance(op, Gather) else partial(kernel.result, op) if kernel.result else op.made, at)
        if passing is not None:
            gathers.add(path)
            parts[path] = Part("communication", partial(passing, at), rate[op.makes])
        elif storage[path] == path:
            parts[path] = Part(part, made, rate[op.makes])
        if op.makes != "index" and not (isinstance(op, Input) and op.source):
            differentiable.add(path)
            gradient = Part("logits" if part == "logits" else "temporary", made, rate[op.makes])
            parts |= dict.fromkeys(
                (f"∂{path}", f"∂{path}+", f"∂{path}+="), gradient
            )  # those of two readers, and a third for the sum
        if kernel.shows_logits:
            shown = shown + parts[storage[line.reads[0]]].bytes
        keeps = tuple([storage.get(name, name) for name in _kept(line, kernels, rate, parts, tables)])
        lasting |= _lasting(line, storage, parts, rate)
        forward, backward = kernel.peak(op, at) if kernel.peak else ((), ())
        arriving = _arriving(op, at)
        for name, items in ((f"{path} forward", forward), (f"{path} backward", backward)):
            if items:
                held = sum([size(item.elements, rate[item.kind]) for item in items])
                parts[name] = Part("logits" if op.slot == "loss" or part == "logits" else "temporary", held, 1)
            if arriving is not None:
                parts[name] = Part("communication", arriving, rate[op.makes])
        weights = gradients != "allocated" and op.trainable and not kernel.overwrites and bool(op.shapes())
        if weights:
            parts[f"∂{path} weights"] = Part("gradients", line.instances * op.weights(), rate["gradient"])
        nodes.append(
            Node(
                path, line.reads, _into(line), storage[path], _way(op, kernel.overwrites), keeps, False,
                bool(forward) or arriving is not None, bool(backward) or arriving is not None, weights, isinstance(op, Linear),
                _alike(op, line.reads, made_as) if not kernel.result else (),
            )
        )  # fmt: skip
    sets = frozenset(differentiable), frozenset(gathers), gradients == "growing", frozenset(lasting)
    return Wired(tuple(nodes), storage, parts, tables, shown, *sets)


def _lasting(line: Line, storage: Mapping[str, str], parts: dict[str, Part], rate: Mapping[str, Dim]) -> set[str]:
    """What is there until the forward pass of all blocks is over because of a line under autocast: the cached copy of its weight,
    whether its backward pass needs that or not, and the FP32 tensor that a model casts for its output layer and holds itself."""
    op, cast = line.op, line.op.cast
    if cast is None:
        return set()
    held = {storage[line.reads[0]]} if isinstance(op, Head) and cast.reads else set()
    if not cast.cached:
        return held
    name = f"{line.path}.{WEIGHT_CAST}"
    parts.setdefault(name, Part("activations", weight_cast(op, line.step).elements, rate["activation"]))
    return {*held, name}


def _kept(line: Line, kernels: Kernels, rate: Mapping[str, Dim], parts: dict[str, Part], tables: dict[str, Dim]) -> tuple[str, ...]:
    """The names of what an operator's implementation keeps, with the bytes of extras; tables of all layers are apart."""
    names: list[str] = []
    for item in kernels.keeps(line.op, line.path.removeprefix(line.prefix), line.step):
        if isinstance(item, Extra):
            if item.shared:
                tables[item.name] = size(item.elements, rate[item.kind])
            else:
                found = line.home.extra(line.path.removeprefix(line.prefix), item, line.step)
                name = line.prefix + found.path
                parts[name] = Part(_part(item.kind, name), found.elements, rate[item.kind])
                names.append(name)
        else:
            wire = line.home.storage[item]
            maker = line.home.lines[wire]
            if isinstance(maker, Input) and maker.source:
                tables[line.prefix + wire] = size(maker.made(line.step), rate[maker.makes])
            else:
                names.append(line.prefix + wire)
    return tuple(names)
