"""Proves what autograd keeps of transformers' modules under torch.autocast with FP32 weights, to the byte: the casts of weights and
of what products read, FP32 residual sums, norms and rotated heads; for the whole model of every small config of every family that
is traced at all, with `eager` and with `sdpa` kernels, of random configs, in BF16 and FP16, and the peak of a whole training step.

The trace is one of real CPU tensors with CUDA's lists of operators (`cuda_autocast.py`). Where CUDA takes another kernel than the
CPU, a stand-in keeps what CUDA's keeps, of tensors in the format that autocast hands to it: LayerNorm is given FP32, so that its
statistics are FP32 on the CPU as well, attention the narrow format, and a grouped product, which is in no list, what it is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any
from unittest.mock import patch

import pytest

from bursar import Plan, Training, load
from bursar.errors import PlanError
from bursar.kernels import CAST, IMPLEMENTATIONS, MODULES, Kernels, autocast, casts

from . import cuda_autocast, reference, saved, test_peak
from .families import spec
from .small import SMALL
from .test_saved_bytes_dense import FAMILIES as DENSE
from .values import Values

torch = pytest.importorskip("torch", reason="the oracle is PyTorch: pip install torch")

from .saved import cuda, held, training_inputs  # noqa: E402

DTYPES = {"bf16-autocast": torch.bfloat16, "fp16-autocast": torch.float16}
POSITIONS = ("max_position_embeddings", "n_positions")  # beyond the lengths here
NO_DROPOUT = {"attn_pdrop": 0.0, "resid_pdrop": 0.0, "embd_pdrop": 0.0}
NAMES = [name for name, values in SMALL.items() if values["model_type"] in MODULES]
RANDOM = sorted({*DENSE, "gpt2", "llama", "mistral", "qwen2", "qwen3"})


@contextmanager
def kernels(dtype: Any) -> Iterator[None]:
    """CUDA's kernels, given what autocast casts for them: LayerNorm FP32, attention the narrow format."""

    def normed(x: Any, *given: Any, **named: Any) -> Any:
        return cuda.layer_norm(x.float(), *given, **named)

    def attended(q: Any, k: Any, v: Any, *given: Any, **named: Any) -> Any:
        with torch.autocast("cpu", enabled=False):
            return cuda.attention(q.to(dtype), k.to(dtype), v.to(dtype), *given, **named)

    given = patch.multiple(torch.nn.functional, layer_norm=normed, scaled_dot_product_attention=attended)
    with saved.kernels(), given:
        yield


def under_autocast(model: Any, dtype: Any) -> Any:
    """A model whose forward pass, loss included, runs under autocast."""
    forward = model.forward

    def cast(*inputs: Any, **options: Any) -> Any:
        with cuda_autocast.autocast(dtype):
            return forward(*inputs, **options)

    model.forward = cast
    return model


def traced(values: Values, profile: str, precision: str, seq: int, batch: int) -> int:
    """Bytes of the storages that the graph of the loss holds, less what transformers is known to keep otherwise than described."""
    dtype = DTYPES[precision]
    with kernels(dtype):
        model = reference.build(values, device="cpu", attention=profile, experts=None).float().train()
        found = saved.kept_bytes(under_autocast(model, dtype), **training_inputs(values, seq, batch, torch.float32))
    return found + sum(difference for difference, _ in held.saved(values, torch.float32.itemsize, seq, batch))


def compare(values: Values, profile: str, seq: int, batch: int, precision: str = "bf16-autocast") -> None:
    ours = load(values).activations(Plan(kernels=profile, precision=precision, micro_batch=batch), seq)
    assert ours.total == traced(values, profile, precision, seq, batch), {entry.path: entry.value for entry in ours.entries}


@pytest.mark.parametrize(("kernels", "seq", "batch"), [("eager", 4, 2), ("sdpa", 20, 1)])
@pytest.mark.parametrize("name", NAMES)
def test_what_autograd_saves(name: str, kernels: str, seq: int, batch: int) -> None:
    values = {**SMALL[name], **(NO_DROPOUT if "n_embd" in SMALL[name] and kernels == "sdpa" else {})}
    compare(values, kernels, seq, batch)


@pytest.mark.parametrize("family", sorted(MODULES))
def test_several_sequences(family: str) -> None:
    """The other length of each of the two kernels, of the family's first config."""
    values = next(values for values in SMALL.values() if values["model_type"] == family)
    values = {**values, **(NO_DROPOUT if "n_embd" in values else {})}
    for kernels, seq, batch in [("eager", 16, 3), ("sdpa", 4, 2)]:
        compare(values, kernels, seq, batch, "fp16-autocast")


