"""Proves that adapters and frozen layers cost what they cost in PyTorch: trained and frozen parameters, gradient bytes, FLOPs of
the backward pass, and the bytes that autograd keeps, for transformers' modules with PEFT's adapters of every kind.

Every number is exact. What autograd keeps is taken by torch.autograd.graph.saved_tensors_hooks at the end of the forward pass: each
storage that the graph still holds counts once, those of parameters and buffers not at all (DoRA makes a graph that it throws away).
PEFT keeps adapters in FP32 where the model is in BF16, unless it is asked not to; they are in the model's dtype here.
"""

from __future__ import annotations

from typing import Any

import pytest

from bursar import Plan, Training, load
from bursar.errors import PlanError
from bursar.kernels import frozen as frozen_kernels
from bursar.model import Model
from bursar.recompute import CHECKPOINTS

from . import reference
from .reference import flop_counter
from .saved import DTYPES, kept_bytes, kernels, training_inputs
from .small import SMALL
from .test_saved_bytes_moe import FROZEN
from .values import Values

torch = pytest.importorskip("torch", reason="the oracle is PyTorch: pip install torch")
peft = pytest.importorskip("peft", reason="the oracle of adapters is PEFT: pip install peft")

pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning:transformers.*", "ignore:.*fan_in_fan_out.*", "ignore::UserWarning:peft.*"
)
QUIET = {"attn_pdrop": 0.0, "resid_pdrop": 0.0, "embd_pdrop": 0.0}
MODELS: dict[str, Values] = {
    "llama": SMALL["llama"],
    "llama-biases-tied": SMALL["llama-biases-tied"],
    "qwen2": SMALL["qwen2"],
    "qwen3": SMALL["qwen3"],
    "gpt2": {**SMALL["gpt2"], **QUIET},
}
RANK = 3
MODULES = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "out": "o_proj", "gate": "gate_proj", "up": "up_proj", "down": "down_proj"}
TARGETS = [None, "q,v", "k", "up", "gate,down", "out", "all-linear"]
CASES = [(name, targets) for name in MODELS for targets in (TARGETS if name != "gpt2" else [None, "c_proj", "all-linear"])]


def adapted(model: Any, plan: Plan) -> Any:
    """The model with PEFT's adapters."""
    words = plan.lora_targets
    targets = words if words in (None, "all-linear") else [MODULES.get(word, word) for word in words.split(",")]
    config = peft.LoraConfig(
        r=plan.lora_rank, target_modules=targets, lora_dropout=plan.lora_dropout, use_dora=plan.adapter == "dora",
        use_rslora=plan.adapter == "rslora", fan_in_fan_out=model.config.model_type == "gpt2",
    )  # fmt: skip
    return peft.get_peft_model(model, config, autocast_adapter_dtype=False)


def frozen(model: Any, layers: int) -> Any:
    """The model with its embedding and its first layers frozen."""
    model.get_input_embeddings().requires_grad_(False)
    for layer in model.model.layers[:layers]:
        layer.requires_grad_(False)
    return model


def prepared(values: Values, plan: Plan, device: str, attention: str = "sdpa") -> Any:
    model = reference.build(values, device=device, attention=attention)
    return (adapted(model, plan) if plan.lora_rank else frozen(model, plan.freeze_layers)).train()


def compare_bytes(values: Values, plan: Plan, seq: int = 7, batch: int = 2) -> None:
    dtype = DTYPES[plan.precision]
    model = prepared(values, plan, "cpu", plan.kernels).to(dtype)
    with kernels():
        traced = kept_bytes(model, **training_inputs(values, seq, batch, dtype))
    found = load(values).activations(plan, seq)
    assert found.total == traced - orphan_bytes(values, plan, dtype.itemsize), {entry.path: entry.value for entry in found.entries}


