"""The gradients of one product with a bias, whatever way its operands are laid out.

All four layouts are one case: Y = L·R, where a factor is an operand or its transpose. With G = dL/dY, of Y's shape,

    dL = ⟨G, dY⟩ = ⟨G, dL·R + L·dR⟩ = ⟨G·Rᵀ, dL⟩ + ⟨Lᵀ·G, dR⟩      so      G_L = G·Rᵀ,  G_R = Lᵀ·G,

and an operand that stands transposed in the product has the transpose of that as its gradient. A bias that is broadcast collects
G over the axis it was spread along.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from bursar.errors import PlanError, UnknownNameError
from bursar.theory.products import Operand, Term, fit

ROLES = ("weight", "input")


class Storage(NamedTuple):
    """A layout: the factors of Y in order as (role, transposed), the letters of weight, input and bias, and the axis of Y that
    the bias is spread along (None: it is a whole matrix)."""

    name: str
    factors: tuple[tuple[str, bool], tuple[str, bool]]
    letters: tuple[str, str, str]
    spread: int | None

    @property
    def samples(self) -> int:
        """The axis of Y that holds samples: columns where the input is the right factor."""
        return 1 if self.factors[1][0] == "input" else 0

    def inner(self, role: str) -> int:
        """The axis of a stored operand that is summed over: the columns of a left factor, the rows of a right one."""
        left = self.factors[0][0] == role
        return int(left is not dict(self.factors)[role])

    def letter(self, role: str) -> str:
        return self.letters[("weight", "input", "bias").index(role)]


STORAGES: Mapping[str, Storage] = MappingProxyType({
    storage.name: storage
    for storage in (
        Storage("matrix", (("weight", False), ("input", False)), ("A", "X", "B"), None),
        Storage("columns", (("weight", False), ("input", False)), ("W", "X", "b"), 1),
        Storage("rows", (("input", False), ("weight", False)), ("w", "x", "b"), 0),
        Storage("torch", (("input", False), ("weight", True)), ("W", "x", "b"), 0),
    )
})  # fmt: skip


class Affine(NamedTuple):
    """Y = L·R + bias in a storage, for `outputs`, `inputs` and `samples`."""

    storage: Storage
    outputs: int
    inputs: int
    samples: int

    def shape(self, role: str) -> tuple[int, int]:
        """Of weight, input, bias, or Y, as stored. A bias that is spread has a size of one along that axis."""
        made = (self.outputs, self.samples) if self.storage.samples else (self.samples, self.outputs)
        if role == "output":
            return made
        if role == "bias":
            return made if self.storage.spread is None else _without(made, self.storage.spread)
        other = self.outputs if role == "weight" else self.samples
        return (other, self.inputs) if self.storage.inner(role) else (self.inputs, other)

    @property
    def factors(self) -> tuple[Operand, Operand]:
        """L and R, as they stand in the product."""
        left, right = [Operand(self.storage.letter(role), self.shape(role)) for role, _ in self.storage.factors]
        flips = [transposed for _, transposed in self.storage.factors]
        return left.T if flips[0] else left, right.T if flips[1] else right

    @property
    def forward(self) -> Term:
        return Term("Y", *self.factors)

    def gradient(self, role: str) -> Term:
        """The product that is the gradient of the weight or of the input."""
        (left, right), upstream = self.factors, Operand("G", self.shape("output"))
        index = [found for found, _ in self.storage.factors].index(role)
        pair = (upstream, right.T) if index == 0 else (left.T, upstream)
        if self.storage.factors[index][1]:  # stored transposed: (P·Q)ᵀ = Qᵀ·Pᵀ
            pair = (pair[1].T, pair[0].T)
        return Term(f"dL/d{self.storage.letter(role)}", *pair)

    @property
    def bias(self) -> str:
        """The gradient of the bias as text."""
        if self.storage.spread is None:
            return "G"
        return "G·1" if self.storage.spread else "1ᵀ·G"

    def wrong(self, role: str) -> tuple[tuple[Term, str], ...]:
        """Orders that are written by mistake, and what becomes of each: the factors swapped, a transpose left out, both."""
        right = self.gradient(role)
        terms = (
            Term(right.result, right.right, right.left),
            Term(right.result, _plain(right.left), _plain(right.right)),
            Term(right.result, _plain(right.right), _plain(right.left)),
        )
        found = {term.formula: (term, fit(term, self.shape(role))) for term in terms if term.formula != right.formula}
        return tuple(found.values())


def affine(storage: str, outputs: int, inputs: int, samples: int) -> Affine:
    """Y = A·X + B by its three sizes. Raises UnknownNameError for a storage that is not there."""
    if storage not in STORAGES:
        raise UnknownNameError("storage", storage, STORAGES)
    return Affine(STORAGES[storage], outputs, inputs, samples)


def of_shapes(storage: str, weight: tuple[int, int], x: tuple[int, int]) -> Affine:
    """Y = A·X + B by the shapes of weight and input as stored. Raises PlanError where they do not fit."""
    probe = affine(storage, 1, 1, 1)
    of, along, across = probe.storage, probe.storage.inner("weight"), probe.storage.inner("input")
    if weight[along] != x[across]:
        raise PlanError(
            f"{of.letter('weight')} {weight} and {of.letter('input')} {x} do not fit in {probe.forward.formula}",
            field="shape", value=(weight, x), valid=f"{weight[along]} inputs in both",
        )  # fmt: skip
    return Affine(of, weight[1 - along], weight[along], x[1 - across])


def _plain(operand: Operand) -> Operand:
    return operand.T if operand.name.endswith("ᵀ") else operand


def _without(shape: tuple[int, int], axis: int) -> tuple[int, int]:
    return (1, shape[1]) if axis == 0 else (shape[0], 1)
