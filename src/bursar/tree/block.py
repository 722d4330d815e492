"""A block: operators wired to each other, what it holds of them, and blocks inside of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple, TypeAlias

from bursar.dims import Dim
from bursar.errors import BursarError
from bursar.step import Step
from bursar.tree.op import Input, Op


class Extra(NamedTuple):
    """What an implementation keeps beside wires: a mask, statistics, the softmax. A `shared` table is one for all layers. A copy
    `of` a wire has the elements of that tensor, and is one for all operators that keep it."""

    name: str
    kind: str
    elements: Dim
    shared: bool = False
    of: str | None = None


class Kept(NamedTuple):
    """A tensor held for the backward pass: path, kind and elements, for one micro-batch on one rank."""

    path: str
    kind: str
    elements: Dim
    shared: bool = False


class Line(NamedTuple):
    """An operator where it stands: its path, the step that it sees, how many instances of its weights there are, and whether
    it is inside a nested block (an expert)."""

    path: str
    op: Op
    step: Step
    instances: Dim = 1
    nested: bool = False

    @property
    def weights(self) -> Dim:
        return self.instances * self.op.weights()


class Weight(NamedTuple):
    """A parameter that is not trained: its shape, the format that it is stored in (None: that of the trained ones), how many of it
    there are, and whether it is inside a nested block."""

    shape: tuple[Dim, ...]
    stored: str | None = None
    count: Dim = 1
    nested: bool = False


Keeps: TypeAlias = Callable[[Op, str, Step], tuple[str | Extra, ...]]


Sees: TypeAlias = Callable[[Step], Step]


def _as_it_is(step: Step) -> Step:
    return step


@dataclass(frozen=True, eq=False)
class Block:
    """Operators by the name of the wire they make, in order of execution.

    `sees` turns the model's step into the block's own: a vision tower sees patches, an encoder its source.
    """

    lines: Mapping[str, Op]
    kind: str = "layer"
    sees: Sees = _as_it_is

    @cached_property
    def storage(self) -> dict[str, str]:
        """Wire → the wire whose storage it is a view of (itself, if it is none)."""
        found: dict[str, str] = {}
        for name, op in self.lines.items():
            if missing := [read for read in op.reads if read not in found]:
                raise BursarError(f"{name} reads {missing[0]!r}, which no line before it makes", where=f"block {self.kind}")
            alias = op.alias
            found[name] = name if alias is None else found[alias]
        return found

    @cached_property
    def parameters(self) -> tuple[Dim, Dim]:
        """Elements of its weights: outside and inside nested blocks."""
        own = sum([op.weights() for op in self.lines.values()])
        nests = [op for op in self.lines.values() if isinstance(op, Nested)]
        return own, sum([op.instances * sum(op.block.parameters) for op in nests])

    @cached_property
    def trained(self) -> tuple[Dim, Dim]:
        """Those of its parameters that are trained."""
        own = sum([op.weights() for op in self.lines.values() if op.trainable])
        nests = [op for op in self.lines.values() if isinstance(op, Nested)]
        return own, sum([op.instances * sum(op.block.trained) for op in nests])

    @cached_property
    def frozen(self) -> tuple[Weight, ...]:
        """Its other parameters, one by one."""
        found: list[Weight] = []
        for op in self.lines.values():
            shapes = {} if op.trainable else op.shapes()
            found += [Weight(shape, op.stored if name == "weight" else None) for name, shape in shapes.items()]
            if isinstance(op, Nested):
                found += [w._replace(count=w.count * op.instances, nested=True) for w in op.block.frozen]
        return tuple(found)

    def walk(self, step: Step, prefix: str = "", instances: Dim = 1, nested: bool = False) -> Iterator[Line]:
        """Every operator where it stands, nested blocks included."""
        step = self.sees(step)
        for name, op in self.lines.items():
            yield Line(prefix + name, op, step, instances, nested)
            if isinstance(op, Nested):
                yield from op.block.walk(op.inner(step), f"{prefix}{name}.", instances * op.instances, True)

    def kept(self, step: Step, keeps: Keeps) -> Iterator[Kept]:
        """The tensors that autograd holds for this block, each storage once."""
        step = self.sees(step)
        seen = set()
        for name, op in self.lines.items():
            for item in keeps(op, name, step):
                if isinstance(item, Extra):
                    found = self.extra(name, item, step)
                    if found.path not in seen:
                        seen.add(found.path)
                        yield found
                elif (wire := self.storage[item]) not in seen:
                    seen.add(wire)
                    maker = self.lines[wire]
                    yield Kept(wire, maker.makes, maker.made(step), _is_source(maker))
            if isinstance(op, Nested):
                for inner in op.block.kept(op.inner(step), keeps):
                    yield inner._replace(path=f"{name}.{inner.path}")

    def extra(self, name: str, item: Extra, step: Step) -> Kept:
        """What an implementation of an operator keeps beside wires, by the path that tells it from others."""
        if item.of is None:
            return Kept(item.name if item.shared else f"{name}.{item.name}", item.kind, item.elements, item.shared)
        wire = self.storage[item.of]
        maker = self.lines[wire]
        return Kept(f"{wire}.{item.name}", item.kind, maker.made(step))  # of a shared tensor too every layer makes its own

    def replace(self, change: Callable[[str, Op], Op]) -> Block:
        """The same wiring with every operator changed by a function of its path, nested blocks first."""

        def rebuilt(name: str, op: Op) -> Op:
            if isinstance(op, Nested):
                op = replace(op, block=op.block.replace(lambda inner, part: change(f"{name}.{inner}", part)))
            return change(name, op)

        return self.rewired({name: rebuilt(name, op) for name, op in self.lines.items()})

    def rewired(self, lines: Mapping[str, Op]) -> Block:
        """A block of the same kind that sees the same, with other lines."""
        return Block(lines, self.kind, self.sees)


@dataclass(frozen=True)
class Nested(Op):
    """A block inside a block that sees a scaled step: experts see top_k copies of every token."""

    block: Block = field(kw_only=True)

    @property
    def instances(self) -> Dim:
        """How many times the nested block's weights are there."""
        raise NotImplementedError

    def inner(self, step: Step) -> Step:
        """The step that the nested block sees, all instances together."""
        raise NotImplementedError


def _is_source(op: Op) -> bool:
    """Whether it is what an encoder made: one tensor for all layers that read it."""
    return isinstance(op, Input) and op.source
