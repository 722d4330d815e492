"""Exact parameter counts of published models, each written out from its layer, and equal to the count of the catalog's tree.

The arithmetic is that of the papers, tensor by tensor; the number beside it is the one that the released weights have.
"""

from __future__ import annotations

import pytest

import bursar


def gated(h: int, f: int) -> int:
    """Gate, up and down of a SwiGLU layer (arXiv:2002.05202)."""
    return 3 * h * f


def grouped(h: int, a: int, k: int, d: int) -> int:
    """Q and O of `a` heads, K and V of `k` heads of width `d` (arXiv:2305.13245)."""
    return 2 * h * a * d + 2 * h * k * d


def latent(h: int, a: int, q: int, kv: int, nope: int, rope: int, v: int) -> int:
    """Multi-head latent attention with the norms of both latents (arXiv:2405.04434, section 2.1)."""
    query = h * q + q + q * a * (nope + rope)
    keys = h * (kv + rope) + kv + kv * a * (nope + v)
    return query + keys + a * v * h


def llama(layers: int, h: int, f: int, a: int, k: int, vocab: int, *, biases: int = 0) -> int:
    """Embedding and head, layers with two norms, and the last norm."""
    return 2 * vocab * h + layers * (grouped(h, a, k, h // a) + gated(h, f) + 2 * h + biases) + h


def gpt2(layers: int, h: int, vocab: int, positions: int) -> int:
    """12h² + 13h a layer: four products of h², two of 4h², biases of 3h + h + 4h + h, two norms of 2h; the head is tied."""
    return (vocab + positions) * h + layers * (12 * h**2 + 13 * h) + 2 * h


# Qwen3: two norms of a layer, and a norm of d = 128 for the heads of Q and another for those of K (arXiv:2505.09388)
QWEN3_8B = 2 * 151936 * 4096 + 36 * (grouped(4096, 32, 8, 128) + gated(4096, 12288) + 2 * 4096 + 2 * 128) + 4096
QWEN3_235B_OUTSIDE = grouped(4096, 64, 4, 128) + 2 * 4096 + 2 * 128 + 4096 * 128  # of a layer; the last is the router
QWEN3_235B = 2 * 151936 * 4096 + 94 * (QWEN3_235B_OUTSIDE + 128 * gated(4096, 1536)) + 4096
QWEN3_235B_ACTIVE = QWEN3_235B - 94 * (128 - 8) * gated(4096, 1536)  # 8 of 128 experts see a token

MIXTRAL_LAYER = grouped(4096, 32, 8, 128) + 8 * gated(4096, 14336) + 4096 * 8 + 2 * 4096
MIXTRAL = 2 * 32000 * 4096 + 32 * MIXTRAL_LAYER + 4096

# DeepSeek-V3: 3 dense layers, then 58 with one shared and 256 routed experts, a router and its correction bias (arXiv:2412.19437)
DEEPSEEK_OUTSIDE = latent(7168, 128, 1536, 512, 128, 64, 128) + 2 * 7168
DEEPSEEK_MOE = DEEPSEEK_OUTSIDE + (1 + 256) * gated(7168, 2048) + 256 * 7168 + 256
DEEPSEEK = 2 * 129280 * 7168 + 3 * (DEEPSEEK_OUTSIDE + gated(7168, 18432)) + 58 * DEEPSEEK_MOE + 7168
DEEPSEEK_ACTIVE = DEEPSEEK - 58 * (256 - 8) * gated(7168, 2048)
DEEPSEEK_MTP = 2 * 7168 + 2 * 7168 * 7168 + DEEPSEEK_MOE + 7168  # two norms, the projection of the pair, a layer, the last norm

TOTALS = {
    "llama-3-8b": (llama(32, 4096, 14336, 32, 8, 128256), 8_030_261_248),
    "llama-3-70b": (llama(80, 8192, 28672, 64, 8, 128256), 70_553_706_496),
    "llama-2-7b": (llama(32, 4096, 11008, 32, 32, 32000), 6_738_415_616),
    "qwen2-72b": (llama(80, 8192, 29568, 64, 8, 152064, biases=(64 + 2 * 8) * 128), 72_706_203_648),
    "qwen3-8b": (QWEN3_8B, 8_190_735_360),
    "qwen3-235b-a22b": (QWEN3_235B, 235_093_634_560),
    "mixtral-8x7b": (MIXTRAL, 46_702_792_704),
    "deepseek-v3": (DEEPSEEK, 671_026_419_200),
    "gpt2": (gpt2(12, 768, 50257, 1024), 124_439_808),
    "gpt3-175b": (gpt2(96, 12288, 50257, 2048), 174_604_259_328),
}


@pytest.mark.parametrize("name", TOTALS)
def test_the_catalog_counts_what_the_paper_says(name: str) -> None:
    arithmetic, published = TOTALS[name]
    assert bursar.load(name).params() == arithmetic == published


@pytest.mark.parametrize(
    ("name", "arithmetic", "published"),
    [("qwen3-235b-a22b", QWEN3_235B_ACTIVE, 22_190_763_520), ("deepseek-v3", DEEPSEEK_ACTIVE, 37_552_297_472)],
)
def test_a_token_uses_the_experts_that_it_is_sent_to(name: str, arithmetic: int, published: int) -> None:
    assert bursar.load(name).parameters().active == arithmetic == published


def test_a_dense_model_uses_all_its_parameters() -> None:
    found = bursar.load("llama-3-70b").parameters()
    assert found.active == found.total


def test_the_mtp_module_of_deepseek_v3_shares_embedding_and_head() -> None:
    """Arithmetic of arXiv:2412.19437, section 2.2: both tables are those of the main model."""
    with_module = bursar.load("deepseek-v3", mtp=True).params()
    assert with_module - bursar.load("deepseek-v3").params() == DEEPSEEK_MTP == 11_610_068_224


def test_a_tied_head_is_counted_once() -> None:
    found = bursar.load("gpt2").parameters()
    assert (found.embedding, found.head) == ((50257 + 1024) * 768, 0)
