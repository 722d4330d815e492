"""What transformers' slow paths multiply in state-space mixers, and what we count instead.

Without the CUDA kernels, on any device, three products differ from the algorithm that is counted:

- A causal convolution is padded on both sides and cut to the sequence: the outputs of every channel beside it are thrown away.
- Mamba's scan runs token by token. Its only matrix product is y = C h; the counter sees no element-wise product.
- Mamba 2 pads the sequence to whole chunks, repeats B and C for every head of a group, and carries the states from chunk to chunk
  by one product with a square of decays instead of a scan.

The scan is therefore written out here as arithmetic, beside the counter's number, and what the slow path did instead is taken off.
"""

from __future__ import annotations


def outputs_cut_off(channels: int, kernel: int, seq: int, batch: int) -> int:
    """FLOPs of the outputs per channel that are cut off: kernel − 1 behind the end of the sequence, and those before its start
    where a short sequence was padded to the width of the cached convolution state."""
    return 2 * batch * (_outputs(kernel, seq) - seq) * channels * kernel


def _outputs(kernel: int, seq: int) -> int:
    return max(seq, kernel) + kernel - 1


def lacking_of_convolution(channels: int, kernel: int, seq: int, batch: int) -> int:
    """What the counter's backward pass lacks, below zero: its formula for the gradient of the filters does not know groups, and
    takes every channel's filter to meet every channel."""
    return -2 * batch * _outputs(kernel, seq) * channels * kernel * (channels - 1)


def scan_of_mamba(channels: int, states: int, seq: int, batch: int) -> int:
    """Δ A, (Δ x) B, a multiply-add of h and one of C h for every element of the state and token (arXiv:2312.00752, section 3.2)."""
    return batch * seq * channels * states * (1 + 1 + 2 + 2)


def slow_scan_of_mamba(channels: int, states: int, seq: int, batch: int) -> int:
    """C h, the one matrix product, token by token."""
    return 2 * batch * seq * channels * states


def scan_of_mamba2(heads: int, head_dim: int, groups: int, states: int, chunk: int, seq: int, batch: int) -> int:
    """Block decomposition (arXiv:2405.21060, section 6), chunk by chunk; the last one may be shorter."""
    sizes = [min(chunk, seq - start) for start in range(0, seq, chunk)]
    total = 0
    for size in sizes:
        total += groups * size * size * states  # C Bᵀ, once for the heads of a group
        total += heads * size * size * head_dim  # its product with x
        total += 2 * heads * size * states * head_dim  # the state that the chunk adds; what the state before it gives
        total += heads * states * head_dim  # the decayed state before it, added
    return 2 * batch * total


def slow_scan_of_mamba2(heads: int, head_dim: int, states: int, chunk: int, seq: int, batch: int) -> int:
    """Every head has its own C Bᵀ, every chunk is whole, and chunks + 1 states are products of a square of decays. `einsum` makes a
    product that sums over one element (a state of size 1, a chunk of one token) element by element, and the counter sees none."""
    chunks = -(-seq // chunk)
    products = (  # the size that each sums over, and its outputs for a head
        (states, chunks * chunk * chunk),  # C Bᵀ
        (chunk, chunks * chunk * head_dim),  # its product with x
        (chunk, chunks * states * head_dim),  # the states that the chunks add
        (chunks + 1, (chunks + 1) * states * head_dim),  # the square of decays
        (states, chunks * chunk * head_dim),  # what the states before give
    )
    return 2 * batch * heads * sum(inner * outputs for inner, outputs in products if inner > 1)
