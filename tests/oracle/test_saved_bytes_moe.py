"""Proves that the `eager` and `sdpa` kernels keep, to the byte, what autograd really saves for transformers' mixtures of experts
and latent attention with the loss in: every small config of every family, in FP32 and in pure BF16, at two lengths and batch sizes.

The trace is torch.autograd.graph.saved_tensors_hooks on real CPU tensors, with CUDA's kernels where they keep something else
(`saved.py`); each storage counts once, those of parameters and buffers not at all.
"""

from __future__ import annotations

import pytest

from bursar.kernels import MODULES
from bursar.model import load
from bursar.plan import Plan

from . import reference, saved
from .saved import DTYPES, compare, kept_bytes, torch
from .small import SMALL
from .values import Values

FAMILIES = (
    "deepseek_v2", "deepseek_v3", "deepseek_v32", "ernie4_5_moe", "glm4_moe", "glm_moe_dsa", "gpt_oss", "granitemoe",
    "hunyuan_v1_moe", "kimi_k2", "llama4", "llama4_text", "minimax", "minimax_m2", "mixtral", "olmoe", "phimoe", "qwen2_moe",
    "qwen3_moe",
)  # fmt: skip
CONFIGS = [name for name, values in SMALL.items() if values["model_type"] in FAMILIES]
SHAPES = [(7, 2), (20, 1)]  # length, sequences


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("kernels", ["eager", "sdpa"])
@pytest.mark.parametrize("name", CONFIGS)
def test_what_autograd_saves(name: str, kernels: str, precision: str) -> None:
    for seq, batch in SHAPES:
        compare(SMALL[name], kernels, precision, seq, batch)


def test_every_family_is_traced_with_a_config_of_its_own() -> None:
    assert set(FAMILIES) <= set(MODULES)
    assert {SMALL[name]["model_type"] for name in CONFIGS} == set(FAMILIES)


# switches that no small config has: the sum that chosen weights are divided by, masked groups, noise, many chunks
SWITCHES: list[tuple[str, Values]] = [
    ("qwen3_moe", {"norm_topk_prob": True}),
    ("qwen2_moe", {"norm_topk_prob": True}),
    ("olmoe", {"norm_topk_prob": True}),
    ("deepseek_v3", {"norm_topk_prob": False}),
    ("glm4_moe", {"norm_topk_prob": False}),
    ("deepseek_v2", {"topk_method": "greedy"}),
    ("deepseek_v2", {"topk_method": "group_limited_greedy", "n_group": 2, "topk_group": 1}),
    ("phimoe", {"input_jitter_noise": 0.0}),
    ("minimax", {"block_size": 3}),
    ("llama4_text", {"attn_temperature_tuning": False}),
]


@pytest.mark.parametrize(("name", "switch"), SWITCHES)
def test_switches(name: str, switch: Values) -> None:
    for precision in DTYPES:
        for seq, batch in SHAPES:
            compare({**SMALL[name], **switch}, "eager", precision, seq, batch)


@pytest.mark.parametrize("name", ["mixtral", "deepseek_v3", "gpt_oss"])
def test_dropout_of_written_out_attention(name: str) -> None:
    for precision in DTYPES:
        compare({**SMALL[name], "attention_dropout": 0.1}, "eager", precision, 7, 2)


@pytest.mark.parametrize("name", ["mixtral", "qwen2_moe", "deepseek_v3", "gpt_oss", "phimoe"])
def test_a_loop_over_experts(name: str) -> None:
    for precision in DTYPES:
        compare(SMALL[name], "eager", precision, 7, 2, experts="eager")


@pytest.mark.parametrize("experts", [None, "eager"])
def test_what_is_kept_does_not_depend_on_the_routing(experts: str | None) -> None:
    """Ids of all kinds are routed otherwise than one id for all tokens, which all go to the same experts."""
    ids = torch.arange(40).reshape(2, 20)
    compare(SMALL["mixtral"], "sdpa", "bf16-pure", 20, 2, experts=experts, input_ids=ids, labels=ids.clone())


