"""Proves what autograd keeps under torch.autocast beside frozen weights, to the byte: PEFT's adapters of every kind on every family
that is traced with them, with a dropout and without, and frozen layers.

A frozen product keeps no copy of what it reads, and a copy of its weight wherever a gradient passes through it: autocast caches the
copies of trained weights alone, so that a frozen one is cast for every use. PEFT casts what an adapter reads to FP32 first.
"""

from __future__ import annotations

import pytest

from bursar import Plan, load

from . import reference
from .saved import kept_bytes, training_inputs
from .small import SMALL
from .test_adapters import CASES, FROZEN, MODELS, RANK, TRACED, adapted, frozen, peft
from .test_autocast import DTYPES, kernels, torch, under_autocast
from .values import Values

pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning:transformers.*", "ignore:.*fan_in_fan_out.*", "ignore::UserWarning:peft.*"
)
SEQ, BATCH = 7, 2


def on_attention(model: object, plan: Plan) -> object:
    """The model with adapters on all products of attention."""
    names = {
        name
        for name, module in model.named_modules()  # type: ignore[attr-defined]
        if isinstance(module, torch.nn.Linear) and ("attn" in name or "attention" in name)
    }
    return peft.get_peft_model(model, peft.LoraConfig(r=plan.lora_rank, target_modules=names), autocast_adapter_dtype=False)


def compare(values: Values, plan: Plan, *, attention: bool = False) -> None:
    dtype = DTYPES[plan.precision]
    with kernels(dtype):
        model = reference.build(values, device="cpu", attention=plan.kernels, experts=None).float()
        if plan.lora_rank:
            model = on_attention(model, plan) if attention else adapted(model, plan)
        else:
            model = frozen(model, plan.freeze_layers)
        given = training_inputs(values, SEQ, BATCH, torch.float32)
        traced = kept_bytes(under_autocast(model.train(), dtype), **given)
    ours = load(values).activations(plan, SEQ)
    assert ours.total == traced, {entry.path: entry.value for entry in ours.entries}


def quiet(values: Values) -> Values:
    return {key: 0.0 if key.endswith(("pdrop", "dropout")) else value for key, value in values.items()}


@pytest.mark.parametrize("profile", ["eager", "sdpa"])
@pytest.mark.parametrize("name", TRACED)
def test_every_family(name: str, profile: str) -> None:
    plan = Plan(lora_rank=RANK, lora_targets="attn", kernels=profile, precision="bf16-autocast", micro_batch=BATCH)
    compare(quiet(SMALL[name]), plan, attention=True)


@pytest.mark.parametrize("name", FROZEN)
def test_beside_frozen_experts(name: str) -> None:
    for profile in ("eager", "sdpa"):
        plan = Plan(lora_rank=RANK, lora_targets="q,v", kernels=profile, precision="fp16-autocast", micro_batch=BATCH)
        compare(SMALL[name], plan)


@pytest.mark.parametrize(("name", "targets"), CASES)
def test_every_target(name: str, targets: str | None) -> None:
    for profile, dropout in (("eager", 0.1), ("sdpa", 0.0)):
        plan = Plan(
            lora_rank=RANK,
            lora_targets=targets,
            lora_dropout=dropout,
            kernels=profile,
            precision="bf16-autocast",
            micro_batch=BATCH,
        )
        compare(MODELS[name], plan)


# GPT-2 with a dropout keeps what the gradient that PEFT throws away would need (`test_adapters.orphans`)
KINDS = [(name, dropout) for name in MODELS for dropout in (0.0, 0.1) if (name, dropout) != ("gpt2", 0.1)]


@pytest.mark.parametrize("kind", ["rslora", "dora"])
@pytest.mark.parametrize(("name", "dropout"), KINDS)
def test_every_kind(name: str, dropout: float, kind: str) -> None:
    plan = Plan(
        lora_rank=RANK, adapter=kind, lora_dropout=dropout, kernels="sdpa", precision="bf16-autocast", micro_batch=BATCH
    )  # fmt: skip
    compare(MODELS[name], plan)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("name", ["llama", "llama-biases-tied", "qwen2", "qwen3"])
def test_frozen_layers(name: str, layers: int) -> None:
    for profile in ("eager", "sdpa"):
        compare(MODELS[name], Plan(freeze_layers=layers, kernels=profile, precision="bf16-autocast", micro_batch=BATCH))