@pytest.mark.parametrize("family", [family for family in RANDOM if hasattr(spec(family), "random")])
def test_random_configs(family: str) -> None:
    pick = Random(family)
    for _ in range(3):
        values = {"model_type": family, **spec(family).random(pick)}  # type: ignore[union-attr]
        values |= {key: 64 for key in POSITIONS if key in values}
        seq, batch = pick.choice([(3, 2), (7, 1), (24, 3), (31, 1), (32, 2)])
        compare(values, pick.choice(["eager", "sdpa"]), seq, batch, pick.choice(list(DTYPES)))


# switches that no small config has: many chunks, sums that weights are divided by, capped and gated functions
SWITCHES: list[tuple[str, Values]] = [
    ("mamba2", {"chunk_size": 2, "residual_in_fp32": False}),
    ("minimax", {"block_size": 3}),
    ("qwen3_moe", {"norm_topk_prob": True}),
    ("deepseek_v3", {"norm_topk_prob": False}),
    ("deepseek_v2", {"topk_method": "group_limited_greedy", "n_group": 2, "topk_group": 1}),
    ("phimoe", {"input_jitter_noise": 0.0}),
    ("t5", {"feed_forward_proj": "gated-gelu"}),
    ("vit", {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}),
    ("gpt_oss", {"attention_dropout": 0.1}),
    ("falcon-rw", {"attention_dropout": 0.1}),
]


@pytest.mark.parametrize(("name", "switch"), SWITCHES)
def test_switches(name: str, switch: Values) -> None:
    compare({**SMALL[name], **switch}, "eager", 20, 2)


@pytest.mark.parametrize(("seq", "batch"), [(64, 1), (128, 3), (130, 2)])
def test_chunks_of_a_delta_rule(seq: int, batch: int) -> None:
    """One whole chunk, and three of them: the first state has no gradient, and nothing reads the last."""
    compare(SMALL["qwen3_next"], "eager", seq, batch)


@pytest.mark.parametrize("function", ["gelu", "gelu_new", "gelu_fast", "gelu_python", "gelu_pytorch_tanh", "relu", "silu"])
def test_every_activation(function: str) -> None:
    """A power runs in FP32, so that `gelu_new` makes FP32 of a narrow input; others stay narrow."""
    compare({**SMALL["gpt2"], "activation_function": function}, "eager", 20, 2, "fp16-autocast")


