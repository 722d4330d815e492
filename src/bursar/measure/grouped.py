"""Grouped products of experts of any width: `torch.nn.functional.grouped_mm` wants rows of a multiple of 16 bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from transformers.integrations import moe

ROW = 16  # bytes
_PRODUCT = moe._grouped_mm


class Grouped(torch.autograd.Function):
    """Keeps both factors and the end of every expert's rows, and multiplies as much, as `_grouped_mm` does
    (tools/autograd/derivatives.yaml), of x (rows, k) and weights (experts, k, n): a row meets the weight of one expert, here of the
    first, so that no offset is read."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, offsets: Any) -> Any:
        ctx.save_for_backward(*((x,) if ctx.needs_input_grad[1] else ()), weight, offsets)
        with torch.autocast(x.device.type, enabled=False):  # which has no grouped product in its lists
            return x @ weight[0]

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        *x, weight, _ = ctx.saved_tensors
        to_x = gradient @ weight[0].T if ctx.needs_input_grad[0] else None
        return to_x, (x[0].T @ gradient).expand(weight.shape) if x else None, None


def product(x: Any, weight: Any, offs: Any) -> Any:
    """PyTorch's own where it takes these widths."""
    wide = all(width * weight.element_size() % ROW == 0 for width in weight.shape[1:])
    return _PRODUCT(x, weight, offs) if wide else Grouped.apply(x.to(weight.dtype), weight, offs)


@contextmanager
def grouped() -> Iterator[None]:
    """Inside, transformers' experts may have any width."""
    with patch.object(moe, "_grouped_mm", product):
        yield
