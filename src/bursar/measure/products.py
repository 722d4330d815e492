"""FLOPs of every PyTorch operator that multiplies matrices: one row each, `counts` adds one.

One multiply-add is two. A model's FLOPs are those of its products and their gradients. A fused attention kernel computes its
scores once more in the backward pass: that is executed, and no model FLOP. Where PyTorch's own counter has a formula for an
operator (torch.utils.flop_counter), it is that one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

import torch
from torch.utils.flop_counter import flop_registry

aten = torch.ops.aten


class Flops(NamedTuple):
    """FLOPs of one call: what the model asks for, and what its kernel computes a second time."""

    model: int
    again: int = 0


Formula: TypeAlias = Callable[..., int | Flops]
F = TypeVar("F", bound=Formula)
PRODUCTS: dict[Any, Formula] = {}


def counts(*operators: Any) -> Callable[[F], F]:
    """Registers the FLOPs of operators: a function of the operator's own arguments and, as `out`, what it returned.

    An operator is a packet such as `torch.ops.aten.mm` or `torch.ops.my_library.my_op`."""

    def register(formula: F) -> F:
        PRODUCTS.update(dict.fromkeys(operators, formula))
        return formula

    return register


def has_formula(operator: Any) -> bool:
    return operator in PRODUCTS or operator in flop_registry


def flops_of(operator: Any, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Flops | None:
    """The FLOPs of a call, None where the operator has no formula."""
    if operator in PRODUCTS:
        found = PRODUCTS[operator](*args, **kwargs, out=out)
        return found if isinstance(found, Flops) else Flops(int(found))
    if operator in flop_registry:
        return Flops(int(flop_registry[operator](*args, **kwargs, out_val=out)))
    return None


def _size(shape: Sequence[int]) -> int:
    return math.prod(int(length) for length in shape)


# ── attention ─────────────────────────────────────────────────────────────────────────────────


def _scores(query: Any, key: Any, value: Any) -> tuple[int, int]:
    """FLOPs of Q·Kᵀ and of P·V: query (b, a, s, d), key (b, k, t, d), value (b, k, t, e); every pair, masked or not."""
    b, a, s, d = query.shape
    pairs = int(b) * int(a) * int(s) * int(key.shape[-2])
    return 2 * pairs * int(d), 2 * pairs * int(value.shape[-1])


@counts(
    aten._scaled_dot_product_flash_attention,
    aten._scaled_dot_product_efficient_attention,
    aten._scaled_dot_product_cudnn_attention,
    aten._scaled_dot_product_flash_attention_for_cpu,
    aten._scaled_dot_product_fused_attention_overrideable,
)
def _attention(query: Any, key: Any, value: Any, *args: Any, out: Any, **kwargs: Any) -> int:
    return sum(_scores(query, key, value))


@counts(
    aten._scaled_dot_product_flash_attention_backward,
    aten._scaled_dot_product_efficient_attention_backward,
    aten._scaled_dot_product_cudnn_attention_backward,
    aten._scaled_dot_product_flash_attention_for_cpu_backward,
    aten._scaled_dot_product_fused_attention_overrideable_backward,
)
def _attention_backward(grad: Any, query: Any, key: Any, value: Any, *args: Any, out: Any, **kwargs: Any) -> Flops:
    """Two gradients of each product; the scores are computed again, since the forward pass keeps their log-sum-exp alone."""
    scores, mixed = _scores(query, key, value)
    return Flops(2 * (scores + mixed), again=scores)


# ── matrix products ───────────────────────────────────────────────────────────────────────────


@counts(aten.mv, aten.addmv)
def _matrix_vector(*args: Any, out: Any, **kwargs: Any) -> int:
    """A (n, m) matrix, the last argument but one, times an m vector."""
    matrix = next(argument for argument in args if isinstance(argument, torch.Tensor) and argument.dim() == 2)
    return 2 * _size(matrix.shape)


@counts(aten.dot, aten.vdot)
def _dot(x: Any, y: Any, *, out: Any) -> int:
    return 2 * _size(x.shape)


@counts(aten.addr, aten.ger)
def _outer(*args: Any, out: Any, **kwargs: Any) -> int:
    return 2 * _size(out.shape)


@counts(aten.addbmm)
def _sum_of_products(x: Any, left: Any, right: Any, *args: Any, out: Any, **kwargs: Any) -> int:
    return 2 * _size(left.shape) * int(right.shape[-1])


@counts(aten._int_mm, aten._addmm_activation)
def _product(*args: Any, out: Any, **kwargs: Any) -> int:
    matrices = [argument for argument in args if isinstance(argument, torch.Tensor) and argument.dim() == 2][-2:]
    return 2 * _size(matrices[0].shape) * int(matrices[1].shape[-1])


@counts(aten._grouped_mm, aten._scaled_grouped_mm)
def _grouped(left: Any, right: Any, *args: Any, out: Any, **kwargs: Any) -> int:
    """Rows (or columns) in groups: every row meets the matrix of its group alone, so the groups' sizes do not matter.

    left (m, k) × right (g, k, n), (g, m, k) × (k, n), (m, k) × (k, n) with k in groups, or (g, m, k) × (g, k, n)."""
    if left.dim() == 2 and right.dim() == 2:
        return 2 * int(left.shape[0]) * int(left.shape[1]) * int(right.shape[1])
    rows = _size(left.shape[:-1]) if left.dim() == 2 or right.dim() == 3 else int(left.shape[1])
    return 2 * rows * int(left.shape[-1]) * int(right.shape[-1])


@counts(aten._trilinear)
def _trilinear(i1: Any, i2: Any, i3: Any, expand1: Any, expand2: Any, expand3: Any, sumdim: Any, *args: Any, out: Any) -> int:
    """Three tensors broadcast to one shape, multiplied and summed: two products and a sum for every element."""
    dims = sorted({*range(i1.dim() + len(expand1))})
    shape = [max(_extent(i1, expand1, d), _extent(i2, expand2, d), _extent(i3, expand3, d)) for d in dims]
    return 3 * _size(shape)


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
    return _size(solution.shape) * int(system.shape[-1])


# ── convolutions ──────────────────────────────────────────────────────────────────────────────


@counts(
    aten.convolution, aten._convolution, aten.convolution_overrideable, aten.cudnn_convolution, aten._slow_conv2d_forward,
    aten.mkldnn_convolution,
)  # fmt: skip
def _convolution(x: Any, weight: Any, *args: Any, out: Any, transposed: bool = False, **kwargs: Any) -> int:
    """Every output (of a transposed one: every input) meets the filters of its own group: weight (out, in / groups, k …)."""
    transposed = transposed or (len(args) > 4 and args[4] is True)
    return 2 * _size(x.shape if transposed else out.shape) * _size(weight.shape[1:])


@counts(aten.convolution_backward)
def _convolution_backward(grad: Any, x: Any, weight: Any, *args: Any, out: Any, **kwargs: Any) -> int:
    """Gradients of x and of the filters, as far as they are asked for, each with the products of the forward pass."""
    transposed, asked = args[4], args[7]
    return int(sum(asked[:2])) * 2 * _size(x.shape if transposed else grad.shape) * _size(weight.shape[1:])


# ── recurrent layers ──────────────────────────────────────────────────────────────────────────


@counts(aten.mkldnn_rnn_layer)
def _fused_lstm(x: Any, w_ih: Any, w_hh: Any, *args: Any, out: Any, **kwargs: Any) -> int:
    """Every step multiplies its input (t, b, i) and its state by the matrices of all four gates, which come packed."""
    return _gates(x, int(out[0].shape[-1]))


@counts(aten.mkldnn_rnn_layer_backward)
def _fused_lstm_backward(x: Any, *args: Any, out: Any, **kwargs: Any) -> int:
    """The kernel makes every gradient, that of the input too, whether asked for or not."""
    return 2 * _gates(x, int(args[1].shape[-1]))


def _gates(x: Any, hidden: int) -> int:
    steps, batch, width = (int(length) for length in x.shape)
    return 2 * steps * batch * 4 * hidden * (width + hidden)
