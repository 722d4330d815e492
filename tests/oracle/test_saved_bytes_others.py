"""Proves that the `eager` and `sdpa` kernels keep, to the byte, what autograd really saves for transformers' encoders, scans and
vision models with the loss in: every small config of every family, in FP32 and in pure BF16, at several lengths and batch sizes.

The trace is torch.autograd.graph.saved_tensors_hooks on real CPU tensors, with CUDA's kernels where they keep something else
(`saved.py`); each storage that the graph still holds counts once, those of parameters and buffers not at all. Scans are the plain
PyTorch that transformers runs without mamba-ssm, causal-conv1d and flash-linear-attention, and the loops over tokens of RWKV and
RecurrentGemma. Labels, types of segments and a decoder's ids are tensors of their own, as a data loader hands them over.
"""

from __future__ import annotations

import pytest

from bursar.kernels import MODULES

from .saved import DTYPES, compare
from .small import SMALL
from .values import Values

FAMILIES = (
    "bert", "falcon_mamba", "jamba", "mamba", "mamba2", "nemotron_h", "qwen2_5_vl", "qwen2_vl", "qwen3_next", "recurrent_gemma",
    "roberta", "rwkv", "siglip", "t5", "vit", "whisper", "zamba2",
)  # fmt: skip
CONFIGS = [name for name, values in SMALL.items() if values["model_type"] in FAMILIES]
SHAPES = [(7, 2), (20, 1), (16, 3)]  # length, sequences


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("kernels", ["eager", "sdpa"])
@pytest.mark.parametrize("name", CONFIGS)
def test_what_autograd_saves(name: str, kernels: str, precision: str) -> None:
    for seq, batch in SHAPES:
        compare(SMALL[name], kernels, precision, seq, batch)


@pytest.mark.parametrize("name", ["recurrent_gemma", "rwkv"])
def test_loops_of_few_tokens(name: str) -> None:
    """The first token has no state before it, and nothing reads the state after the last."""
    for precision in DTYPES:
        for seq, batch in [(1, 1), (1, 2), (2, 1), (3, 2)]:
            compare(SMALL[name], "sdpa", precision, seq, batch)


ONE_HEAD: list[tuple[str, Values]] = [
    ("whisper", {"decoder_attention_heads": 1}),
    ("mamba2", {"num_heads": 1, "head_dim": 72, "n_groups": 1}),
]


@pytest.mark.parametrize(("name", "switch"), [("whisper", {}), *ONE_HEAD])
def test_one_head_and_one_token(name: str, switch: Values) -> None:
    """What is copied into another order of heads and tokens is a view where there is one of them."""
    for precision in DTYPES:
        for seq, batch in [(1, 2), (11, 2)]:
            compare({**SMALL[name], **switch}, "sdpa", precision, seq, batch)


@pytest.mark.parametrize(("seq", "batch"), [(64, 1), (64, 2), (128, 3)])
def test_whole_chunks_of_a_delta_rule(seq: int, batch: int) -> None:
    """Where no token has to be filled up nothing is copied into order on the way."""
    for precision in DTYPES:
        compare(SMALL["qwen3_next"], "eager", precision, seq, batch)


def test_every_family_is_traced_with_a_config_of_its_own() -> None:
    assert set(FAMILIES) <= set(MODULES)
    assert {SMALL[name]["model_type"] for name in CONFIGS} == set(FAMILIES)


@pytest.mark.parametrize(
    "function", ["gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_python", "quick_gelu", "relu", "silu"]
)
def test_every_activation(function: str) -> None:
    name = "siglip" if function == "quick_gelu" else "bert"
    values = SMALL[name]
    changed = {**values, "hidden_act": function}
    if name == "siglip":
        changed = {**values, "text_config": {**values["text_config"], "hidden_act": function}}
    compare(changed, "eager", "bf16-pure", 7, 2)


def test_both_heads_of_bert() -> None:
    """Pre-training has one more loss, and its pooler reads a view of what the masked head reads."""
    for precision in DTYPES:
        compare({**SMALL["bert"], "architectures": ["BertForPreTraining"]}, "eager", precision, 7, 2)


@pytest.mark.parametrize("projection", ["gelu", "gelu_new", "silu", "gated-relu", "gated-silu"])
def test_every_feed_forward_of_t5(projection: str) -> None:
    compare({**SMALL["t5"], "feed_forward_proj": projection}, "eager", "bf16-pure", 7, 2)


# switches that no small config has
SWITCHES: list[tuple[str, Values]] = [
    ("mamba", {"residual_in_fp32": False}),
    ("mamba2", {"residual_in_fp32": False, "chunk_size": 2}),
    ("vit", {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}),
    ("whisper", {"attention_dropout": 0.1, "activation_dropout": 0.1, "dropout": 0.1}),
]


@pytest.mark.parametrize(("name", "switch"), SWITCHES)
def test_switches(name: str, switch: Values) -> None:
    for precision in DTYPES:
        for seq, batch in SHAPES:
            compare({**SMALL[name], **switch}, "eager", precision, seq, batch)
