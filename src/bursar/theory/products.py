"""What a matrix product costs, exactly and as it is usually rounded.

C = A·B with A (rows, inner) and B (inner, columns): each of rows·columns results is a sum of `inner` products, so `inner`
multiplications and `inner` − 1 additions. Counting one addition more makes a multiply-add of every step, two FLOPs each.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from bursar.dims import Dim
from bursar.errors import PlanError
from bursar.formula import formula
from bursar.precision import stored_bytes


@dataclass(frozen=True)
class Product:
    """A product of a (rows, inner) with an (inner, columns) matrix."""

    rows: Dim
    inner: Dim
    columns: Dim

    @property
    def shapes(self) -> tuple[tuple[Dim, Dim], tuple[Dim, Dim], tuple[Dim, Dim]]:
        """Of both operands and of the result."""
        return (self.rows, self.inner), (self.inner, self.columns), (self.rows, self.columns)

    @formula("multiplications of a matrix product: its multiply-adds", "1")
    def multiplications(self) -> Dim:
        return self.rows * self.inner * self.columns

    @formula("additions of a matrix product", "1")
    def additions(self) -> Dim:
        return self.rows * (self.inner - 1) * self.columns

    @formula("FLOPs of a matrix product, exactly", "FLOP")
    def exact(self) -> Dim:
        return (2 * self.inner - 1) * self.rows * self.columns

    @formula("FLOPs of a matrix product, a multiply-add as two", "FLOP")
    def flops(self) -> Dim:
        return 2 * self.rows * self.inner * self.columns

    @formula("elements that a matrix product moves, each operand once", "1")
    def moved(self) -> Dim:
        return self.rows * self.inner + self.inner * self.columns + self.rows * self.columns

    def bytes(self, dtype: str, result: str | None = None) -> Dim:
        """Bytes of both operands and of the result, each once, scales of block formats included."""
        left, right, made = self.shapes
        return stored_bytes(dtype, left) + stored_bytes(dtype, right) + stored_bytes(result or dtype, made)

    def intensity(self, dtype: str, result: str | None = None) -> Fraction:
        """FLOP per byte moved."""
        return Fraction(self.flops(), self.bytes(dtype, result))


class Operand(NamedTuple):
    """A matrix by its name, as it stands in a product."""

    name: str
    shape: tuple[int, int]

    @property
    def T(self) -> Operand:
        """Its transpose. The transpose of a transpose is the matrix again."""
        name = self.name.removesuffix("ᵀ") if self.name.endswith("ᵀ") else f"{self.name}ᵀ"
        return Operand(name, (self.shape[1], self.shape[0]))


class Term(NamedTuple):
    """A product of two named matrices that is something: dL/dX = Aᵀ·G."""

    result: str
    left: Operand
    right: Operand

    @property
    def formula(self) -> str:
        return f"{self.left.name}·{self.right.name}"

    @property
    def product(self) -> Product:
        """Its sizes. Raises PlanError where the two do not fit."""
        (rows, inner), (other, columns) = self.left.shape, self.right.shape
        if inner != other:
            problem = f"{self.formula}: {self.left.shape}·{self.right.shape} has no product, {inner} columns against {other} rows"
            raise PlanError(
                problem, field="shape", value=(self.left.shape, self.right.shape), valid="columns of the left = rows of the right"
            )
        return Product(rows, inner, columns)


def fit(term: Term, wanted: tuple[int, int]) -> str:
    """What becomes of a product that should have a shape: "shape error", "wrong shape", or "fits"."""
    try:
        made = term.product.shapes[2]
    except PlanError:
        return "shape error"
    return "fits" if made == wanted else "wrong shape"