def orphan_bytes(values: Values, plan: Plan, width: int) -> int:
    """The row m/n − 1 of the first layer, kept for a gradient that PEFT throws away (see `orphans`)."""
    thrown = plan.adapter == "dora" and plan.lora_dropout and values["model_type"] == "gpt2"
    return 3 * values["n_embd"] * width if thrown else 0


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("kernels", ["eager", "sdpa"])
@pytest.mark.parametrize(("name", "targets"), CASES)
def test_what_autograd_keeps(name: str, targets: str | None, kernels: str, precision: str) -> None:
    plan = Plan(lora_rank=RANK, lora_targets=targets, kernels=kernels, precision=precision, micro_batch=2)
    compare_bytes(MODELS[name], plan)


# a config of every other family
TRACED = (
    "mistral", "bloom", "cohere", "cohere2", "ernie4_5", "falcon", "gemma", "gemma2", "gemma3_text", "glm", "glm4", "gpt_neo",
    "gpt_neox", "gptj", "granite", "hunyuan_v1_dense", "nemotron", "olmo", "olmo2", "opt-unbiased", "phi", "phi3", "stablelm",
    "starcoder2",
)  # fmt: skip


@pytest.mark.parametrize("name", TRACED)
def test_every_traced_family(name: str) -> None:
    """Adapters on all products of attention."""
    values = {key: 0.0 if key.endswith(("pdrop", "dropout")) else value for key, value in SMALL[name].items()}
    model = reference.build(values, device="cpu")
    modules = {
        part
        for part, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and ("attn" in part or "attention" in part)
    }
    model = peft.get_peft_model(model, peft.LoraConfig(r=RANK, target_modules=modules), autocast_adapter_dtype=False).train()
    plan = Plan(lora_rank=RANK, lora_targets="attn", kernels="sdpa", precision="fp32", micro_batch=2)
    found = load(values).activations(plan, 7)
    with kernels():
        traced = kept_bytes(model, **training_inputs(values, 7, 2, torch.float32))
    assert found.total == traced, {entry.path: entry.value for entry in found.entries}


def test_what_is_not_traced_with_frozen_weights_is_refused() -> None:
    families = {SMALL[name]["model_type"] for name in (*TRACED, *MODELS)}
    assert families | set(FROZEN) == set(frozen_kernels.FAMILIES)
    with pytest.raises(PlanError, match="frozen weights is not traced"):
        load(SMALL["minimax_m2"]).activations(Plan(lora_rank=RANK, kernels="sdpa"), 7)


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("kind", ["lora", "rslora", "dora"])
@pytest.mark.parametrize("name", MODELS)
def test_every_kind(name: str, kind: str, dropout: float, precision: str) -> None:
    plan = Plan(lora_rank=RANK, adapter=kind, lora_dropout=dropout, kernels="sdpa", precision=precision, micro_batch=2)
    compare_bytes(MODELS[name], plan)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("kernels", ["eager", "sdpa"])
@pytest.mark.parametrize("name", ["llama", "llama-biases-tied", "qwen2", "qwen3"])
def test_frozen_layers(name: str, layers: int, kernels: str) -> None:
    compare_bytes(MODELS[name], Plan(freeze_layers=layers, kernels=kernels, precision="bf16-pure", micro_batch=2))


@pytest.mark.parametrize("kind", ["lora", "dora"])
@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
@pytest.mark.parametrize("name", ["llama", "qwen2"])
def test_under_checkpoints(name: str, checkpoint: str, kind: str) -> None:
    """Layers under checkpoints, as transformers puts them: bytes that autograd keeps, FLOPs that are executed. Under reentrant ones
    the embedding's result is made to ask for a gradient. The tables of rotary positions are held by Python."""
    values, (seq, batch) = MODELS[name], (7, 2)
    plan = Plan(
        lora_rank=RANK, adapter=kind, recompute="full", checkpoint=checkpoint, kernels="eager", precision="fp32", micro_batch=batch
    )
    model = prepared(values, plan, "cpu", "eager")
    model.gradient_checkpointing_enable({"use_reentrant": checkpoint == "reentrant"})
    getattr(model, "enable_input_require_grads" if checkpoint == "reentrant" else "disable_input_require_grads")()
    ids = torch.zeros((batch, seq), dtype=torch.long)
    found = load(values).activations(plan, seq)
    assert found.total - found.shared == kept_bytes(model, input_ids=ids, labels=ids, use_cache=False)
    with flop_counter.FlopCounterMode(display=False) as counter:
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
    assert Training(load(values), plan, length=seq).executed_flops == counter.get_total_flops()


