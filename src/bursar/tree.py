"""A model is a small immutable tree. A block is wired: one line, one tensor.

Every line of a `Block` names the tensor it makes, the operator that makes it, and the tensors that it reads:

    {"attn.q": Linear("attn.norm", h, a * d, parallel="column"), …, "attn.core": Attention("attn.q", "attn.k", "attn.v", …)}

An operator answers what it costs: `shapes` (parameters), `flops`, the `width` of the tensor it makes, the elements it
`moved`. Which tensors an implementation keeps for backward is said in `kernels/`, by wire name, so that a tensor kept by
three operators is counted once. Counts are elements here; only `precision.py` knows bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, TypeAlias

from bursar.dims import Dim, product, split
from bursar.errors import BursarError
from bursar.formula import formula
from bursar.step import Step

Wire: TypeAlias = str  # annotates the fields of an operator that name the tensors it reads


class Mark(NamedTuple):
    """What recomputation makes of an operator: whether it runs again, whether it is inside a checkpoint, the wires that the
    checkpoint holds because it reads them, and those that it would keep and that are thrown away. `last`: a run that stops early
    stops in it."""

    again: bool = False
    inside: bool = False
    holds: tuple[str, ...] = ()
    drops: frozenset[str] = frozenset()
    last: bool = False


class Cast(NamedTuple):
    """What torch.autocast makes of an operator: the wires that it reads in FP32, whether what it makes is FP32, whether it is
    one product `together` with others that read the same, whether it casts what it reads, the matrices that one product has, and
    whether the copy of its weight is cached until the forward pass is over."""

    reads: tuple[str, ...] = ()
    made: bool = False
    together: bool = False
    narrows: bool = False
    matrices: Dim = 1
    cached: bool = False


@dataclass(frozen=True)
class Op:
    """An operator: frozen fields are its dimensions; fields annotated `Wire` name the tensors it reads.

    A rank of a tensor-parallel group may hold a part of an operator. `over` is the number of ranks that share its tokens
    (sequence parallelism), `copies` the number of ranks that hold the same weights.

    What is frozen is structure (`adapters.py`): `trainable` says whether its weights are trained, `without` names those of its
    wires whose gradient nothing asks for, `stored` the number format of a frozen weight matrix (None: that of the others).
    """

    over: Dim = field(default=1, kw_only=True)
    copies: Dim = field(default=1, kw_only=True)
    source: bool = field(default=False, kw_only=True)  # works on the tokens that cross-attention looks at
    trainable: bool = field(default=True, kw_only=True)
    without: tuple[str, ...] = field(default=(), kw_only=True)
    stored: str | None = field(default=None, kw_only=True)
    mark: Mark | None = field(default=None, kw_only=True)  # what recomputation makes of it (`recompute.py`)
    cast: Cast | None = field(default=None, kw_only=True)  # what autocast makes of it (`kernels/autocast.py`)

    slot: ClassVar[str]  # which implementations of `kernels/` it has
    follows: ClassVar[tuple[str, ...]]  # sizes that shrink with what it reads where tensor parallelism cuts that
    wires: ClassVar[tuple[str, ...]] = ()
    kind: ClassVar[str] = "elementwise"  # what its FLOPs are reported under
    engine: ClassVar[str] = "vector"  # which rate of a device it runs at: matmul, grouped, attention, vector
    makes: ClassVar[str] = "activation"  # kind of the tensor that it makes
    quantised: ClassVar[bool] = False  # a product with weights that recipes of quantised operands run in their format

    def __post_init__(self) -> None:
        if self.cast is not None and self.cast.made:
            object.__setattr__(self, "makes", "upcast")  # of this one, in the place of its class's

    def __init_subclass__(cls) -> None:
        cls.wires += tuple(name for name, note in cls.__annotations__.items() if note == "Wire")

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple([getattr(self, wire) for wire in self.wires])

    @property
    def width(self) -> Dim:
        """Elements per token of the tensor it makes."""
        raise NotImplementedError

    @property
    def alias(self) -> str | None:
        """The wire whose storage it hands on, if it makes no tensor of its own."""
        return None

    def tokens(self, step: Step) -> Dim:
        """Tokens that this rank's part of the operator sees."""
        tokens = step.sequences * step.sources if self.source else step.tokens
        return split(tokens, self.over, "tokens", "tp")

    def shapes(self) -> dict[str, tuple[Dim, ...]]:
        """Its parameters: name → shape, as PyTorch stores them."""
        return {}

    @formula("parameters", "1")
    def weights(self) -> Dim:
        """Elements of all its parameters."""
        return sum([product(shape) for shape in self.shapes().values()])

    @formula("elements of the tensor made", "1")
    def made(self, step: Step) -> Dim:
        return self.tokens(step) * self.width

    def flops(self, step: Step) -> Dim:
        """Model FLOPs of the forward pass: matrix products only (arXiv:2104.04473 appendix; arXiv:2204.02311 appendix B)."""
        return 0

    def grad_flops(self, step: Step) -> tuple[Dim, Dim]:
        """Model FLOPs of the gradients with respect to what it reads, and with respect to its weights."""
        return 0, 0

    @property
    def passes(self) -> bool:
        """Whether a gradient passes through it, to something that it reads."""
        return not self.without or len(self.without) < len(self.wires)

    @property
    def still(self) -> bool:
        """Whether it takes no part in the backward pass."""
        return not self.trainable and not self.passes

    def gradients(self, step: Step) -> tuple[Dim, Dim]:
        """The FLOPs of `grad_flops` that a backward pass needs: frozen weights have no gradient, nor has what nothing asks for."""
        inputs, weights = self.grad_flops(step)
        return inputs if self.passes else 0, weights if self.trainable else 0

    def moved(self, step: Step) -> Dim:
        """Elements read and written by the forward pass of one kernel."""
        return 2 * self.made(step)

    def backward_moved(self, step: Step) -> Dim:
        """Elements read and written by its backward pass: gradient in, what was kept, gradient out."""
        return 3 * self.made(step)

    def state(self) -> Dim:
        """Elements of recurrent state that a sequence holds, whatever its length."""
        return 0


