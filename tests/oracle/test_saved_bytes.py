"""Proves that the `eager` and `sdpa` kernels keep, to the byte, what autograd really saves for transformers' modules with the loss
in: per layer and for the whole model, in FP32 and in pure BF16, for two lengths and two batch sizes.

The trace is torch.autograd.graph.saved_tensors_hooks on real CPU tensors, with CUDA's kernels where they keep something else
(`saved.py`); each storage counts once, those of parameters and buffers not at all.
"""

from __future__ import annotations

import pytest

from bursar.errors import PlanError
from bursar.model import load
from bursar.plan import Plan

from .saved import DTYPES, compare, traced
from .small import SMALL

PLAIN = {
    "llama": {},
    "llama-biases-tied": {},
    "llama-head_dim": {},
    "mistral": {},
    "qwen2": {},
    "qwen3": {},
    "qwen3-biases-tied": {},
    "gpt2": {"attn_pdrop": 0.0, "resid_pdrop": 0.0, "embd_pdrop": 0.0, "activation_function": "gelu"},
    "gpt2-wide-untied": {"attn_pdrop": 0.0, "resid_pdrop": 0.0, "embd_pdrop": 0.0},
}
DROPOUT = {"attn_pdrop": 0.1, "resid_pdrop": 0.1, "embd_pdrop": 0.1}


@pytest.mark.parametrize(("seq", "batch"), [(7, 2), (20, 1)])
@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("kernels", ["eager", "sdpa"])
@pytest.mark.parametrize("name", PLAIN)
def test_what_autograd_saves(name: str, kernels: str, precision: str, seq: int, batch: int) -> None:
    compare({**SMALL[name], **PLAIN[name]}, kernels, precision, seq, batch)


@pytest.mark.parametrize("function", ["gelu", "gelu_new", "gelu_pytorch_tanh", "relu"])
def test_with_dropout_and_every_activation(function: str) -> None:
    compare({**SMALL["gpt2"], **DROPOUT, "activation_function": function}, "eager", "bf16-pure", 20, 2)


def test_one_more_layer_adds_the_bytes_of_a_layer() -> None:
    two, three = ({**SMALL["llama"], "num_hidden_layers": layers} for layers in (2, 3))
    kept = [traced(values, "sdpa", "bf16-pure", 20, 2) for values in (two, three)]
    plan = Plan(kernels="sdpa", precision="bf16-pure", micro_batch=2)
    assert kept[1] - kept[0] == load(three).activations(plan, 20).layers[0].bytes


# h, f, heads, KV heads, sequences, length, kernels, and the layer's bytes with its rotary tables, as traced at full size
LLAMA_LAYERS = [
    (512, 1408, 8, 2, 2, 512, "sdpa", 22_716_416),
    (512, 1408, 8, 2, 2, 512, "eager", 49_422_336),
    (4096, 14336, 32, 8, 1, 8192, "sdpa", 1_649_475_584),
    (8192, 28672, 64, 8, 1, 8192, "sdpa", 3_261_136_896),
]


@pytest.mark.parametrize(("h", "f", "a", "k", "b", "s", "kernels", "traced"), LLAMA_LAYERS)
def test_llama_layers(h: int, f: int, a: int, k: int, b: int, s: int, kernels: str, traced: int) -> None:
    values = {**SMALL["llama"], "hidden_size": h, "intermediate_size": f, "num_attention_heads": a, "num_key_value_heads": k}
    found = load(values).activations(Plan(kernels=kernels, precision="bf16-pure", micro_batch=b), s)
    d = h // a
    assert found.shared == 4 * s * d  # cos and sin, one for all layers
    assert found.layers[0].bytes + found.shared == traced
    if kernels == "sdpa":  # sbh(12 + 4 + 4q + 4g + 8f/h) + 8sb + 4bas + 4sd with q = ad/h, g = kd/h
        assert traced == s * b * (16 * h + 4 * a * d + 4 * k * d + 8 * f) + 8 * s * b + 4 * b * a * s + 4 * s * d


def test_whole_llama_3_8b() -> None:
    found = load("llama-3-8b").activations(Plan(kernels="sdpa", precision="bf16-pure"), 8192)
    assert found.total == 57_124_487_180
    assert found.head == 6 * 8192 * 4096 + 4 * 8192 + 2 * 8192 * 4096  # final norm, and its output
    assert found.loss == 4 * 8192 * 128_256 + 8 * 8193 + 4  # log-softmax in FP32, shifted labels, the weight of the mean


# activation, kernels, dropout, and the layer's bytes: b = 2, s = 512, as CUDA keeps it
GPT2_LAYERS = [
    ("gelu", "eager", 0.1, 58_212_352),
    ("gelu_new", "eager", 0.1, 77_086_720),
    ("gelu", "sdpa", 0.0, 25_231_360),
]


@pytest.mark.parametrize(("function", "kernels", "p", "kept"), GPT2_LAYERS)
def test_gpt2_layers(function: str, kernels: str, p: float, kept: int) -> None:
    values = {"model_type": "gpt2", "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024, "vocab_size": 50257}
    dropout = dict.fromkeys(("attn_pdrop", "resid_pdrop", "embd_pdrop"), p)
    found = load({**values, **dropout, "activation_function": function}).activations(
        Plan(kernels=kernels, precision="bf16-pure", micro_batch=2), 512
    )
    assert found.layers[0].bytes == kept


@pytest.mark.parametrize("name", ["grok-1", "palm"])
def test_what_was_not_traced_is_refused(name: str) -> None:
    with pytest.raises(PlanError, match="not traced"):
        load(SMALL[name]).activations(Plan(kernels="sdpa"), 20)