def trainable(model: Model) -> int:
    return sum(times * sum(block.trained) for _, times, block in model.architecture.parts())


@pytest.mark.parametrize("kind", ["lora", "dora"])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize(("name", "targets"), CASES)
def test_parameters_and_flops(name: str, targets: str | None, dropout: float, kind: str) -> None:
    """Trained and all parameters; forward and backward FLOPs; bytes of gradients."""
    plan = Plan(lora_rank=RANK, lora_targets=targets, adapter=kind, lora_dropout=dropout)
    compare_counts(MODELS[name], plan)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("name", ["llama", "llama-biases-tied", "qwen2", "qwen3", "mixtral", "qwen3_moe"])
def test_frozen_parameters_and_flops(name: str, layers: int) -> None:
    compare_counts(SMALL[name], Plan(freeze_layers=layers))


OTHERS = [
    *[(name, None) for name in ("phi", "opt", "gpt_neox", "gptj", "falcon", "bloom", "gemma2", "stablelm")],
    *[(name, "q_proj,v_proj") for name in ("mixtral", "qwen3_moe", "olmo2", "starcoder2", "granite", "cohere")],
    *[("deepseek_v3", targets) for targets in ("q_a_proj,q_b_proj,o_proj", "kv_a_proj_with_mqa,kv_b_proj")],
    *[(name, "all-linear") for name in ("olmo2", "phi", "opt", "gpt_neox", "falcon", "bloom", "phi3")],
    *[(name, "all-linear") for name in ("glm4", "gemma2", "starcoder2")],
    ("phi3", "qkv_proj"), ("phi3", "gate_up_proj"), ("glm", "gate_up_proj,k_proj"), ("falcon", "query_key_value,dense_4h_to_h"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "targets"), OTHERS)
def test_other_families(name: str, targets: str | None) -> None:
    """PEFT's own choice, and names of transformers; the parts of a product that is one matrix there share an adapter."""
    compare_counts(SMALL[name], Plan(lora_rank=RANK, lora_targets=targets))


@pytest.mark.parametrize("name", ["falcon", "phi3", "glm"])
def test_dora_of_fused_products(name: str) -> None:
    plan = Plan(lora_rank=RANK, lora_targets="all-linear", adapter="dora", lora_dropout=0.1)
    compare_counts(SMALL[name], plan)


def orphans(model: Model, plan: Plan, tokens: int) -> int:
    """FLOPs of gradients that PEFT computes and throws away: DoRA with a dropout makes a new parameter of a Conv1D's transposed
    weight, which asks for a gradient."""
    if plan.adapter != "dora" or not plan.lora_dropout or model.architecture.family != "gpt2":
        return 0
    products = [line.op for times, line in model.architecture.walk(model.step(7)) for _ in range(times) if ".dropped" in line.path]
    return sum(2 * tokens * op.d_in * op.d_out for op in products)


def compare_counts(values: Values, plan: Plan, seq: int = 7, batch: int = 2) -> None:
    ours = load(values).tuned(plan)
    model = prepared(values, plan, "meta")
    buffers = sum(reference.causes.biases(model).values())
    assert ours.params() == buffers + sum(tensor.numel() for tensor in model.parameters())
    assert trainable(ours) == sum(tensor.numel() for tensor in model.parameters() if tensor.requires_grad)
    ids = reference.tokens(seq, batch)
    with flop_counter.FlopCounterMode(display=False) as forward:
        loss = model(input_ids=ids, labels=ids, use_cache=True).loss
    with flop_counter.FlopCounterMode(display=False) as backward:
        loss.backward()
    found = ours.flops(seq, batch)
    assert found.forward == forward.get_total_flops()
    assert found.backward + orphans(ours, plan, seq * batch) == backward.get_total_flops()
    gradients = [tensor.grad for tensor in model.parameters() if tensor.grad is not None]
    assert sum(gradient.numel() for gradient in gradients) == trainable(ours)