FROZEN = ("mixtral", "qwen2_moe", "granitemoe", "hunyuan_v1_moe", "glm4_moe", "gpt_oss")  # traced with adapters


@pytest.mark.filterwarnings("ignore::FutureWarning:transformers.*", "ignore::UserWarning:peft.*")
@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("name", FROZEN)
def test_adapters_beside_frozen_experts(name: str, precision: str) -> None:
    """LoRA at Q and V: frozen experts and routers hand a gradient on and have none, so that they keep less."""
    pytest.importorskip("peft", reason="the oracle of adapters is PEFT: pip install peft")
    from .test_adapters import adapted

    for kernels in ("eager", "sdpa"):
        plan = Plan(lora_rank=3, lora_targets="q,v", kernels=kernels, precision=precision, micro_batch=2)
        model = reference.build(SMALL[name], device="cpu", attention=kernels, experts=None)
        model = adapted(model, plan).to(DTYPES[precision]).train()
        ours, ids = load(SMALL[name]).activations(plan, 7), reference.tokens(7, 2, "cpu")
        with saved.kernels():
            traced = kept_bytes(model, input_ids=ids, labels=ids, use_cache=False)
        assert ours.total == traced, {entry.path: entry.value for entry in ours.entries}


ALIGNED: dict[str, Values] = {
    "mixtral": {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2},
    "gpt_oss": {"hidden_size": 64, "intermediate_size": 32, "head_dim": 16},
}


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("name", ALIGNED)
def test_the_real_grouped_product(name: str, precision: str) -> None:
    """Rows of a multiple of 16 bytes, which `grouped_mm` takes itself: no stand-in."""
    compare({**SMALL[name], **ALIGNED[name]}, "eager", precision, 20, 2)


def test_a_layer_of_mixtral() -> None:
    """Term by term: h = 4096, a = 32 heads of d = 128, k = 8 of them for K and V, f = 14336, 2 of 8 experts, s = 4096, BF16."""
    found = load("mixtral-8x7b").activations(Plan(kernels="sdpa", precision="bf16-pure"), 4096)
    h, d, k, f, a, s, copies = 4096, 128, 8, 14336, 32, 4096, 2 * 4096
    norms = 2 * (4 * h + 2 * h + 4) * s  # x in FP32, x/rms(x), 1/rms(x)
    attention = (2 * h + 2 * h + 2 * 2 * k * d + 2 * h + 4 * a) * s  # norm's result, Q, K and V, the result, its log-sum
    router = (
        2 * h + 4 * 8 + 8 * 2 + 4 * 2 + 4 + 4 * 2
    ) * s  # norm's result, softmax, choice, weights as chosen, their sum, in order
    experts = (2 * h + 2 * 4 * f + 2 * h + 3 * 8) * copies + 4 * 8  # inputs, gate, SiLU, up, product, outputs, places; row ends
    assert found.layers[0].bytes == norms + attention + router + experts


def test_a_latent_layer_of_deepseek_v3() -> None:
    """Term by term: h = 7168, 128 heads, latents of 1536 and 512, heads of 128 + 64 and 128 elements, 8 of 256 experts of 2048
    beside a shared one, s = 4096, BF16."""
    found = load("deepseek-v3").activations(Plan(kernels="sdpa", precision="bf16-pure"), 4096)
    h, a, s, copies, f = 7168, 128, 4096, 8 * 4096, 2048
    norms = 2 * (6 * h + 4) * s + (6 * 1536 + 4) * s + (6 * 512 + 4) * s
    latent = 2 * (h + 1536 + 512) * s  # norms' results, which the projections read
    attention = (2 * a * (192 + 192 + 256 + 128) + 4 * a) * s  # Q, K, the tensor that V is a part of, the result, its log-sum
    router = (4 * h + 4 * 256 + 8 * 8 + 4 * 8 + 4 + 4 * 8) * s + 4 * h * 256  # copies in FP32 of what it reads and of its weight
    experts = (2 * h + 2 * 4 * f + 2 * h + 3 * 8) * copies + 4 * 256
    shared = 2 * (h + 4 * f) * s
    assert found.layers[-1].bytes == norms + latent + attention + router + experts + shared
