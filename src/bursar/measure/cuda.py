"""What PyTorch's CUDA kernels keep for backward, where no GPU is at hand: stand-ins of the same signature that keep the same.

| function | the CPU keeps | CUDA keeps |
|---|---|---|
| dropout | its mask in the working dtype | a bool for every element |
| layer_norm | mean and 1/σ in the working dtype | both in FP32 |
| scaled_dot_product_attention | its mask and result as they are; the written-out core where V is narrower than Q | \
memory-efficient attention with a mask or a narrow V: rows of the log-sum-exp filled to 32, of the mask to 8, the result by token |
| the same with dropout | the written-out core in FP32 | the state of the random numbers (16 to 24 bytes, left out here) |
| logsigmoid | an exponential of every element | its input alone |

Their forward results have the right shape and no more: they are for tracing what is kept, not for computing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch.nn import functional

BIAS_ROW, LOGSUMEXP_ROW = 8, 32
_FUSED, _DROPOUT = functional.scaled_dot_product_attention, functional.dropout


def filled(n: int, row: int) -> int:
    """The next multiple of `row`."""
    return -(-n // row) * row


def dropout(x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """The mask is a bool."""
    return torch.ops.aten.native_dropout(x, p, True)[0] if training and p else x


class LayerNorm(torch.autograd.Function):
    """Keeps its input and, in FP32, the mean and 1/σ of every row (aten/src/ATen/native/cuda/layer_norm_kernel.cu)."""

    @staticmethod
    def forward(ctx: Any, x: Any, shape: Any, weight: Any, bias: Any, eps: float) -> Any:
        rows = x.shape[: x.dim() - len(shape)]
        statistics = [torch.zeros(rows, dtype=torch.float32, device=x.device) for _ in range(2)]
        ctx.save_for_backward(x, weight, *statistics)
        return torch.empty_like(x, memory_format=torch.contiguous_format)


class EfficientAttention(torch.autograd.Function):
    """Keeps Q, K, V, the result token by token, the log-sum-exp with filled rows, and the bias as it is given
    (aten/src/ATen/native/transformers/cuda/attention.cu)."""

    @staticmethod
    def forward(ctx: Any, q: Any, k: Any, v: Any, bias: Any) -> Any:
        batch, heads, queries, _ = q.shape
        made = q.new_zeros((batch, queries, heads, v.shape[-1])).transpose(1, 2)
        logsumexp = torch.empty((batch, heads, filled(queries, LOGSUMEXP_ROW)), device=q.device, dtype=torch.float32)
        ctx.save_for_backward(q, k, v, made, logsumexp, *([] if bias is None else [bias]))
        return made


class LogSigmoid(torch.autograd.Function):
    """Keeps its input (aten/src/ATen/native/cuda/ActivationLogSigmoidKernel.cu)."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return torch.empty_like(x)


def layer_norm(x: Any, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    return LayerNorm.apply(x, tuple(shape), weight, bias, eps)


def attention(q: Any, k: Any, v: Any, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False, **given: Any) -> Any:
    """The kernel that CUDA takes: flash attention; with a mask or a narrow V, memory-efficient attention. One head of keys for all
    queries without `enable_gqa` is for neither, here or there."""
    one_for_all = k.shape[1] != q.shape[1] and not given.get("enable_gqa")
    if one_for_all or (attn_mask is None and q.shape[-1] == v.shape[-1]):
        return _FUSED(q, k, v, attn_mask=attn_mask, is_causal=is_causal, **given)
    return EfficientAttention.apply(q, k, v, None if attn_mask is None else aligned(attn_mask, q.dtype))


def aligned(mask: Any, dtype: Any) -> Any:
    """A mask as a bias in the working dtype, its rows at a multiple of 8 elements."""
    bias, keys = mask.to(dtype), mask.shape[-1]
    return bias if keys % BIAS_ROW == 0 else functional.pad(bias, (0, filled(keys, BIAS_ROW) - keys))[..., :keys]


@contextmanager
def kernels() -> Iterator[None]:
    """Inside, torch.nn.functional keeps what CUDA keeps."""
    stand_ins = {
        "dropout": dropout,
        "layer_norm": layer_norm,
        "scaled_dot_product_attention": attention,
        "logsigmoid": LogSigmoid.apply,
    }
    with ExitStack() as stack:
        for name, function in stand_ins.items():
            stack.enter_context(patch.object(functional, name, function))
        yield
