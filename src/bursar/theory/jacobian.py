"""The whole Jacobian of a product, and why nobody builds it.

With vec stacking columns, vec(A·X·C) = (Cᵀ ⊗ A)·vec(X). For Y = A·X, (M, N)·(N, P), hence

    d vec(Y)/d vec(X) = I_P ⊗ A      (M·P, N·P)        d vec(Y)/d vec(A) = Xᵀ ⊗ I_M      (M·P, M·N)

and the short forms Aᵀ·G and G·Xᵀ are these, transposed, times vec(G), without the zeros.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bursar.dims import Dim
from bursar.formula import formula
from bursar.theory.products import Product
from bursar.theory.values import Array, differences


class Jacobian(NamedTuple):
    """The Jacobian of vec(A·X) by vec(X) or vec(A): of a (rows, inner) with an (inner, columns) matrix."""

    operand: str
    product: Product

    @property
    def text(self) -> str:
        return f"I_{self.product.columns} ⊗ A" if self.operand == "X" else f"Xᵀ ⊗ I_{self.product.rows}"

    @property
    def shape(self) -> tuple[Dim, Dim]:
        left, right, made = self.product.shapes
        operand = right if self.operand == "X" else left
        return made[0] * made[1], operand[0] * operand[1]

    @formula("entries of the Jacobian of a product", "1")
    def entries(self) -> Dim:
        return self.shape[0] * self.shape[1]

    @formula("entries of that Jacobian which are not always zero", "1")
    def filled(self) -> Dim:
        return self.product.rows * self.product.inner * self.product.columns  # each result depends on one column, or row

    @formula("FLOPs of a gradient by the whole Jacobian", "FLOP")
    def flops(self) -> Dim:
        return 2 * self.entries()  # Jᵀ·vec(G)

    def matrix(self, a: Array, x: Array) -> Array:
        if self.operand == "X":
            return np.kron(np.eye(x.shape[1], dtype=int).astype(a.dtype), a)
        return np.kron(x.T, np.eye(a.shape[0], dtype=int).astype(x.dtype))


def vec(matrix: Array) -> Array:
    """The columns of a matrix below each other."""
    return matrix.T.reshape(-1)


class Check(NamedTuple):
    """Whether Jᵀ·vec(G) is the vec of the short form, and the largest difference of J from central differences of the map."""

    agrees: bool
    finite_difference_error: float


def check(jacobian: Jacobian, a: Array, x: Array, g: Array) -> Check:
    """Holds the Jacobian against the short form and against differences of every result."""
    whole = np.asarray(jacobian.matrix(a, x), dtype=float)
    short = a.T @ g if jacobian.operand == "X" else g @ x.T

    def row(place: int) -> Array:
        return vec(differences(lambda at: float(vec(at["A"] @ at["X"])[place]), {"A": a, "X": x}, jacobian.operand))

    rows = [row(place) for place in range(whole.shape[0])]
    agrees = np.allclose(whole.T @ vec(g).astype(float), vec(short).astype(float), rtol=1e-12)
    return Check(bool(agrees), float(np.abs(whole - np.array(rows)).max()))
