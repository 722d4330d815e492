"""Products of matrices and vectors, dense, batched, grouped, and of narrow numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from bursar.measure.flops.registry import counts, size

aten = torch.ops.aten


@counts(aten.mv, aten.addmv, aten.addmv_)
def _matrix_vector(*args: Any, out: Any, **kwargs: Any) -> int:
    """A (n, m) matrix, the last argument but one, times an m vector."""
    matrix = next(argument for argument in args if isinstance(argument, torch.Tensor) and argument.dim() == 2)
    return 2 * size(matrix.shape)


@counts(aten.dot, aten.vdot)
def _dot(x: Any, y: Any, *, out: Any) -> int:
    return 2 * size(x.shape)


@counts(aten.addr, aten.ger)
def _outer(*args: Any, out: Any, **kwargs: Any) -> int:
    return 2 * size(out.shape)


@counts(aten.addbmm, aten.addbmm_, aten.baddbmm_, aten.addmm_, aten._addmm_activation)
def _added(x: Any, left: Any, right: Any, *args: Any, out: Any, **kwargs: Any) -> int:
    return 2 * size(left.shape) * int(right.shape[-1])


@counts(aten._int_mm, aten._scaled_mm, aten._scaled_mm_v2)
def _narrow(left: Any, right: Any, *args: Any, out: Any, **kwargs: Any) -> int:
    return 2 * size(left.shape) * _packed(left) * int(right.shape[-1])


def _packed(tensor: Any) -> int:
    """Numbers in one element: two of four bits share a byte."""
    return 2 if tensor.dtype == torch.float4_e2m1fn_x2 else 1


@counts(aten._weight_int8pack_mm, aten._weight_int4pack_mm, aten._weight_int4pack_mm_for_cpu)
def _packed_weight(x: Any, *args: Any, out: Any, **kwargs: Any) -> int:
    """x (m, k) times a matrix that is packed as its kernel reads it: every output sums k products."""
    return 2 * size(out.shape) * int(x.shape[-1])


@counts(aten._grouped_mm, aten._scaled_grouped_mm, aten._scaled_grouped_mm_v2)
def _grouped(left: Any, right: Any, *args: Any, out: Any, **kwargs: Any) -> int:
    """Rows (or columns) in groups: every row meets the matrix of its group alone, so the groups' sizes do not matter.

    left (m, k) × right (g, k, n), (g, m, k) × (k, n), (m, k) × (k, n) with k in groups, or (g, m, k) × (g, k, n)."""
    inner = int(left.shape[-1]) * _packed(left)
    if left.dim() == 2 and right.dim() == 2:
        return 2 * int(left.shape[0]) * inner * int(right.shape[1])
    rows = size(left.shape[:-1]) if left.dim() == 2 or right.dim() == 3 else int(left.shape[1])
    return 2 * rows * inner * int(right.shape[-1])


@counts(aten._euclidean_dist)
def _distances(left: Any, right: Any, *, out: Any) -> int:
    """|x|² − 2 x·y + |y|² of every pair as one product: rows (…, n, d) and (…, m, d), each with two columns for the squares."""
    return 2 * size(left.shape[:-1]) * int(right.shape[-2]) * (int(left.shape[-1]) + 2)


@counts(aten._trilinear)
def _trilinear(i1: Any, i2: Any, i3: Any, expand1: Any, expand2: Any, expand3: Any, sumdim: Any, *args: Any, out: Any) -> int:
    """Three tensors broadcast to one shape, multiplied and summed: two products and a sum for every element."""
    dims = sorted({*range(i1.dim() + len(expand1))})
    shape = [max(_extent(i1, expand1, d), _extent(i2, expand2, d), _extent(i3, expand3, d)) for d in dims]
    return 3 * size(shape)


def _extent(tensor: Any, expanded: Sequence[int], dim: int) -> int:
    """The length of a dimension once the listed ones are inserted with length 1."""
    if dim in expanded:
        return 1
    return int(tensor.shape[dim - sum(inserted < dim for inserted in expanded)])


@counts(aten.linalg_solve_triangular, aten.triangular_solve)
def _triangular(matrix: Any, right: Any, *args: Any, out: Any, **kwargs: Any) -> int:
    """n(n−1)/2 multiply-adds and n divisions for each column of an (n, n) system: n² FLOPs (Golub and Van Loan, section 3.1)."""
    solution = out[0] if isinstance(out, tuple) else out
    system = matrix if matrix.shape[-1] == matrix.shape[-2] else right
    return size(solution.shape) * int(system.shape[-1])
