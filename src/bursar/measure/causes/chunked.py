"""Linear attentions in chunks, as transformers writes them out where no CUDA kernels are installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bursar.measure.causes.work import Work, cut_off, work

CHUNK = 64  # tokens that transformers' delta rules take at once


def _filled_up(seq: int) -> tuple[int, int]:
    """Tokens, and pairs within chunks, of a length that is filled up to whole chunks."""
    chunks = -(-seq // CHUNK)
    return chunks * CHUNK, chunks * CHUNK**2


def _pairs(seq: int, chunk: int = CHUNK) -> int:
    """Pairs within chunks of the tokens that there are."""
    whole, rest = divmod(seq, chunk)
    return whole * chunk**2 + rest**2


def _states(rows: int, first: int, last: int, k: int, v: int, reads: int) -> Work:
    """Gradients that there are not: of the zero state, which `reads` products of the first chunk read, and of the last chunk's
    state, with respect to both of its factors."""
    return Work("scan", 0, 2 * rows * (reads * first + 2 * last) * k * v, "cause_states")


def delta_net(layer: Any, seq: int, batch: int, *, cached: bool) -> Iterator[Work]:
    """Qwen3-Next's gated delta rule: T K and T V are counted as products with a square matrix."""
    rows, k, v = batch * int(layer.num_v_heads), int(layer.head_k_dim), int(layer.head_v_dim)
    (tokens, pairs), real = _filled_up(seq), _pairs(seq)
    solved = real * (k + v)
    yield Work(
        "scan", rows * (2 * solved - pairs * (k + v)), rows * (4 * solved - 3 * pairs * (k + v)),
        "cause_solved",
    )  # fmt: skip
    yield work("scan", -2 * rows * ((pairs - real) * (2 * k + v) + (tokens - seq) * 3 * k * v), "cause_filled")
    yield _states(rows, CHUNK, CHUNK, k, v, reads=2)
    yield cut_off(int(layer.conv_dim), int(layer.conv_kernel_size), seq, batch, cached=cached)


def kimi_delta(layer: Any, seq: int, batch: int, *, cached: bool) -> Iterator[Work]:
    """Kimi Delta Attention. Its decay is one for every element, so that K Kᵀ and Q Kᵀ are no matrix products as written."""
    rows, d = batch * int(layer.num_heads), int(layer.head_dim)
    (tokens, pairs), real = _filled_up(seq), _pairs(seq)
    yield work("scan", 2 * rows * real * 2 * d, "cause_sums")
    yield work("scan", -2 * rows * ((pairs - real) * 3 * d + (tokens - seq) * 3 * d * d), "cause_filled")
    yield _states(rows, CHUNK, CHUNK, d, d, reads=2)
    yield cut_off(int(layer.conv_dim), int(layer.conv_kernel_size), seq, batch, cached=cached)


def lightning(layer: Any, seq: int, batch: int, *, cached: bool) -> Iterator[Work]:
    """MiniMax's lightning attention, in blocks that are not filled up."""
    rows, d, block = batch * int(layer.num_attention_heads), int(layer.head_dim), int(layer.block_size)
    yield _states(rows, min(seq, block), seq % block or block, d, d, reads=1)
