"""How published checkpoints name the tensors of each family: our component → the module in the file.

`{i}` is the layer, `{e}` the expert; a tensor's name is the module with `.weight` or `.bias`. An expert's component whose module
has no `{e}` is one tensor of all experts. A key that ends in a parameter's name holds a whole tensor name. A family that is not
listed is reconciled in total only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Names(NamedTuple):
    """Names of a family's tensors, prefixes that a file may or may not have, whether projections are stored (d_in, d_out), and
    names that hold where another component is absent."""

    modules: Mapping[str, str]
    prefixes: tuple[str, ...] = ("",)
    transposed: bool = False
    absent: Mapping[str, tuple[str, str]] = {}


def _layer(prefix: str, names: Mapping[str, str]) -> dict[str, str]:
    return {component: prefix + name for component, name in names.items()}


_ENDS = {"embedding": "model.embed_tokens", "norm": "model.norm", "head": "lm_head"}
_NORMS = {"attn.norm": "input_layernorm", "mlp.norm": "post_attention_layernorm"}
_ATTENTION = {
    "attn.q": "self_attn.q_proj", "attn.k": "self_attn.k_proj", "attn.v": "self_attn.v_proj", "attn.out": "self_attn.o_proj",
    "attn.q_norm": "self_attn.q_norm", "attn.k_norm": "self_attn.k_norm",
}  # fmt: skip
_LATENT = {
    "attn.q_down": "self_attn.q_a_proj", "attn.q_norm": "self_attn.q_a_layernorm", "attn.q": "self_attn.q_b_proj",
    "attn.kv_down": "self_attn.kv_a_proj_with_mqa", "attn.kv_norm": "self_attn.kv_a_layernorm", "attn.kv_up": "self_attn.kv_b_proj",
    "attn.out": "self_attn.o_proj",
}  # fmt: skip
_MLP = {"mlp.gate": "mlp.gate_proj", "mlp.up": "mlp.up_proj", "mlp.down": "mlp.down_proj"}
_EXPERTS = {
    "router": "mlp.gate",
    **{f"experts.{name}": f"mlp.experts.{{e}}.{name}_proj" for name in ("gate", "up", "down")},
}  # fmt: skip
_SHARED = {f"shared.{name}": f"mlp.shared_experts.{name}_proj" for name in ("gate", "up", "down")}
_MIXTRAL = {
    "router": "block_sparse_moe.gate",
    "experts.gate": "block_sparse_moe.experts.{e}.w1", "experts.up": "block_sparse_moe.experts.{e}.w3",
    "experts.down": "block_sparse_moe.experts.{e}.w2",
}  # fmt: skip
_MTP = {"hidden_norm": "hnorm", "token_norm": "enorm", "project": "eh_proj", "norm": "shared_head.norm"}

_DENSE = Names({**_ENDS, **_layer("model.layers.{i}.", {**_NORMS, **_ATTENTION, **_MLP})})
_MOE = {**_NORMS, **_ATTENTION, **_MLP, **_EXPERTS}
_AFTER = {"attn.post_norm": "post_attention_layernorm", "mlp.post_norm": "post_feedforward_layernorm"}
_GEMMA = Names({
    **_ENDS,
    **_layer("model.layers.{i}.", {**_NORMS, **_ATTENTION, **_MLP, **_AFTER, "mlp.norm": "pre_feedforward_layernorm"}),
})  # fmt: skip
_LATENT_MOE = Names({
    **_ENDS,
    **_layer("model.layers.{i}.", {**_NORMS, **_LATENT, **_MLP, **_EXPERTS, **_SHARED}),
    "router.correction": "model.layers.{i}.mlp.gate.e_score_correction_bias",
    **{f"mtp.{component}": f"model.layers.{{i}}.{name}" for component, name in _MTP.items()},
}, absent={"attn.q": ("attn.q_down", "model.layers.{i}.self_attn.q_proj")})  # fmt: skip

SAFETENSORS: Mapping[str, Names] = {
    "llama": _DENSE,
    "mistral": _DENSE,
    "qwen2": _DENSE,
    "qwen3": _DENSE,
    **dict.fromkeys(("cohere", "cohere2", "ernie4_5", "gemma", "granite", "nemotron", "olmo"), _DENSE),
    **dict.fromkeys(("gemma2", "gemma3_text"), _GEMMA),
    "olmo2": Names({**_ENDS, **_layer("model.layers.{i}.", {**_ATTENTION, **_MLP, **_AFTER})}),
    "starcoder2": Names({
        **_ENDS, **_layer("model.layers.{i}.", {**_NORMS, **_ATTENTION, "mlp.up": "mlp.c_fc", "mlp.down": "mlp.c_proj"}),
    }),
    **dict.fromkeys(("mixtral", "phimoe"), Names({**_ENDS, **_layer("model.layers.{i}.", {**_NORMS, **_ATTENTION, **_MIXTRAL})})),
    "minimax_m2": Names({
        **_ENDS, **_layer("model.layers.{i}.", {**_NORMS, **_ATTENTION, **_MIXTRAL}),
        "router.correction": "model.layers.{i}.block_sparse_moe.e_score_correction_bias",
    }),
    **dict.fromkeys(("qwen3_moe", "olmoe"), Names({**_ENDS, **_layer("model.layers.{i}.", _MOE)})),
    "glm4_moe": Names({
        **_ENDS, **_layer("model.layers.{i}.", {**_MOE, **_SHARED}),
        "router.correction": "model.layers.{i}.mlp.gate.e_score_correction_bias",
    }),
    "deepseek_v2": _LATENT_MOE,
    "deepseek_v3": _LATENT_MOE,
    "kimi_k2": _LATENT_MOE,
    "gpt2": Names(
        {
            "embedding": "wte", "positions": "wpe", "norm": "ln_f", "head.weight": "lm_head.weight",
            **_layer("h.{i}.", {
                "attn.norm": "ln_1", "attn.qkv": "attn.c_attn", "attn.out": "attn.c_proj", "mlp.norm": "ln_2", "mlp.up": "mlp.c_fc",
                "mlp.down": "mlp.c_proj",
            }),
        },
        ("", "transformer."), transposed=True,
    ),
}  # fmt: skip

# https://github.com/ggml-org/llama.cpp/blob/master/gguf-py/gguf/constants.py: one set of names for all architectures
_GGUF = Names({
    "embedding": "token_embd", "positions": "position_embd", "norm": "output_norm", "head": "output",
    **_layer("blk.{i}.", {
        "attn.norm": "attn_norm", "attn.q": "attn_q", "attn.k": "attn_k", "attn.v": "attn_v", "attn.qkv": "attn_qkv",
        "attn.out": "attn_output", "attn.q_norm": "attn_q_norm", "attn.k_norm": "attn_k_norm", "mlp.norm": "ffn_norm",
        "mlp.gate": "ffn_gate", "mlp.up": "ffn_up", "mlp.down": "ffn_down", "router": "ffn_gate_inp",
        "experts.gate": "ffn_gate_exps", "experts.up": "ffn_up_exps", "experts.down": "ffn_down_exps",
    }),
})  # fmt: skip
GGUF: Mapping[str, Names] = dict.fromkeys(("llama", "mistral", "qwen2", "qwen3", "mixtral", "qwen3_moe", "gpt2"), _GGUF)