@dataclass(frozen=True)
class Input(Op):
    """The tensor a block is given; what it keeps of it belongs to the block."""

    size: Dim
    slot: ClassVar[str] = "nothing"

    @property
    def width(self) -> Dim:
        return self.size

    def moved(self, step: Step) -> Dim:
        return 0

    backward_moved = moved


def _is_source(op: Op) -> bool:
    """Whether it is what an encoder made: one tensor for all layers that read it."""
    return isinstance(op, Input) and op.source


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


@dataclass(frozen=True, eq=False)
class Repeat:
    """`times` layers that are the same block; keeps the tree small however deep the model is."""

    times: Dim
    block: Block


@dataclass(frozen=True, eq=False)
class Architecture:
    """A model: what comes before its layers, its layers in order, and what comes after them.

    `towers` are the layers of encoders beside the trunk (a vision tower, a text encoder), `stem` holds the embedding, `trunk`
    the layers, `tail` the head with the loss (and modules such as multi-token prediction before it). `context` is the trained
    length; `max_length` the longest that learned positions allow.
    """

    family: str
    stem: tuple[Block, ...]
    trunk: tuple[Repeat, ...]
    tail: tuple[Block, ...]
    context: Dim | None = None
    max_length: Dim | None = None
    towers: tuple[Repeat, ...] = ()

    @property
    def layers(self) -> Dim:
        return sum(run.times for run in self.trunk)

    @cached_property
    def views(self) -> tuple[Sees, ...]:
        """The different ways in which its blocks see a step."""
        return tuple(dict.fromkeys(block.sees for _, _, block in self.parts()))

    def parts(self) -> Iterator[tuple[str, Dim, Block]]:
        """(path prefix, times, block) in order of execution."""
        for run in self.towers:
            yield f"{run.block.kind}.", run.times, run.block
        for block in self.stem:
            yield "", 1, block
        yield from self.layer_parts()
        for block in self.tail:
            yield "" if block.kind == "head" else f"{block.kind}.", 1, block

    def layer_parts(self) -> Iterator[tuple[str, Dim, Block]]:
        """The same of the trunk alone."""
        kinds = {id(run.block) for run in self.trunk}
        for index, run in enumerate(self.trunk):
            yield "layers." if len(kinds) == 1 else f"layers.{_run_name(self.trunk, index)}.", run.times, run.block

    def walk(self, step: Step) -> Iterator[tuple[Dim, Line]]:
        """How often a block repeats, with every operator of it."""
        for prefix, times, block in self.parts():
            for line in block.walk(step, prefix):
                yield times, line

    def replace(self, change: Callable[[str, Op], Op]) -> Architecture:
        """The same architecture with every operator changed; blocks that are one object stay one object."""
        done: dict[int, Block] = {}

        def once(block: Block) -> Block:
            if id(block) not in done:
                done[id(block)] = block.replace(change)
            return done[id(block)]

        def runs(these: tuple[Repeat, ...]) -> tuple[Repeat, ...]:
            return tuple(Repeat(run.times, once(run.block)) for run in these)

        stem, tail = tuple(map(once, self.stem)), tuple(map(once, self.tail))
        return replace(self, stem=stem, trunk=runs(self.trunk), tail=tail, towers=runs(self.towers))


def _run_name(trunk: tuple[Repeat, ...], index: int) -> str:
    """`dense` for all runs of one block; another block of the same kind gets a number."""
    kind = trunk[index].block.kind
    alike = list(dict.fromkeys(id(run.block) for run in trunk if run.block.kind == kind))
    place = alike.index(id(trunk[index].block))
    return f"{kind}{place + 1}" if place else kind


def dims_of(op: Op) -> dict[str, Any]:
    """The fields of an operator that are dimensions."""
    return {f.name: getattr(op, f.name) for f in fields(op) if f.type in ("Dim", "Dim | None")}
