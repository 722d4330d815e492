"""The error of a matrix product whose operands are kept in a narrow format.

C = A·B with both operands in blocks along the dimension that is summed, the products and sums exact: what is left is the error of
the formats. Errors of two operands are independent, so that the product's relative error is near √(e_A² + e_B²).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bursar.formats import Format
from bursar.theory.blocks import BLOCKS, Blocks, scaled
from bursar.theory.rounding import Array, quantize

UNSCALED = ("fp32", "tf32", "bf16", "fp16")
SCALED = ("fp8-e4m3", "fp8-e5m2", "fp6-e2m3", "fp6-e3m2", "fp4-e2m1", "int8", "int4", "nf4")
OUTLIERS, TIMES = 0.01, 30.0  # share of channels that are outliers, and how much larger they are


class ProductError(NamedTuple):
    """Relative errors (Frobenius norms) of the product and of its operands; `block` elements share a scale (None: no scale)."""

    format: str
    block: int | None
    bits: float
    product: float
    left: float
    right: float


def operands(size: int, seed: int, *, outliers: bool = False) -> tuple[Array, Array]:
    """Two square matrices of standard normal numbers, the second as (columns, summed); with outliers a few of the summed channels
    of the first are larger, as activations of large models have them (arXiv:2208.07339)."""
    draw = np.random.default_rng(seed)
    left, right = draw.standard_normal((size, size)), draw.standard_normal((size, size))
    if outliers:
        left[:, draw.permutation(size)[: max(1, round(OUTLIERS * size))]] *= TIMES
    return left, right


def error(left: Array, right: Array, name: str, block: int | None, bits: float, kept: tuple[Array, Array]) -> ProductError:
    """The errors of a product of kept operands."""
    exact, got = left @ right.T, kept[0] @ kept[1].T
    parts = [_relative(a, b) for a, b in ((got, exact), (kept[0], left), (kept[1], right))]
    return ProductError(name, block, bits, *parts)


def in_format(left: Array, right: Array, found: Format) -> ProductError:
    """Without a scale."""
    return error(left, right, found.name, None, found.bits, (quantize(left, found), quantize(right, found)))


def in_blocks(left: Array, right: Array, found: Blocks, columns: int) -> ProductError:
    """With the scales of a block format."""
    return error(left, right, found.name, columns, float(found.bits), (found.quantized(left), found.quantized(right)))


def by_block(left: Array, right: Array, found: Format, block: int | None) -> ProductError:
    """With an FP32 scale per `block` elements along the summed dimension; None: per tensor."""
    size = left.size if block is None else block
    blocks = scaled(found, None, None) if block is None else scaled(found, 1, block)
    return in_blocks(left, right, blocks, size)


def standards(left: Array, right: Array) -> list[ProductError]:
    """With every block format that has a name."""
    return [in_blocks(left, right, found, (found.rows or 1) * (found.columns or left.shape[1])) for found in BLOCKS.values()]


def _relative(got: Array, exact: Array) -> float:
    return float(np.linalg.norm(got - exact) / np.linalg.norm(exact))
