"""What transformers builds from a config and what PyTorch's FlopCounterMode counts of it.

How a family is built and fed is a row of `bursar.measure.models`; what its products are not is a row of `bursar.measure.causes`.
Models are built on the meta device: shapes without storage, so the largest ones take no memory. Four settings make the
count there complete; each avoids a known gap of the counting, none changes what is multiplied:

- On the CPU, scaled_dot_product_attention is one fused operator that FlopCounterMode has no formula for and counts as 0. On
  the meta device it is decomposed into two batched products, which are counted.
- `use_cache=True`, because transformers otherwise looks for packed sequences by reading the values of a mask, and meta
  tensors have no values.
- Experts as `batched_mm`, one batched product over all token copies. The default grouped product has no formula in
  FlopCounterMode, and the plain loop asks which tokens were routed where, which needs values.
- `FORMULAS`: FlopCounterMode has none of a triangular system, and takes the gradient of a convolution's filters for one without
  groups.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, NamedTuple

import pytest

from .families import spec
from .values import Values

torch = pytest.importorskip("torch", reason="the oracle is PyTorch: pip install torch")
transformers = pytest.importorskip("transformers", minversion="5.0", reason="the oracle is transformers 5")
flop_counter = pytest.importorskip("torch.utils.flop_counter", reason="this PyTorch has no FlopCounterMode")

from bursar.measure import causes, models  # noqa: E402
from bursar.measure.flops import flops_of  # noqa: E402


class Count(NamedTuple):
    """FLOPs of one forward and one backward pass, the forward also by kind."""

    forward: int
    backward: int
    by_kind: dict[str, int]


def build(values: Values, *, device: str = "meta", attention: str = "sdpa", experts: str | None = "batched_mm") -> Any:
    """The model that transformers makes of a config.json."""
    family = spec(values["model_type"])
    if hasattr(family, "build"):
        return family.build(values, device)
    with torch.device(device):
        return models.build(values, attention=attention, experts=experts)


def tokens(seq: int, batch: int, device: str = "meta") -> Any:
    return models.tokens(seq, batch, device)


def counter() -> Any:
    """PyTorch's counter, with a formula for what it counts wrongly or not at all."""
    return flop_counter.FlopCounterMode(display=False, custom_mapping=FORMULAS)


def _raw(operator: Any) -> Any:
    """A formula of ours as FlopCounterMode calls one that is given tensors."""

    def formula(*args: Any, out_val: Any = None, **kwargs: Any) -> int:
        return int(flops_of(operator, args, kwargs, out_val).model)

    formula._get_raw = True  # type: ignore[attr-defined]
    return formula


FORMULAS = {operator: _raw(operator) for operator in (torch.ops.aten.convolution_backward, torch.ops.aten.linalg_solve_triangular)}


def count_forward(model: Any, seq: int, batch: int, values: Values) -> Count:
    """FLOPs of a forward pass alone."""
    with counter() as forward, torch.no_grad():
        model(**models.inputs(values, seq, batch, "meta"))
    return _complete(model, forward, seq, batch, values)


def count_training(model: Any, seq: int, batch: int, values: Values, device: str = "meta") -> Count:
    """FLOPs of a forward pass with the loss, and of its backward pass."""
    model.train()
    given = models.inputs(values, seq, batch, device)
    with counter() as forward:
        made = model(**given, **({"labels": given["input_ids"]} if "input_ids" in given else {}))
        loss = made.loss if made.get("loss") is not None else made.logits.sum()
    with counter() as backward:
        loss.backward()
    beside = sum(work.backward for work in causes.works(model, seq, batch, cached=True))
    found = _complete(model, forward, seq, batch, values)
    return found._replace(backward=backward.get_total_flops() + beside)


def _complete(model: Any, counted: Any, seq: int, batch: int, values: Values) -> Count:
    """The counter's FLOPs, with those of the algorithm that are no products, less those that are no cost of it."""
    family = spec(values["model_type"])
    by_kind = Counter(_by_kind(model, counted.get_flop_counts(), getattr(family, "KINDS", KINDS)))
    for work in causes.works(model, seq, batch, cached=True):
        by_kind[work.kind] += work.forward
    for kind, value in (family.unnamed(values, seq, batch) if hasattr(family, "unnamed") else {}).items():
        by_kind.update({kind: value, "linear": -value})
    found = {kind: value for kind, value in by_kind.items() if value}
    return Count(sum(found.values()), 0, found)


def without_gradient(values: Values, seq: int, batch: int) -> int:
    """FLOPs of gradients with respect to data, which nothing needs: the first convolution of pixels or sound."""
    family = spec(values["model_type"])
    return int(family.useless(values, seq, batch)) if hasattr(family, "useless") else 0


def attended_pairs(model: Any, seq: int, batch: int = 1) -> int:
    """Query-key pairs with a weight above zero, over all layers, heads and sequences, of a model with written-out attention."""
    with torch.no_grad():
        weights = model.eval()(tokens(seq, batch, "cpu"), output_attentions=True).attentions
    return sum(int(layer.count_nonzero()) for layer in weights)


