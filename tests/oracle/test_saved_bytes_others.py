"""Proves that the `eager` and `sdpa` kernels keep, to the byte, what autograd really saves for transformers' encoders, scans and
vision models with the loss in: every small config of every family, in FP32 and in pure BF16, at several lengths and batch sizes.

The trace is torch.autograd.graph.saved_tensors_hooks on real CPU tensors; each storage that the graph still holds counts once,
those of parameters and buffers not at all. Scans are the plain PyTorch that transformers runs without mamba-ssm, causal-conv1d and
flash-linear-attention, and the loops over tokens of RWKV and RecurrentGemma. Labels, types of segments and a decoder's ids are
tensors of their own, as a data loader hands them over.

Where CUDA takes another kernel than the CPU, a stand-in of the same signature keeps what CUDA's keeps (`Cuda`); what a kernel
keeps otherwise is counted where it is called, by name, and said in words in `differences.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from bursar.kernels import MODULES
from bursar.model import load
from bursar.plan import Plan

from . import reference
from .differences import DIFFERENCES
from .saved import DTYPES, Differences, native_dropout
from .small import SMALL
from .test_saved_bytes_moe import GroupedProduct, Held
from .values import Values

torch = pytest.importorskip("torch", reason="the oracle is PyTorch: pip install torch")
moe = pytest.importorskip("transformers.integrations.moe", reason="the oracle is transformers 5")

from bursar.measure.cuda import EfficientAttention, aligned  # noqa: E402
from bursar.measure.models import training_inputs  # noqa: E402

FAMILIES = (
    "bert", "falcon_mamba", "jamba", "mamba", "mamba2", "nemotron_h", "qwen2_5_vl", "qwen2_vl", "qwen3_next", "recurrent_gemma",
    "roberta", "rwkv", "siglip", "t5", "vit", "whisper", "zamba2",
)  # fmt: skip
CONFIGS = [name for name, values in SMALL.items() if values["model_type"] in FAMILIES]
SHAPES = [(7, 2), (20, 1), (16, 3)]  # length, sequences
FUSED = torch.nn.functional.scaled_dot_product_attention
LOG_SIGMOID = torch.nn.functional.logsigmoid


class Cuda(Differences):
    """What CUDA has in the place of the CPU's kernels."""

    def attended(self, q: Any, k: Any, v: Any, attn_mask: Any = None, dropout_p: float = 0.0, **named: Any) -> Any:
        if attn_mask is None:
            return FUSED(q, k, v, **named)
        assert not named.get("enable_gqa")
        return EfficientAttention.apply(q, k, v, aligned(attn_mask, q.dtype))

    def log_sigmoid(self, x: Any) -> Any:
        self.bytes["log-sigmoid buffer"] -= x.numel() * x.dtype.itemsize
        return LOG_SIGMOID(x)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Bytes that CUDA keeps beyond what is traced, by name, as the kernels are called."""
    kernels = Cuda()
    monkeypatch.setattr(torch.nn.functional, "dropout", native_dropout)
    monkeypatch.setattr(torch.nn.functional, "layer_norm", kernels.normed)
    monkeypatch.setattr(torch.nn.functional, "logsigmoid", kernels.log_sigmoid)
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", kernels.attended)
    monkeypatch.setattr(moe, "_grouped_mm", lambda x, weight, offs: GroupedProduct.apply(x.to(weight.dtype), weight, offs))
    return kernels.bytes


def arguments(values: Values, precision: str, seq: int, batch: int) -> dict[str, Any]:
    """Data of a training step, every tensor with a storage of its own."""
    return training_inputs(values, seq, batch, DTYPES[precision])


def nodes(loss: Any) -> Iterator[Any]:
    """The nodes of the graph that a loss leads to."""
    found = [loss.grad_fn]
    for node in found:
        yield node
        found += {following for following, _ in node.next_functions if following is not None}.difference(found)


def held_bytes(model: Any, given: dict[str, Any]) -> int:
    """Bytes of the storages that the graph of a loss holds.

    What a hook has packed of a node that saves its own result (exp, sqrt) is never freed, not even of a node that no loss leads to;
    without hooks it is. So the graph is asked, node by node, and not which tensors are alive.
    """
    own = {tensor.untyped_storage()._cdata for tensor in (*model.parameters(), *model.buffers())}
    held: set[Held] = set()

    def unpack(found: Held) -> Any:
        held.add(found)
        return found.tensor

    with torch.autograd.graph.saved_tensors_hooks(Held, unpack):
        loss = model(**given).loss
    assert loss.requires_grad
    for node in nodes(loss):
        for name in dir(node):
            if name == "saved_tensors" or name.startswith("_saved_"):
                getattr(node, name)  # unpacks them
    storages = {storage._cdata: storage.nbytes() for storage in (found.tensor.untyped_storage() for found in held)}
    return sum(size for storage, size in storages.items() if storage not in own)


def check(values: Values, kernels: str, precision: str, seq: int, batch: int, cuda: Counter[str]) -> None:
    ours = load(values).activations(Plan(kernels=kernels, precision=precision, micro_batch=batch), seq)
    model = reference.build(values, device="cpu", attention=kernels, experts=None).to(DTYPES[precision]).train()
    cuda.clear()
    traced = held_bytes(model, arguments(values, precision, seq, batch)) + sum(cuda.values())
    assert ours.total == traced, {entry.path: entry.value for entry in ours.entries}


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("kernels", ["eager", "sdpa"])
@pytest.mark.parametrize("name", CONFIGS)
def test_what_autograd_saves(name: str, kernels: str, precision: str, cuda: Counter[str]) -> None:
    for seq, batch in SHAPES:
        check(SMALL[name], kernels, precision, seq, batch, cuda)


@pytest.mark.parametrize("name", ["recurrent_gemma", "rwkv"])
def test_loops_of_few_tokens(name: str, cuda: Counter[str]) -> None:
    """The first token has no state before it, and nothing reads the state after the last."""
    for precision in DTYPES:
        for seq, batch in [(1, 1), (1, 2), (2, 1), (3, 2)]:
            check(SMALL[name], "sdpa", precision, seq, batch, cuda)


@pytest.mark.parametrize(("seq", "batch"), [(64, 1), (64, 2), (128, 3)])
def test_whole_chunks_of_a_delta_rule(seq: int, batch: int, cuda: Counter[str]) -> None:
    """Where no token has to be filled up nothing is copied into order on the way."""
    for precision in DTYPES:
        check(SMALL["qwen3_next"], "eager", precision, seq, batch, cuda)


def test_every_family_is_traced_with_a_config_of_its_own() -> None:
    assert set(FAMILIES) <= set(MODULES)
    assert {SMALL[name]["model_type"] for name in CONFIGS} == set(FAMILIES)


@pytest.mark.parametrize(
    "function", ["gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_python", "quick_gelu", "relu", "silu"]
)
def test_every_activation(function: str, cuda: Counter[str]) -> None:
    name = "siglip" if function == "quick_gelu" else "bert"
    values = SMALL[name]
    changed = {**values, "hidden_act": function}
    if name == "siglip":
        changed = {**values, "text_config": {**values["text_config"], "hidden_act": function}}
    check(changed, "eager", "bf16-pure", 7, 2, cuda)


def test_both_heads_of_bert(cuda: Counter[str]) -> None:
    """Pre-training has one more loss, and its pooler reads a view of what the masked head reads."""
    transformers = pytest.importorskip("transformers")
    for precision in DTYPES:
        values = {**SMALL["bert"], "architectures": ["BertForPreTraining"]}
        ours = load(values).activations(Plan(kernels="eager", precision=precision, micro_batch=2), 7)
        config = transformers.AutoConfig.for_model(**SMALL["bert"])
        config._attn_implementation = "eager"
        model = transformers.BertForPreTraining(config).to(DTYPES[precision]).train()
        cuda.clear()
        following = {"next_sentence_label": torch.zeros(2, dtype=torch.long)}
        traced = held_bytes(model, {**arguments(values, precision, 7, 2), **following}) + sum(cuda.values())
        assert ours.total == traced, {entry.path: entry.value for entry in ours.entries}


@pytest.mark.parametrize("projection", ["gelu", "gelu_new", "silu", "gated-relu", "gated-silu"])
def test_every_feed_forward_of_t5(projection: str, cuda: Counter[str]) -> None:
    check({**SMALL["t5"], "feed_forward_proj": projection}, "eager", "bf16-pure", 7, 2, cuda)


# switches that no small config has
SWITCHES: list[tuple[str, Values]] = [
    ("mamba", {"residual_in_fp32": False}),
    ("mamba2", {"residual_in_fp32": False, "chunk_size": 2}),
    ("vit", {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}),
    ("whisper", {"attention_dropout": 0.1, "activation_dropout": 0.1, "dropout": 0.1}),
]


@pytest.mark.parametrize(("name", "switch"), SWITCHES)
def test_switches(name: str, switch: Values, cuda: Counter[str]) -> None:
    for precision in DTYPES:
        for seq, batch in SHAPES:
            check({**SMALL[name], **switch}, "eager", precision, seq, batch, cuda)


def test_what_differs_is_said_in_words(cuda: Counter[str]) -> None:
    check(SMALL["siglip"], "sdpa", "bf16-pure", 7, 2, cuda)
    (row,) = DIFFERENCES["siglip"]
    beyond = {row.tensor: row.described(SMALL["siglip"], 2, 7, 2) - row.traced(SMALL["siglip"], 2, 7, 2)}
    assert {name: value for name, value in cuda.items() if name != "statistics"} == beyond