def test_the_lists_are_those_of_cuda() -> None:
    """Every operator that is cast here is one that CUDA casts; others that differ raise."""
    cast = {*cuda_autocast.FP32, *cuda_autocast.MAKES_FP32, *cuda_autocast.NARROW}
    assert cast <= cuda_autocast.differing() | {"prod"}  # which both cast
    x = torch.ones(3, 3)
    with cuda_autocast.autocast(torch.bfloat16):
        narrow = x @ x
        assert narrow.dtype == torch.bfloat16
        assert torch.softmax(narrow, -1).dtype == narrow.pow(2).dtype == narrow.sum().dtype == torch.float32
        assert torch.nn.functional.gelu(narrow).dtype == torch.bfloat16
        with pytest.raises(NotImplementedError, match="logsumexp"):
            torch.logsumexp(x, 0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.softmax(narrow, -1).dtype == torch.bfloat16  # the CPU's own list is back


def test_a_layer_of_gpt2() -> None:
    """The layer of Korthikanti et al. at h 768, b 2, s 512, as traced under autocast at full size."""
    h, a, b, s, p = 768, 12, 2, 512, 0.1
    values = {"model_type": "gpt2", "n_embd": h, "n_head": a, "n_layer": 12, "n_positions": 1024, "activation_function": "gelu"}
    values |= {**dict.fromkeys(NO_DROPOUT, p), "vocab_size": 50257}
    layers = [
        load(values).activations(Plan(kernels="eager", precision=precision, micro_batch=b), s).layers[0].bytes
        for precision in ("bf16-pure", "bf16-autocast")
    ]
    softmax, norms, weights = 2 * a * s * s * b, 2 * 2 * s * b * h, 2 * 12 * h * h
    assert layers == [58_212_352, 88_096_768] and layers[1] - layers[0] == softmax + norms + weights


def test_casts_are_entries_of_their_own() -> None:
    """A llama layer casts 2hq + 2hk + 3hf weights, the head hV; q, k, v, gate and up each cast what they read."""
    values, seq, batch = SMALL["llama"], 20, 2
    found = load(values).activations(Plan(kernels="sdpa", precision="bf16-autocast", micro_batch=batch), seq)
    h, f, vocab, layers, kv = 60, 77, 101, 3, 2 * 10
    weights = [entry for entry in found.entries if entry.path.endswith(".weight_cast")]
    assert sum(entry.value for entry in weights) == 2 * (layers * (2 * h * h + 2 * h * kv + 3 * h * f) + h * vocab)
    inputs = {entry.path: entry.value for entry in found.entries if entry.path.endswith(".input")}
    assert inputs == {
        **{f"layers.{name}.input": layers * 2 * batch * seq * h for name in ("attn.q", "attn.k", "attn.v", "mlp.gate", "mlp.up")},
        "head.head.input": 2 * batch * seq * h,
    }


def test_states_are_fp32() -> None:
    """FP32 weights, gradients and states, and no master copy: 4 + 4 + 8 bytes per parameter."""
    model = load(SMALL["llama"])
    (held,) = Training(model, Plan(kernels="sdpa", precision="bf16-autocast"), length=20).memory()
    n = model.params()
    assert (held.weights, held.gradients, held.master_weights, held.optimizer_state) == (4 * n, 4 * n, 0, 8 * n)


@pytest.mark.parametrize(("seq", "batch"), [(64, 2), (256, 1)])
@pytest.mark.parametrize("kernels", ["eager", "sdpa"])
@pytest.mark.parametrize("shape", test_peak.SHAPES)
def test_the_peak_of_a_step(shape: str, kernels: str, seq: int, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the loss, in a norm, in a softmax: but for Python's numbers (`test_peak.py`) to the byte."""
    values = test_peak.SHAPES[shape]
    test_peak.without_scratch(monkeypatch)
    build = reference.build
    monkeypatch.setattr(reference, "build", lambda *given, **named: under_autocast(build(*given, **named), torch.bfloat16))
    truth = test_peak.measured(values, kernels, "fp32", seq, batch, 1, "sgd")
    named = "sdpa,attention=flash-cpu" if kernels == "sdpa" else kernels
    monkeypatch.setattr("bursar.rules.tensors.TRACED", ("eager", named))
    ours, _ = test_peak.predicted(values, named, "bf16-autocast", seq, batch, 1, "sgd")
    layers = int(values["num_hidden_layers"])
    scalars = [test_peak.SCALAR * n for n in ((0.5, 1) if kernels == "sdpa" else (layers + 0.5, layers + 1))]
    assert truth.peak - ours in scalars


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_traced_family_is_traced_under_autocast() -> None:
    """Every family of `MODULES` has a config here, and none is refused."""
    assert {SMALL[name]["model_type"] for name in NAMES} == set(MODULES)
    for name in NAMES:
        Training(load(SMALL[name]), Plan(kernels="eager", precision="bf16-autocast"), length=4)


def test_the_tables_name_what_there_is() -> None:
    """Every row is of an implementation that a traced family has, or of a family."""
    used = {
        (slot, name) for family in MODULES for profile in ("eager", "sdpa") for slot, name in Kernels(profile, family).slots.items()
    }
    assert {*casts.FORMATS, *CAST, *autocast.UNLISTED, *autocast.BATCHED} <= used
    assert {("norm", name) for name in autocast.NORMED_AS_READ} | {("rotary", name) for name in autocast.TABLES_AS_READ} <= used
    assert {(slot, name) for (slot, _), name in CAST.items()} <= set(IMPLEMENTATIONS)
    families = {*autocast.ONE_PRODUCT, *autocast.NARROW_INPUTS, *autocast.ROTATED_AS_READ, *autocast.BIAS_APART}
    assert families <= set(MODULES)


REFUSED = [
    ({"kernels": "fused"}, "kernels=fused"),
    ({"kernels": "sdpa,loss=fused-linear"}, "kernels=sdpa,loss=fused-linear"),
    ({"tensor": 2}, "tp=2"),
    ({"context": 2}, "cp=2"),
    ({"lora_rank": 4, "weights": "nf4"}, "weights=nf4"),
    ({"schedule": "zb-h1", "pipeline": 2}, "schedule=zb-h1"),
]


@pytest.mark.parametrize(("options", "said"), REFUSED)
def test_what_is_not_traced_is_refused(options: dict[str, Any], said: str) -> None:
    values = {**SMALL["llama"], "intermediate_size": 76}  # tp=2 divides it
    plan = Plan(**{"kernels": "sdpa", "precision": "bf16-autocast", **options})
    with pytest.raises(PlanError, match=said) as caught:
        Training(load(values), plan, length=20, global_batch=8)
    assert caught.value.field == "precision"


def test_many_plans_at_once_are_as_one_by_one() -> None:
    np = pytest.importorskip("numpy")
    model, batches = load(SMALL["qwen3-listed-windows"]), [1, 2, 5]
    options = {"kernels": "sdpa", "precision": "bf16-autocast"}
    plan = Plan(**options, micro_batch=np.array(batches, dtype=float))
    many = Training(model, plan, length=20, checked=False).peak()
    assert list(many) == [Training(model, Plan(**options, micro_batch=batch), length=20).peak() for batch in batches]