# a module and the kind that its FLOPs are reported under; of an attention module only the batched products are its core
KINDS: list[tuple[str, str]] = [
    (r"\.lm_head$", "logits"),
    (r"\.mlp\.gate$", "router"),
    (r"\.mlp\.experts$", "experts"),
    (r"\.\d+\.(self_attn|attn|attention)$", "attention"),
]


# a class that its name in the model does not tell from others, and the kind of the batched products in it
CLASSES = {
    "KimiLinearDeltaAttention": "scan",
    "MiniMaxLightningAttention": "scan",
    "Qwen3NextGatedDeltaNet": "scan",
    "NemotronHAttention": "attention",
    "RecurrentGemmaAttention": "attention",
}
CORES = ("attention", "scan")  # kinds of which a module has other products too
BATCHED = ("aten.bmm", "aten.baddbmm", "aten.linalg_solve_triangular")


def _by_kind(model: Any, counts: dict[str, dict[Any, int]], kinds: list[tuple[str, str]]) -> dict[str, int]:
    """Forward FLOPs by the module that did them. What no other kind has is `linear`."""
    found: Counter[str] = Counter()
    classes = {f"{type(model).__name__}.{name}": type(module).__name__ for name, module in model.named_modules()}
    for module, ops in counts.items():
        kind = CLASSES.get(classes.get(module, "")) or next((kind for pattern, kind in kinds if re.search(pattern, module)), None)
        if kind is not None:
            found[kind] += sum(value for op, value in ops.items() if kind not in CORES or str(op) in BATCHED)
    found["linear"] = sum(counts["Global"].values()) - sum(found.values())
    return {kind: value for kind, value in found.items() if value}


# transformers' module, without the layer it is in, and our component. One list serves all families: they share names.
COMPONENTS = {
    "model.embed_tokens": "embedding",
    "transformer.wte": "embedding",
    "transformer.wpe": "positions",
    "model.norm": "norm",
    "transformer.ln_f": "norm",
    "lm_head": "head",
    "input_layernorm": "attn.norm",
    "ln_1": "attn.norm",
    "self_attn.q_proj": "attn.q",
    "self_attn.k_proj": "attn.k",
    "self_attn.v_proj": "attn.v",
    "self_attn.o_proj": "attn.out",
    "self_attn.q_norm": "attn.q_norm",
    "self_attn.k_norm": "attn.k_norm",
    "self_attn.q_a_proj": "attn.q_down",
    "self_attn.q_a_layernorm": "attn.q_norm",
    "self_attn.q_b_proj": "attn.q",
    "self_attn.kv_a_proj_with_mqa": "attn.kv_down",
    "self_attn.kv_a_layernorm": "attn.kv_norm",
    "self_attn.kv_b_proj": "attn.kv_up",
    "attn.c_attn": "attn.qkv",
    "attn.c_proj": "attn.out",
    "post_attention_layernorm": "mlp.norm",
    "ln_2": "mlp.norm",
    "mlp.gate_proj": "mlp.gate",
    "mlp.up_proj": "mlp.up",
    "mlp.down_proj": "mlp.down",
    "mlp.c_fc": "mlp.up",
    "mlp.c_proj": "mlp.down",
    "mlp.gate": "router",
    "mlp.experts.gate_up_proj": "experts.gate_up",  # one tensor (experts, 2f, h)
    "mlp.experts.down_proj": "experts.down",
    "mlp.shared_experts.gate_proj": "shared.gate",
    "mlp.shared_experts.up_proj": "shared.up",
    "mlp.shared_experts.down_proj": "shared.down",
}


def parameters(model: Any) -> int:
    """Elements of all parameters; a tied tensor is listed once."""
    return sum(tensor.numel() for tensor in model.parameters())


def parameters_by_component(model: Any, values: Values) -> dict[str, int]:
    """Elements under our names, summed over layers. A module that the list does not know is a KeyError."""
    family = spec(values["model_type"])
    components = {**COMPONENTS, **getattr(family, "COMPONENTS", {})}
    layer = getattr(family, "LAYER", r"^(model\.layers|transformer\.h)\.\d+\.")
    found: dict[str, int] = {}
    for name, tensor in model.named_parameters():
        module = re.sub(rf"{layer}|\.(weight|bias)$", "", name)
        parts = family.parts(module, tensor, values) if hasattr(family, "parts") else None
        for component, value in (parts or {components[module]: tensor.numel()}).items():
            found[component] = found.get(component, 0) + value
    return found


def our_components(components: dict[str, int]) -> dict[str, int]:
    """Our components with layers of every kind together, and an expert's gate and up as one."""
    found: dict[str, int] = {}
    for path, value in components.items():
        name = re.sub(r"^layers\.(?:\w+\.)?(?=(attn|cross|mixer|mlp|router|experts|shared)(\.|$))", "", path)
        name = "experts.gate_up" if name in ("experts.gate", "experts.up") else name
        found[name] = found.get(name, 0) + value
    return found
