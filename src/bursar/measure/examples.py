"""Small modules whose costs are known by hand, to trace: `bursar trace bursar.measure.examples:block --on cpu`.

Each function makes a module and its inputs. The block is one layer of GPT with 2 sequences of 64 tokens, 128 wide, 4 heads.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

SEQUENCES, LENGTH, WIDTH, HEADS = 2, 64, 128, 4
DROPOUT = 0.1


def mlp() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Widths 32, 128, 128, 10 on a batch of 64; its input has no gradient."""
    return nn.Sequential(*[nn.Linear(n, m, bias=False) for n, m in ((32, 128), (128, 128), (128, 10))]), (torch.randn(64, 32),)


def cruncher() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Two square layers of width 4 and a head, on a batch of 2: 36 parameters."""
    return nn.Sequential(*[nn.Linear(n, m, bias=False) for n, m in ((4, 4), (4, 4), (4, 1))]), (torch.randn(2, 4),)


class ByteDropout(nn.Module):
    """Dropout that keeps one byte per element, whatever the type of its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x.masked_fill(torch.rand(x.shape, device=x.device) < DROPOUT, 0) * (1 / (1 - DROPOUT))


class Block(nn.Module):
    """A layer of GPT: attention and MLP, each behind a norm, with dropout on the softmax and on both outputs."""

    def __init__(self, dropout: type[nn.Module], dtype: torch.dtype) -> None:
        super().__init__()
        made: dict[str, Any] = {"dtype": dtype}
        self.attention_norm, self.mlp_norm = nn.LayerNorm(WIDTH, **made), nn.LayerNorm(WIDTH, **made)
        self.q, self.k, self.v, self.out = [nn.Linear(WIDTH, WIDTH, **made) for _ in range(4)]
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH, **made), nn.Linear(4 * WIDTH, WIDTH, **made)
        self.drop_softmax, self.drop_attention, self.drop_mlp = [dropout() for _ in range(3)]

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_attention(self.out(self._attention(self.attention_norm(x))))
        return x + self.drop_mlp(self.down(functional.gelu(self.up(self.mlp_norm(x)))))

    def _attention(self, x: Tensor) -> Tensor:
        q, k, v = [part(x).view(SEQUENCES, LENGTH, HEADS, -1).transpose(1, 2) for part in (self.q, self.k, self.v)]
        scores = (q @ k.transpose(-1, -2)) * (1 / math.sqrt(WIDTH // HEADS))
        return (self.drop_softmax(scores.softmax(-1)) @ v).transpose(1, 2).reshape(SEQUENCES, LENGTH, WIDTH)


class Dropout(nn.Dropout):
    """PyTorch's, which keeps its mask in the type of its input on a CPU."""

    def __init__(self) -> None:
        super().__init__(DROPOUT)


def _block(dropout: type[nn.Module], dtype: torch.dtype) -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Block(dropout, dtype), (torch.randn(SEQUENCES, LENGTH, WIDTH, dtype=dtype),)


def block() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """The block in BF16 with PyTorch's dropout."""
    return _block(Dropout, torch.bfloat16)


def block_in_fp32() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """The block in FP32 with PyTorch's dropout."""
    return _block(Dropout, torch.float32)


def block_with_byte_masks() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """The block in BF16 with masks of one byte per element."""
    return _block(ByteDropout, torch.bfloat16)


class FusedAttention(nn.Module):
    """Attention in one kernel that keeps the log-sum-exp of every row in place of the square."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return functional.scaled_dot_product_attention(q, k, v)


def fused_attention() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Queries, keys and values of the block's heads in BF16."""
    shape = SEQUENCES, HEADS, LENGTH, WIDTH // HEADS
    q, k, v = [torch.randn(shape, dtype=torch.bfloat16, requires_grad=True) for _ in range(3)]
    return FusedAttention(), (q, k, v)


def untruncated() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """trunc_normal_ with bounds of ±3, which are absolute: 384 standard deviations of 1/128, so that nothing is cut off."""
    linear = nn.Linear(WIDTH, WIDTH, bias=False)
    nn.init.trunc_normal_(linear.weight, std=1 / 128, a=-3, b=3, generator=torch.Generator().manual_seed(0))
    return linear, (torch.randn(LENGTH, WIDTH),)
