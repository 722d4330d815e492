"""What element-wise operations, reductions, softmax and norms cost.

No library agrees on these counts, since an exponential is one instruction here and a dozen there. Each row states what it counts:
the arithmetic (additions, multiplications, divisions, comparisons) of its formula as written, and apart from it the special
functions (exp, tanh, erf, root), whose price is a parameter. A tensor is `rows` rows of `width` elements.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from bursar.dims import Dim
from bursar.errors import UnknownNameError
from bursar.formula import formula


class Elementwise(NamedTuple):
    """An operation: its formula, its arithmetic per element and beside that per row, its special functions per element and per
    row."""

    name: str
    text: str
    per_element: Dim
    per_row: Dim = 0
    special: Dim = 0
    special_per_row: Dim = 0

    @formula("FLOPs of an element-wise or row-wise operation", "FLOP")
    def flops(self, rows: Dim, width: Dim, special: Dim = 1) -> Dim:
        each = self.per_element + special * self.special
        return rows * (width * each + self.per_row + special * self.special_per_row)


OPERATIONS: Mapping[str, Elementwise] = MappingProxyType({
    row.name: row
    for row in (
        Elementwise("add", "x + y", 1),
        Elementwise("multiply", "x·y", 1),
        Elementwise("relu", "max(x, 0)", 1),
        Elementwise("dropout", "x·mask·scale", 2),
        Elementwise("tanh", "tanh(x)", 0, special=1),
        Elementwise("sigmoid", "1/(1 + exp(−x))", 3, special=1),
        Elementwise("silu", "x·(1/(1 + exp(−x)))", 4, special=1),
        Elementwise("gelu", "½·x·(1 + erf(x·√½))", 4, special=1),
        Elementwise("gelu-tanh", "½·x·(1 + tanh(√(2/π)·(x + 0.044715·(x·x·x))))", 8, special=1),
        Elementwise("swiglu", "gate·(1/(1 + exp(−gate)))·up", 5, special=1),
        Elementwise("sum", "Σ x", 1, -1),
        Elementwise("max", "max x", 1, -1),
        Elementwise("mean", "(Σ x)/n", 1),
        Elementwise("softmax", "e/Σ e, e = exp(x − max x)", 4, -2, special=1),
        Elementwise("rmsnorm", "x·r·γ, r = 1/√((Σ x·x)/n + ε)", 4, 2, special_per_row=1),
        Elementwise("layernorm", "(x − μ)·r·γ + β, r = 1/√((Σ (x − μ)²)/n + ε)", 7, 2, special_per_row=1),
    )
})  # fmt: skip

# what products take for an entry of their result, as text: their own rooms count them
PRODUCTS: Mapping[str, str] = MappingProxyType({"product": "2·inner", "convolution": "2·(channels/groups)·Πkernel"})


def named(name: str) -> Elementwise:
    """An operation by name."""
    if name not in OPERATIONS:
        raise UnknownNameError("operation", name, OPERATIONS)
    return OPERATIONS[name]
