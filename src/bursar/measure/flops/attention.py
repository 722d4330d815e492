"""Attention cores: Q·Kᵀ and P·V over every pair of a sequence, masked or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import torch

from bursar.measure.flops.registry import Flops, counts

aten, higher_order = torch.ops.aten, torch.ops.higher_order
Shape: TypeAlias = Sequence[Any]


def _scores(query: Shape, key: Shape, value: Shape) -> tuple[int, int]:
    """FLOPs of Q·Kᵀ and of P·V: query (b, a, s, d), key (b, k, t, d), value (b, k, t, e)."""
    b, a, s, d = (int(length) for length in query)
    pairs = b * a * s * int(key[-2])
    return 2 * pairs * d, 2 * pairs * int(value[-1])


def _gradients(scores: int, mixed: int) -> Flops:
    """Two gradients of each product; the scores are computed again, since the forward pass keeps their log-sum-exp alone."""
    return Flops(2 * (scores + mixed), again=scores)


@counts(
    aten._scaled_dot_product_flash_attention,
    aten._scaled_dot_product_efficient_attention,
    aten._scaled_dot_product_cudnn_attention,
    aten._scaled_dot_product_flash_attention_for_cpu,
    aten._scaled_dot_product_fused_attention_overrideable,
    aten._scaled_dot_product_attention_math_for_mps,
    higher_order.flex_attention,
)
def _attention(query: Any, key: Any, value: Any, *args: Any, out: Any, **kwargs: Any) -> int:
    return sum(_scores(query.shape, key.shape, value.shape))


@counts(
    aten._scaled_dot_product_flash_attention_backward,
    aten._scaled_dot_product_efficient_attention_backward,
    aten._scaled_dot_product_cudnn_attention_backward,
    aten._scaled_dot_product_flash_attention_for_cpu_backward,
    aten._scaled_dot_product_fused_attention_overrideable_backward,
)
def _attention_backward(grad: Any, query: Any, key: Any, value: Any, *args: Any, out: Any, **kwargs: Any) -> Flops:
    return _gradients(*_scores(query.shape, key.shape, value.shape))


@counts(higher_order.flex_attention_backward)
def _flex_backward(query: Any, key: Any, value: Any, *args: Any, out: Any, **kwargs: Any) -> Flops:
    return _gradients(*_scores(query.shape, key.shape, value.shape))


# ── kernels that take tokens before heads: (b, s, a, d), or (tokens, a, d) with the boundaries of sequences ───────────────────


def _by_sequence(query: Any, key: Any, value: Any, ends: tuple[Any, Any], longest: tuple[Any, Any]) -> Iterator[tuple[int, int]]:
    """FLOPs of both products, sequence by sequence. Without values (on meta) every sequence is the longest."""
    q, k, v = (tensor.shape for tensor in (query, key, value))
    if ends[0] is None:
        yield _scores((q[0], q[2], q[1], q[3]), (k[0], k[2], k[1], k[3]), (v[0], v[2], v[1], v[3]))
        return
    for s, t in zip(*[_lengths(bounds, most) for bounds, most in zip(ends, longest, strict=True)], strict=True):
        yield _scores((1, q[-2], s, q[-1]), (1, k[-2], t, k[-1]), (1, v[-2], t, v[-1]))


def _lengths(ends: torch.Tensor, longest: Any) -> list[int]:
    if ends.is_meta or isinstance(ends, torch._subclasses.FakeTensor):
        return [int(longest)] * (int(ends.shape[0]) - 1)
    return [int(length) for length in ends.diff().tolist()]


def _summed(products: Iterator[tuple[int, int]]) -> tuple[int, int]:
    scores, mixed = zip(*products, strict=True)
    return sum(scores), sum(mixed)


@counts(aten._flash_attention_forward)
def _flash(
    query: Any, key: Any, value: Any, ends_q: Any, ends_k: Any, longest_q: Any, longest_k: Any, *args: Any, out: Any,
    **kwargs: Any,
) -> int:  # fmt: skip
    return sum(_summed(_by_sequence(query, key, value, (ends_q, ends_k), (longest_q, longest_k))))


@counts(aten._flash_attention_backward)
def _flash_backward(
    grad: Any, query: Any, key: Any, value: Any, made: Any, logsumexp: Any, ends_q: Any, ends_k: Any, longest_q: Any,
    longest_k: Any, *args: Any, out: Any, **kwargs: Any,
) -> Flops:  # fmt: skip
    return _gradients(*_summed(_by_sequence(query, key, value, (ends_q, ends_k), (longest_q, longest_k))))


@counts(aten._efficient_attention_forward)
def _efficient(
    query: Any, key: Any, value: Any, bias: Any, ends_q: Any, ends_k: Any, longest_q: Any, longest_k: Any, *args: Any, out: Any,
    **kwargs: Any,
) -> int:  # fmt: skip
    return sum(_summed(_by_sequence(query, key, value, (ends_q, ends_k), (longest_q, longest_k))))


@counts(aten._efficient_attention_backward)
def _efficient_backward(
    grad: Any, query: Any, key: Any, value: Any, bias: Any, made: Any, ends_q: Any, ends_k: Any, longest_q: Any, longest_k: Any,
    *args: Any, out: Any, **kwargs: Any,
) -> Flops:  # fmt: skip
    return _gradients(*_summed(_by_sequence(query, key, value, (ends_q, ends_k), (longest_q, longest_k))))
