"""Proves that recomputation keeps and executes what torch.utils.checkpoint does on transformers' modules: bytes that autograd holds
after the forward pass, and FLOPs of forward and backward with what runs again, for reentrant checkpoints and for those that stop
early; whole layers, groups of layers, the first layers, and modules of a layer. Every number is exact.

Under a checkpoint of whole layers the tables of rotary positions are held by Python and not by autograd: they are taken off here.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from bursar import Plan, Training, load
from bursar.recompute import CHECKPOINTS

from . import reference
from .reference import flop_counter
from .saved import kept_bytes
from .small import SMALL
from .values import Values

torch = pytest.importorskip("torch", reason="the oracle is PyTorch: pip install torch")
checkpointing = pytest.importorskip("torch.utils.checkpoint")
attention = pytest.importorskip("transformers.modeling_utils").ALL_ATTENTION_FUNCTIONS

QUIET = {"attn_pdrop": 0.0, "resid_pdrop": 0.0, "embd_pdrop": 0.0}
MODELS: dict[str, Values] = {
    "llama": {**SMALL["llama"], "num_hidden_layers": 5},
    "qwen3": SMALL["qwen3"],
    "qwen2": SMALL["qwen2"],
    "gpt2": {**SMALL["gpt2"], **QUIET},
}
SEQ, BATCH = 11, 2


class Checkpoint(torch.nn.Module):  # type: ignore[name-defined,misc]
    """Modules one after another under one checkpoint."""

    def __init__(self, modules: list[Any], reentrant: bool) -> None:
        super().__init__()
        self.inside = torch.nn.ModuleList(modules)
        self.reentrant = reentrant

    def forward(self, x: Any, *rest: Any, **named: Any) -> Any:
        def run(x: Any) -> Any:
            for module in self.inside:
                x = module(x, *rest, **named)
            return x

        return checkpointing.checkpoint(run, x, use_reentrant=self.reentrant)


def layers_of(model: Any) -> tuple[Any, str]:
    """The module that has the layers, and the name that it has them under."""
    return (model.transformer, "h") if hasattr(model, "transformer") else (model.model, "layers")


def grouped(model: Any, group: int, first: int | None, reentrant: bool) -> None:
    """Puts layers under checkpoints: `group` at a time, or only the `first` ones."""
    home, name = layers_of(model)
    layers = list(getattr(home, name))
    count = len(layers) if first is None else first
    made = [Checkpoint(layers[i : min(i + group, count)], reentrant) for i in range(0, count, group)] + layers[count:]
    setattr(home, name, torch.nn.ModuleList(made))
    model.config.num_hidden_layers = home.config.num_hidden_layers = len(made)


def with_mlp(model: Any, reentrant: bool) -> None:
    home, name = layers_of(model)
    for layer in getattr(home, name):
        layer.mlp = Checkpoint([layer.mlp], reentrant)


def with_core(model: Any, reentrant: bool) -> None:
    """The attention core under a checkpoint of its own, with Q, K and V as its inputs."""
    written_out = import_module(type(model).__module__).eager_attention_forward
    plain = attention.get_interface(model.config._attn_implementation, written_out)

    def core(owner: Any, q: Any, k: Any, v: Any, mask: Any, **named: Any) -> Any:
        return checkpointing.checkpoint(lambda q, k, v: plain(owner, q, k, v, mask, **named), q, k, v, use_reentrant=reentrant)

    attention.register("checkpointed", core)
    for part in model.modules():
        if hasattr(part, "config"):
            part.config._attn_implementation = "checkpointed"


MODES: dict[str, Callable[[Any, bool], None]] = {
    "none": lambda model, reentrant: None,
    "full": lambda model, reentrant: grouped(model, 1, None, reentrant),
    "full:2": lambda model, reentrant: grouped(model, 2, None, reentrant),
    "full:4": lambda model, reentrant: grouped(model, 4, None, reentrant),
    "full:first=2": lambda model, reentrant: grouped(model, 1, 2, reentrant),
    "mlp": with_mlp,
    "selective": with_core,
}


def built(values: Values, mode: str, checkpoint: str, kernels: str) -> Any:
    model = reference.build(values, device="cpu", attention=kernels).train()
    MODES[mode](model, checkpoint == "reentrant")
    return model


CASES = [(name, mode) for name in MODELS for mode in MODES]


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
@pytest.mark.parametrize("kernels", ["eager", "sdpa"])
@pytest.mark.parametrize(("name", "mode"), CASES)
def test_what_is_kept(name: str, mode: str, kernels: str, checkpoint: str) -> None:
    values = MODELS[name]
    ids = torch.zeros((BATCH, SEQ), dtype=torch.long)
    traced = kept_bytes(built(values, mode, checkpoint, kernels), input_ids=ids, labels=ids, use_cache=False)
    plan = Plan(recompute=mode, checkpoint=checkpoint, kernels=kernels, precision="fp32", micro_batch=BATCH)
    found = load(values).activations(plan, SEQ)
    tables = found.shared if mode.startswith("full") and "first" not in mode else 0
    assert found.total - tables == traced, {entry.path: entry.value for entry in found.entries}


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
@pytest.mark.parametrize(("name", "mode"), CASES)
def test_what_is_executed(name: str, mode: str, checkpoint: str) -> None:
    """All products that run, which the counter sees where attention is written out."""
    values = MODELS[name]
    model = built(values, mode, checkpoint, "eager")
    ids = torch.zeros((BATCH, SEQ), dtype=torch.long)
    with flop_counter.FlopCounterMode(display=False) as counter:
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
    plan = Plan(recompute=mode, checkpoint=checkpoint, micro_batch=BATCH, kernels="eager")
    assert Training(load(values), plan, length=SEQ).executed_flops == counter.get_total_flops()
