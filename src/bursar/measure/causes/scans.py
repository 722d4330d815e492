"""State-space mixers and recurrences as transformers runs them where no CUDA kernels are installed, on any device.

Mamba's scan runs token by token: its only matrix product is y = C h. Mamba 2 fills the sequence up to whole chunks, repeats B and C
for every head of a group, and carries the states from chunk to chunk by one product with a square of decays instead of a scan.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bursar.measure.causes.work import Work, cut_off, work

BY_ELEMENT = "cause_by_element"


def mamba(mixer: Any, seq: int, batch: int, *, cached: bool) -> Iterator[Work]:
    """Δ A, (Δ x) B, a multiply-add of h and one of C h for every element of the state and token (arXiv:2312.00752, section 3.2)."""
    channels, states = int(mixer.intermediate_size), int(mixer.ssm_state_size)
    yield work("scan", batch * seq * channels * states * (1 + 1 + 2 + 2), BY_ELEMENT)
    yield work("linear", -2 * batch * seq * channels * states, "cause_read_out")
    yield cut_off(channels, int(mixer.conv_kernel_size), seq, batch, cached=cached)


def mamba2(mixer: Any, seq: int, batch: int, *, cached: bool) -> Iterator[Work]:
    heads, head_dim, groups = int(mixer.num_heads), int(mixer.head_dim), int(mixer.n_groups)
    states, chunk = int(mixer.ssm_state_size), int(mixer.chunk_size)
    yield work("scan", 2 * batch * _chunked(heads, head_dim, groups, states, chunk, seq), "cause_scan")
    written = 2 * batch * heads * _filled_up(head_dim, states, chunk, seq)
    yield work("linear", -written, "cause_written_scan")
    yield cut_off(heads * head_dim + 2 * groups * states, int(mixer.conv_kernel_size), seq, batch, cached=cached)


def _chunked(heads: int, head_dim: int, groups: int, states: int, chunk: int, seq: int) -> int:
    """Multiply-adds of the block decomposition (arXiv:2405.21060, section 6); the last chunk may be shorter."""
    total = 0
    for size in [min(chunk, seq - start) for start in range(0, seq, chunk)]:
        total += groups * size * size * states  # C Bᵀ, once for the heads of a group
        total += heads * size * size * head_dim  # its product with x
        total += 2 * heads * size * states * head_dim  # the state that the chunk adds; what the state before it gives
        total += heads * states * head_dim  # the decayed state before it, added
    return total


def _filled_up(head_dim: int, states: int, chunk: int, seq: int) -> int:
    """Multiply-adds of a head where every chunk is whole and chunks + 1 states are products of a square of decays. `einsum` makes a
    product that sums over one element (a state of size 1, a chunk of one token) element by element."""
    chunks = -(-seq // chunk)
    products = (  # the size that each sums over, and its outputs
        (states, chunks * chunk * chunk),  # C Bᵀ
        (chunk, chunks * chunk * head_dim),  # its product with x
        (chunk, chunks * states * head_dim),  # the states that the chunks add
        (chunks + 1, (chunks + 1) * states * head_dim),  # the square of decays
        (states, chunks * chunk * head_dim),  # what the states before give
    )
    return sum(inner * outputs for inner, outputs in products if inner > 1)


def griffin(block: Any, seq: int, batch: int, *, cached: bool) -> Iterator[Work]:
    """The gated input, its scale, and a multiply-add of h for every channel (arXiv:2402.19427, section 2.4)."""
    channels = int(block.lru_width)
    yield work("scan", batch * seq * channels * (1 + 1 + 2), BY_ELEMENT)
    yield cut_off(channels, int(block.conv_1d.kernel_size[0]), seq, batch, cached=False)


def rwkv(attention: Any, seq: int, batch: int, *, cached: bool) -> Iterator[Work]:
    """Two running sums, the numerator with three operations and the denominator with two, and four for the quotient of both with
    the current token added (arXiv:2305.13048, section 3.1.2)."""
    yield work("scan", batch * seq * int(attention.attention_hidden_size) * (3 + 2 + 4), BY_ELEMENT)
