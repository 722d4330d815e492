"""What FlopCounterMode counts of the chunked linear attentions of transformers, beside what they cost."""

from __future__ import annotations

CHUNK = 64


def padded(seq: int) -> tuple[int, int]:
    """Tokens, and pairs within chunks, of a length that is filled up to whole chunks."""
    chunks = -(-seq // CHUNK)
    return chunks * CHUNK, chunks * CHUNK**2


def real(seq: int, chunk: int = CHUNK) -> int:
    """Pairs within chunks of the tokens that there are."""
    whole, rest = divmod(seq, chunk)
    return whole * chunk**2 + rest**2


def state_gradients(rows: int, first: int, last: int, k: int, v: int, reads: int) -> int:
    """Gradients that there are not: of the zero state, which `reads` products of the first chunk read, and of the last chunk's new
    state, which nothing reads, with respect to both of its factors."""
    return 2 * rows * (reads * first + 2 * last) * k * v


def convolution(seq: int, batch: int, channels: int, kernel: int) -> tuple[int, int]:
    """(counted, real) FLOPs of a causal depthwise convolution: F.conv1d fills up on both sides and what is past the end is cut
    off; a sequence shorter than the kernel is filled up to it for the cache."""
    return 2 * batch * channels * kernel * (max(seq, kernel) + kernel - 1), 2 * batch * channels * kernel * seq


def convolution_backward(seq: int, batch: int, channels: int, kernel: int) -> int:
    """What the count has too much: it takes the gradient of a depthwise weight for that of a full (channels, channels) one."""
    counted, _ = convolution(seq, batch, channels, kernel)
    return counted * (channels - 1)
