"""How transformers' modules differ from family to family: departures from the `eager` and `sdpa` profiles, as traced.

A family that has a row was traced (`tests/oracle/test_saved_bytes*.py`); one that has none is refused by name. A row says, for
each slot that its modules compute in another way, which implementation of `kernels/` says what is kept; `sdpa:slot` says it of
one profile alone.
"""

from __future__ import annotations

from collections.abc import Mapping

# beside latent attention V is narrower than Q, which torch's flash kernel does not take
_LATENT = {"sdpa:attention": "efficient", "router": "sigmoid-topk-wide"}
_SELECTED = {**_LATENT, "sdpa:attention": "efficient-masked"}

MODULES: Mapping[str, Mapping[str, str]] = {
    "bert": {"positions": "none", "loss": "unshifted"},
    "roberta": {"positions": "ids-per-token", "loss": "unshifted"},
    "vit": {"positions": "none", "loss": "unshifted"},
    "t5": {
        "norm": "module-and-input",
        "position_bias": "bucket-ids",
        "loss": "unshifted",
        "sdpa:attention": "efficient-biased",
    },
    "whisper": {"positions": "ids-per-token", "loss": "unshifted", "sdpa:attention": "flash-by-heads"},
    "siglip": {"positions": "none", "norm": "length", "similarity": "log-sigmoid"},
    "mamba": {"conv": "padded", "selective_scan": "by-token"},
    "falcon_mamba": {"conv": "padded", "selective_scan": "by-token"},
    "mamba2": {"conv": "padded", "state_space_dual": "padded-chunks", "scan_gate": "all-wide"},
    "zamba2": {"conv": "padded", "state_space_dual": "padded-chunks", "scan_gate": "all-wide"},
    "nemotron_h": {
        "conv": "padded",
        "state_space_dual": "padded-chunks",
        "scan_gate": "all-wide",
        "router": "sigmoid-topk-wide",
        "norm": "upcast-weight-beside-groups",
    },
    "jamba": {"conv": "padded", "selective_scan": "by-token", "router": "softmax-topk-cast-as-read"},
    "qwen3_next": {
        "conv": "padded-of-joined",
        "activation": "composed-beside-decay",
        "scan_gate": "gate-wide",
        "delta": "padded-chunks",
        "norm": "upcast-weight-beside-scans",
        "sdpa:attention": "sdpa-joined",
    },
    "recurrent_gemma": {
        "conv": "padded-before-gates",
        "linear_recurrence": "by-token",
        "norm": "upcast-weight",
        "rotary": "pairs-per-layer",
        "sdpa:attention": "sdpa-joined",
    },
    "rwkv": {"mix": "complement", "wkv": "by-token"},
    "qwen2_vl": {"rotary": "cos-sin-per-token"},
    "qwen2_5_vl": {"rotary": "cos-sin-per-token"},
    "gpt2": {},
    "llama": {},
    "mistral": {},
    "qwen2": {},
    "qwen3": {},
    "mixtral": {"router": "softmax-topk"},
    "qwen3_moe": {},
    "qwen2_moe": {},
    "olmoe": {},
    "deepseek_v3": _LATENT,
    "kimi_k2": _LATENT,
    "deepseek_v2": {**_LATENT, "router": "softmax-topk-wide", "rotary": "complex"},
    "glm4_moe": {"router": "sigmoid-topk-wide", "sdpa:attention": "sdpa-joined"},
    "granitemoe": {"router": "topk-softmax-cast"},
    "minimax_m2": {"router": "sigmoid-topk", "sdpa:attention": "sdpa-joined"},
    "ernie4_5_moe": {"router": "softmax-gather-wide-cast", "rotary": "repeated-wide"},
    "hunyuan_v1_moe": {},
    "gpt_oss": {"attention": "eager-sinks", "norm": "upcast-product", "rotary": "cos-sin-half", "router": "topk-softmax"},
    "phimoe": {"router": "sparsemixer"},
    "minimax": {"router": "softmax-topk", "lightning": "module"},
    "deepseek_v32": _SELECTED,
    "glm_moe_dsa": _SELECTED,
    "llama4": {"router": "topk-sigmoid", "rotary": "complex", "positions": "none"},  # the tower adds its table as it is
    "llama4_text": {"router": "topk-sigmoid", "rotary": "complex"},
    "bloom": {"sdpa:attention": "eager"},
    "cohere": {"norm": "centred"},
    "cohere2": {"norm": "centred"},
    "ernie4_5": {"rotary": "repeated-wide"},
    "falcon": {"eager:attention": "eager-narrow", "sdpa:attention": "sdpa-masked"},
    "gemma": {"norm": "upcast-weight"},
    "gemma2": {"norm": "upcast-weight", "sdpa:attention": "eager"},
    "gemma3": {"norm": "upcast-weight", "positions": "none"},  # the ids of patches are a buffer
    "gemma3_text": {"norm": "upcast-weight"},
    "glm": {"rotary": "repeated", "sdpa:attention": "sdpa-joined"},
    "glm4": {"rotary": "repeated", "sdpa:attention": "sdpa-joined"},
    "gpt_neo": {"attention": "eager-upcast"},
    "gpt_neox": {"rotary": "pairs", "eager:attention": "eager-packed", "sdpa:attention": "sdpa-joined-packed"},
    "gptj": {"attention": "eager-upcast", "rotary": "repeated-each"},
    "granite": {},
    "hunyuan_v1_dense": {},
    "nemotron": {"norm": "unit-offset", "rotary": "pairs", "sdpa:attention": "sdpa-joined"},
    "olmo": {"norm": "upcast", "rotary": "cos-sin-fp32"},
    "olmo2": {"norm": "upcast-product", "rotary": "cos-sin-fp32"},
    "opt": {"positions": "ids-per-token"},
    "phi": {"rotary": "pairs", "sdpa:attention": "sdpa-joined"},
    "phi3": {"rotary": "pairs", "eager:attention": "eager-packed", "sdpa:attention": "sdpa-joined-packed"},
    "stablelm": {"rotary": "pairs", "sdpa:attention": "sdpa-joined"},
    "starcoder2": {},
}


def departures(family: str, profile: str) -> dict[str, str]:
    """The row of a family for one profile: slot → implementation."""
    own, row = f"{profile}:", MODULES.get(family, {})
    return {slot.removeprefix(own): name for slot, name in row.items() if ":" not in slot or slot.startswith(own)}
