"""A hand count of Llama-3-70B on 64 devices: tp 8 with sequence parallelism, pp 4, dp 2, ZeRO-1, 8,192 tokens, BF16.

The first of four stages holds the embedding and 20 of 80 layers, and four micro-batches in flight. Everything that it holds
is written out here, tensor by tensor, and must be what the stage's account says to the byte. Counted by hand with rounding
it is 25.37 GiB of states and 20.95 GiB of activations.
"""

from __future__ import annotations

import pytest

from bursar import Plan, Training, load
from bursar.memory.peaks import Memory

GIB = 2**30
H, F, A, K, D, VOCAB = 8192, 28672, 64, 8, 128, 128256
S, B, T, DP = 8192, 1, 8, 2
LAYERS, IN_FLIGHT = 80 // 4, 4  # layers of a stage; 1F1B: the first of four stages holds four micro-batches
SBH = S * B * H

NORMS = 2 * H  # not cut: every rank holds both whole
PRODUCTS = 2 * H * A * D + 2 * H * K * D + 3 * H * F
PARAMETERS = LAYERS * (PRODUCTS // T + NORMS) + VOCAB * H // T


@pytest.fixture(scope="module")
def first() -> Memory:
    plan = Plan(tensor=T, sequence=True, pipeline=4, data=DP, zero=1, micro_batch=B, precision="bf16", grad_dtype="fp32")
    assert plan.devices == 64
    return Training(load("llama-3-70b").architecture, plan, length=S, global_batch=512).memory()[0]


def test_states(first: Memory) -> None:
    """BF16 weights 2, FP32 gradients 4, and masters 4 and Adam's moments 8 spread over two ranks: 12 bytes per parameter."""
    states = first.weights + first.gradients + first.master_weights + first.optimizer_state
    assert pytest.approx(2.2705e9, rel=2e-4) == PARAMETERS
    assert states == PARAMETERS * (2 + 4 + (4 + 8) // DP)
    assert states / GIB == pytest.approx(25.37, abs=0.02)


def test_activations(first: Memory) -> None:
    """Of a layer 33.5 sbh bytes: x, norm, Q, attention, sum and norm 2 each; K and V 4·k/a; gate, up and product 6·f/h."""
    layer = 12 * SBH + 4 * SBH * K // A + 6 * S * B * F
    assert layer == 33.5 * SBH
    log_sum_exp = 4 * A * S * B  # FP32, one per head and query
    statistics = 2 * 4 * S * B  # FP32, one per token and norm
    ids = 8 * S * B  # 64-bit, whole on every rank
    tables = 4 * S * D  # rotary angles in FP32, one table for all layers and micro-batches
    expected = LAYERS * IN_FLIGHT * (layer + log_sum_exp + statistics) // T + IN_FLIGHT * ids + tables
    assert first.activations == expected
    assert first.activations / GIB == pytest.approx(20.95, abs=0.02)


def test_the_first_stage_has_no_logits(first: Memory) -> None:
    assert first.logits == 0
