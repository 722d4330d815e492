"""What transformers builds from a config and what PyTorch's FlopCounterMode counts of it.

Models are built on the meta device: shapes without storage, so the largest ones take no memory. Three settings make the
count there complete; each avoids a known gap of the counting, none changes what is multiplied:

- On the CPU, scaled_dot_product_attention is one fused operator that FlopCounterMode has no formula for and counts as 0. On
  the meta device it is decomposed into two batched products, which are counted.
- `use_cache=True`, because transformers otherwise looks for packed sequences by reading the values of a mask, and meta
  tensors have no values.
- Experts as `batched_mm`, one batched product over all token copies. The default grouped product has no formula in
  FlopCounterMode, and the plain loop asks which tokens were routed where, which needs values.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pytest

from .small import Values

torch = pytest.importorskip("torch", reason="the oracle is PyTorch: pip install torch")
transformers = pytest.importorskip("transformers", minversion="5.0", reason="the oracle is transformers 5")
flop_counter = pytest.importorskip("torch.utils.flop_counter", reason="this PyTorch has no FlopCounterMode")


class Count(NamedTuple):
    """FLOPs of one forward and one backward pass, the forward also by kind."""

    forward: int
    backward: int
    by_kind: dict[str, int]


def build(values: Values, *, device: str = "meta", attention: str = "sdpa", experts: str = "batched_mm") -> Any:
    """The causal language model that transformers makes of a config.json."""
    config = transformers.AutoConfig.for_model(**values)
    config._experts_implementation = experts
    with torch.device(device):
        return transformers.AutoModelForCausalLM.from_config(config, attn_implementation=attention)


def tokens(seq: int, batch: int, device: str = "meta") -> Any:
    return torch.zeros((batch, seq), dtype=torch.long, device=device)


def count_forward(model: Any, seq: int, batch: int = 1) -> Count:
    """FLOPs of a forward pass alone."""
    with flop_counter.FlopCounterMode(display=False) as counter, torch.no_grad():
        model(tokens(seq, batch), use_cache=True)
    return Count(counter.get_total_flops(), 0, _by_kind(counter.get_flop_counts()))


def count_training(model: Any, seq: int, batch: int = 1, device: str = "meta") -> Count:
    """FLOPs of a forward pass with the loss, and of its backward pass."""
    ids = tokens(seq, batch, device)
    model.train()
    with flop_counter.FlopCounterMode(display=False) as forward:
        loss = model(ids, labels=ids, use_cache=True).loss
    with flop_counter.FlopCounterMode(display=False) as backward:
        loss.backward()
    return Count(forward.get_total_flops(), backward.get_total_flops(), _by_kind(forward.get_flop_counts()))


def attended_pairs(model: Any, seq: int, batch: int = 1) -> int:
    """Query-key pairs with a weight above zero, over all layers, heads and sequences, of a model with written-out attention."""
    with torch.no_grad():
        weights = model.eval()(tokens(seq, batch, "cpu"), output_attentions=True).attentions
    return sum(int(layer.count_nonzero()) for layer in weights)


def _by_kind(counts: dict[str, dict[Any, int]]) -> dict[str, int]:
    """Forward FLOPs by the module that did them. Of an attention module only the batched products are its core: the
    projections inside it are plain products. What no other kind has is `linear`."""
    found = {"logits": 0, "router": 0, "experts": 0, "attention": 0}
    for module, ops in counts.items():
        if module.endswith(".lm_head"):
            found["logits"] += sum(ops.values())
        elif module.endswith(".mlp.gate"):
            found["router"] += sum(ops.values())
        elif module.endswith(".mlp.experts"):
            found["experts"] += sum(ops.values())
        elif re.search(r"\.(\d+)\.(self_attn|attn)$", module):
            found["attention"] += sum(value for op, value in ops.items() if str(op) == "aten.bmm")
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


def parameters_by_component(model: Any) -> dict[str, int]:
    """Elements under our names, summed over layers. A module that the list does not know is a KeyError."""
    found: dict[str, int] = {}
    for name, tensor in model.named_parameters():
        module = re.sub(r"^(model\.layers|transformer\.h)\.\d+\.|\.(weight|bias)$", "", name)
        component = COMPONENTS[module]
        found[component] = found.get(component, 0) + tensor.numel()
    return found


def correction_biases(model: Any) -> dict[str, int]:
    """Router biases that steer the choice of experts. A training run updates them without a gradient and a checkpoint holds
    them, so this project counts them; transformers keeps them as buffers, so its count of parameters leaves them out."""
    return {name: tensor.numel() for name, tensor in model.named_buffers() if name.endswith(".mlp.gate.e_score_correction_bias")}


def our_components(components: dict[str, int]) -> dict[str, int]:
    """Our components with layers of every kind together, and an expert's gate and up as one."""
    found: dict[str, int] = {}
    for path, value in components.items():
        name = re.sub(r"^layers\.(?:\w+\.)?(?=(attn|mlp|router|experts|shared)(\.|$))", "", path)
        name = "experts.gate_up" if name in ("experts.gate", "experts.up") else name
        found[name] = found.get(name, 0) + value
    return found
