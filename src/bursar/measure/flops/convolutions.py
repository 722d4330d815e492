"""Convolutions in one, two and three dimensions, grouped, strided, dilated and transposed."""

from __future__ import annotations

from typing import Any

import torch

from bursar.measure.flops.registry import counts, size

aten = torch.ops.aten


@counts(
    aten.convolution, aten._convolution, aten.convolution_overrideable, aten.cudnn_convolution, aten._slow_conv2d_forward,
    aten.mkldnn_convolution,
)  # fmt: skip
def _convolution(x: Any, weight: Any, *args: Any, out: Any, transposed: bool = False, **kwargs: Any) -> int:
    """Every output (of a transposed one: every input) meets the filters of its own group: weight (out, in / groups, k …)."""
    transposed = transposed or (len(args) > 4 and args[4] is True)
    return 2 * size(x.shape if transposed else out.shape) * size(weight.shape[1:])


@counts(aten.convolution_backward)
def _convolution_backward(grad: Any, x: Any, weight: Any, *args: Any, out: Any, **kwargs: Any) -> int:
    """Gradients of x and of the filters, as far as they are asked for, each with the products of the forward pass."""
    transposed, asked = args[4], args[7]
    return int(sum(asked[:2])) * 2 * size(x.shape if transposed else grad.shape) * size(weight.shape[1:])
