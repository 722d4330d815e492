"""Losses that never hold whole logits, by hand on the head of Llama-3-8B with 8,192 tokens, and the dimension that they need."""

from __future__ import annotations

import numpy as np
import pytest

from bursar import Plan, Step, load
from bursar.dims import power_of_two
from bursar.memory.liveness import Passes
from bursar.memory.parts import sized

TOKENS, H, VOCAB = 8192, 4096, 128256


def head(loss: str) -> Passes:
    (block,) = load("llama-3-8b").architecture.tail
    plan = Plan(kernels=f"fused,loss={loss}")
    return Passes(sized(block, Step(1, TOKENS), plan.recipe.rate, plan.kernels_of("llama"), "none", "allocated"))


def test_fused_linear_keeps_the_two_gradients() -> None:
    """⌈V/h⌉ = 32 chunks of 256 tokens; beside the norm's input and statistics the gradients of hidden states and weight stay."""
    found = head("fused-linear")
    norm = 2 * TOKENS * H + 4 * TOKENS
    gradients = 2 * TOKENS * H + 2 * H * VOCAB
    assert found.kept.total == norm + gradients
    chunk, losses, hidden = 2 * 256 * VOCAB, 4 * TOKENS, 2 * TOKENS * H
    assert found.totals[0] == norm + gradients + chunk + losses + hidden


def test_chunked_keeps_the_hidden_states_only() -> None:
    """Backward, the logits of 512 tokens in BF16, their copy and its gradient in FP32, and that gradient rounded."""
    found = head("chunked")
    assert found.kept.total == 2 * 2 * TOKENS * H + 4 * TOKENS + 8 * TOKENS  # norm's input and output, statistics, labels
    logits = 512 * VOCAB
    assert found.totals[1] == found.kept.total - 8 * TOKENS + logits * (2 + 4 + 4 + 2) + 2 * TOKENS * H


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 255, 256, 257, 2**40 + 1])
def test_power_of_two(n: int) -> None:
    power = power_of_two(n)
    assert power >= n > power / 2
    assert power & (power - 1) == 0
    assert power_of_two(np.array([float(n)]))[0] == power
