"""An operator: what it reads, what it makes, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, NamedTuple, TypeAlias

from bursar.dims import Dim, product, split
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


def dims_of(op: Op) -> dict[str, Any]:
    """The fields of an operator that are dimensions."""
    return {f.name: getattr(op, f.name) for f in fields(op) if f.type in ("Dim", "Dim | None")}
