"""What PyTorch's CUDA kernels keep for backward, where no GPU is at hand: stand-ins of the same signature that keep the same.

`KERNELS` says tensor by tensor what differs. The forward results have the right shape and no more: they are for tracing what is
kept, not for computing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from torch.nn import functional

BIAS_ROW, LOGSUMEXP_ROW = 8, 32
_FUSED = functional.scaled_dot_product_attention


class Kernel(NamedTuple):
    """A tensor of one of PyTorch's kernels, its bytes on the CPU and on CUDA, why they differ, and whether a stand-in has CUDA's
    (it has the CPU's otherwise). Letters: b sequences, s tokens, a query heads, d a head's width, w bytes of the working dtype,
    n elements."""

    tensor: str
    cpu: str
    cuda: str
    reason: str
    modelled: bool = True


# by the function of torch.nn.functional that is called, whatever the family
KERNELS: Mapping[str, tuple[Kernel, ...]] = {
    "layer_norm": (Kernel("statistics", "2·w·b·s", "8·b·s", "mean and 1/σ are FP32 on CUDA, in the input's dtype on the CPU"),),
    "dropout": (Kernel("dropped", "w·n", "n", "the mask of n elements is a bool on CUDA"),),
    "logsigmoid": (Kernel("buffer", "w·n", "0", "the CPU keeps an exponential of every element, CUDA computes it again"),),
    "scaled_dot_product_attention": (
        Kernel(
            "logsumexp with a mask", "4·b·a·s", "4·b·a·32·⌈s/32⌉",
            "memory-efficient attention, which takes the mask (and a V that is narrower than Q), fills rows up to 32",
        ),
        Kernel(
            "bias of a mask", "w·b·s²", "w·b·s·8·⌈s/8⌉",
            "its mask has rows of a multiple of 8; ALiBi's is copied in a layer where not",
        ),
        Kernel(
            "contiguous result with a mask", "w·b·s·a·d", "0",
            "its result is token by token; on the CPU it is as Q is, maybe head by head",
        ),
        Kernel("attention dropout", "the FP32 fallback", "0", "fused kernels keep the state of the random numbers and no mask"),
        Kernel(
            "dropout of the fallback", "4·b·a·s²", "b·a·s²",
            "a bool on CUDA too; one head for all queries takes the fallback before PyTorch 2.14 (Falcon)",
        ),
        Kernel(
            "cuDNN's bias and logsumexp", "4·b·a·s and w·b·s²", "the same, and the copy of the result",
            "Hopper and Blackwell with cuDNN above 9.15 prefer its kernel, which fills nothing up", modelled=False,
        ),
        Kernel("random numbers", "0", "16 to 24", "seed and offset of every core, with dropout or without", modelled=False),
        Kernel(
            "FP32 core", "4·b·a·s of logsumexp", "filled up to 32; with grouped keys the fallback: all heads' Q, K, V, FP32 scores",
            "flash attention takes no FP32, memory-efficient attention no grouped keys before PyTorch 2.14", modelled=False,
        ),
        Kernel(
            "head width", "as it is", "Q, K, V and the result at 8·⌈d/8⌉, and a copy of the result",
            "flash attention takes widths that 8 divides, as published models have", modelled=False,
        ),
    ),
}  # fmt: skip


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
    if k.shape[1] != q.shape[1] and not given.get("enable_gqa"):
        return written_out(q, k, v, dropout_p) if dropout_p else _FUSED(q, k, v, attn_mask=attn_mask, is_causal=is_causal, **given)
    if attn_mask is None and q.shape[-1] == v.shape[-1]:
        return _FUSED(q, k, v, is_causal=is_causal, **given)
    return EfficientAttention.apply(q, k, v, None if attn_mask is None else aligned(attn_mask, q.dtype))


def written_out(q: Any, k: Any, v: Any, p: float) -> Any:
    """The fallback in FP32, with CUDA's dropout (`_scaled_dot_product_attention_math`, attention.cpp); a mask that is added to the
    scores keeps nothing."""
    factor = q.shape[-1] ** -0.25
    query, key, value = (tensor.float() for tensor in (q, k, v))
    scores = (query * factor) @ (key.transpose(-2, -1) * factor)
    return (dropout(scores.softmax(-1), p) @ value).to(q.dtype)


STAND_INS: Mapping[str, Any] = {
    "dropout": dropout,
    "layer_norm": layer_norm,
    "scaled_dot_product_attention": attention,
    "logsigmoid": LogSigmoid.apply,
}


def aligned(mask: Any, dtype: Any) -> Any:
    """A mask as a bias in the working dtype, its rows at a multiple of 8 elements."""
    bias, keys = mask.to(dtype), mask.shape[-1]
    return bias if keys % BIAS_ROW == 0 else functional.pad(bias, (0, filled(keys, BIAS_ROW) - keys))[..., :keys]


@contextmanager
def kernels() -> Iterator[None]:
    """Inside, torch.nn.functional keeps what CUDA keeps."""
    with ExitStack() as stack:
        for name, function in STAND_INS.items():
            stack.enter_context(patch.object(functional, name, function))
        yield
