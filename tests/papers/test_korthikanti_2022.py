"""Reducing Activation Recomputation in Large Transformer Models (arXiv:2205.05198): our tree gives its equations.

A GPT-2 tree over symbols, cut by the plan's rewrites, with the `textbook` kernels that keep what section 4 lists, must be
equal to every printed formula as an identity; GPT-3 then gives the bytes.
"""

from __future__ import annotations

from typing import Any

import pytest
import sympy

from bursar import Plan, Step, load
from bursar.memory import peaks
from bursar.tree import Block

s, b, h, a, t = sympy.symbols("s b h a t", positive=True, integer=True)
TEXTBOOK = "textbook"
LENGTH, HIDDEN, HEADS, LAYERS, VOCAB = 2048, 12288, 96, 96, 50257  # GPT-3 (arXiv:2005.14165, table 2.1)


def gpt_layer() -> Block:
    """The layer of the paper's figure 2, over symbols: head width h/a, feed-forward 4h, dropout."""
    return load("gpt3-175b").in_words.trunk[0].block


def kept(mode: str = "none", **degrees: Any) -> sympy.Expr:
    """Bytes that a rank keeps for one layer, by our rewrites and kernels."""
    plan = Plan(kernels=TEXTBOOK, precision="fp16", **degrees)
    return peaks.load(plan.block(gpt_layer()), Step(b, s), plan, plan.kernels_of("gpt2"), mode).kept


def same(ours: sympy.Expr, printed: sympy.Expr) -> bool:
    return sympy.simplify(ours - printed) == 0


def test_layer_parameters() -> None:
    """The layer that the paper counts in: weights of 12h², biases of 9h and norms of 4h."""
    assert same(sum(gpt_layer().parameters), 12 * h**2 + 13 * h)


def test_equation_1_activations_per_layer() -> None:
    assert same(kept(), s * b * h * (34 + 5 * a * s / h))


def test_equation_2_tensor_parallelism() -> None:
    assert same(kept(tensor=t), s * b * h * (10 + 24 / t + 5 * a * s / (h * t)))


def test_equation_4_tensor_and_sequence_parallelism() -> None:
    assert same(kept(tensor=t, sequence=True), s * b * h / t * (34 + 5 * a * s / h))


def test_equation_6_selective_recomputation() -> None:
    assert same(kept("selective", tensor=t, sequence=True), 34 * s * b * h / t)


def test_table_2_selective_recomputation_without_sequence_parallelism() -> None:
    assert same(kept("selective", tensor=t), s * b * h * (10 + 24 / t))


def test_table_2_full_recomputation() -> None:
    """Only the input of the layer is stored; with tensor parallelism every rank has it whole."""
    assert same(kept("full"), 2 * s * b * h)
    assert same(kept("full", tensor=t), 2 * s * b * h)


def test_section_4_1_terms() -> None:
    """Attention 11sbh + 5as²b, feed-forward 19sbh, two norms 4sbh."""
    plan = Plan(kernels=TEXTBOOK, precision="fp16")
    items = list(gpt_layer().kept(Step(b, s), plan.kernels_of("gpt2").keeps))
    of = {item.path: plan.recipe.rate[item.kind] * item.elements for item in items}
    core = {path: size for path, size in of.items() if path.startswith("attn.core.")}
    assert same(sum(core.values()), 5 * a * s**2 * b)  # softmax 2, its mask 1, its dropout's output 2
    norms = of.pop("x") + of.pop("attn.add")
    assert same(norms, 4 * s * b * h)
    mlp = sum(size for path, size in of.items() if path.startswith("mlp."))
    assert same(mlp, 19 * s * b * h)  # input 2, GELU's input 8 and output 8, mask 1
    attention = sum(size for path, size in of.items() if path.startswith("attn.") and path not in core)
    assert same(attention, 11 * s * b * h)  # input 2, Q K 4, V 2, input of the projection 2, mask 1


SBH = LENGTH * HIDDEN
SCORES = 5 * HEADS * LENGTH // HIDDEN  # 5as/h = 80
GPT3_LAYER = {
    "none": (Plan(kernels=TEXTBOOK), SBH * (34 + SCORES), 2_868_903_936),
    "tensor": (Plan(kernels=TEXTBOOK, tensor=8), SBH * (10 + 24 // 8 + SCORES // 8), 578_813_952),
    "sequence": (Plan(kernels=TEXTBOOK, tensor=8, sequence=True), SBH * (34 + SCORES) // 8, 358_612_992),
    "selective": (Plan(kernels=TEXTBOOK, tensor=8, sequence=True, recompute="selective"), SBH * 34 // 8, 106_954_752),
    "full": (Plan(kernels=TEXTBOOK, recompute="full"), SBH * 2, 50_331_648),
}


@pytest.mark.parametrize("case", GPT3_LAYER)
def test_a_layer_of_gpt3(case: str) -> None:
    plan, arithmetic, expected = GPT3_LAYER[case]
    (layer,) = load("gpt3-175b").activations(plan, LENGTH).layers
    assert layer.bytes == arithmetic == expected


def test_the_whole_gpt3() -> None:
    """Section 4.3: beside the layers, the mask of the embedding's dropout (1), the inputs of the last norm and of the output
    layer (2 and 2 per element), and the FP32 logits of the loss (4)."""
    found = load("gpt3-175b").activations(Plan(kernels=TEXTBOOK), LENGTH)
    assert found.embedding == SBH
    assert found.head == (2 + 2) * SBH
    assert found.loss == 4 * LENGTH * VOCAB
    assert found.total == LAYERS * SBH * (34 + SCORES) + 5 * SBH + 4 * LENGTH * VOCAB == 275_952_312_320


def test_section_4_3_over_symbols() -> None:
    """sbh for the dropout of the embedding, 2sbh + 2sbh for last norm and output layer, 4sbV for the logits."""
    model, plan = load("gpt3-175b").in_words, Plan(kernels=TEXTBOOK)
    vocab = sympy.Symbol("V", positive=True, integer=True)
    (stem,), (tail,) = (
        [peaks.load(block, Step(b, s), plan, plan.kernels_of("gpt2"), "none") for block in part]
        for part in (model.stem, model.tail)
    )
    assert same(stem.kept, s * b * h)
    assert same(tail.kept, 4 * s * b * h)
    assert same(tail.logits, 4 * s * b * vocab)


# Llama-3-8B, one sequence of 8,192 tokens: the same counting on a layer with grouped keys, SwiGLU and no dropout
TOKENS, H, F, A, KV = 8192, 4096, 14336, 32, 8 * 128
LLAMA_WITHOUT_CORE = 2 * TOKENS * (6 * H + 2 * KV + 4 * F)  # x, norm, Q, core's output, sum, norm; K, V; gate, up, SiLU, product
LLAMA_LAYER = {
    "textbook": (LLAMA_WITHOUT_CORE + 2 * A * TOKENS**2, 5_670_699_008),  # the softmax of every head
    "textbook,attention=flash": (LLAMA_WITHOUT_CORE + 4 * A * TOKENS, 1_376_780_288),  # its log-sum-exp in FP32
}


@pytest.mark.parametrize("kernels", LLAMA_LAYER)
def test_a_layer_of_llama_3_8b(kernels: str) -> None:
    arithmetic, expected = LLAMA_LAYER[kernels]
    (layer,) = load("llama-3-8b").activations(Plan(kernels=kernels), TOKENS).layers
    assert layer.bytes == arithmetic == expected
