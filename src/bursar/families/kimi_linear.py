"""Kimi Linear (arXiv:2510.26692): Kimi Delta Attention on three of four layers, latent attention without positions on the others,
DeepSeek-V3's experts with a correction bias after dense first layers.
"""

from __future__ import annotations

from dataclasses import replace

from bursar.config import Config
from bursar.dims import Dim
from bursar.errors import ConfigError
from bursar.families._common import runs
from bursar.ops.blocks import Lines, gated_mlp, head, latent_attention, routed_experts, token_stem, with_shared_experts
from bursar.ops.conv import ShortConv
from bursar.ops.delta import Decay, DeltaRule
from bursar.ops.elementwise import Activation, Add, Gated, RMSNorm
from bursar.ops.linear import Linear
from bursar.tree import Architecture, Block, Input

ROUTING = ("moe_router_activation_func", "moe_renormalize", "num_expert_group", "use_grouped_topk")
CHUNK = 64  # tokens that the published kernels (flash-linear-attention) work on at once


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    vocab = c.dim("vocab_size")
    experts = c.dim("num_experts", "num_local_experts", "n_routed_experts")
    width = c.dim("moe_intermediate_size")
    top_k = c.dim("num_experts_per_token", "num_experts_per_tok", high=experts if isinstance(experts, int) else 10**4)
    layers = c.count("num_hidden_layers", low=1)
    dense = c.count("first_k_dense_replace", high=layers)
    linear = _linear(c)
    latent = [c.dim(key) for key in ("kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")]
    c.has("q_lora_rank")
    c.expect("hidden_act", "silu")
    c.expect("mla_use_nope", True)
    c.expect("moe_layer_freq", 1)
    c.expect("num_nextn_predict_layers", 0)
    c.expect("tie_word_embeddings", False)  # no implementation ties them
    c.ignore("keys and values come from the latent, for every head", "num_key_value_heads", "head_dim")
    c.ignore(
        "how experts are chosen and weighed",
        "moe_router_activation_func",
        "moe_renormalize",
        "num_expert_group",
        "use_grouped_topk",
    )

    attentions = {
        "linear": delta_attention(
            "attn.norm", h, linear.dim("num_heads"), linear.dim("head_dim"), linear.dim("short_conv_kernel_size")
        ),
        "full": _unrotated(
            latent_attention(
                "attn.norm", h, c.dim("num_attention_heads"), c.dim("q_lora_rank", default=None), *latent,
                bias=c.flag("attention_bias", False), dropout=c.probability("attention_dropout"),
            )
        ),
    }  # fmt: skip
    routed = routed_experts("mlp.norm", h, experts, top_k, gated_mlp("x", h, width, prefix=""), correction=True)
    mlps = {
        "dense": gated_mlp("mlp.norm", h, c.dim("intermediate_size")),
        "moe": with_shared_experts("mlp.norm", h, routed, c.dim("num_shared_experts", "n_shared_experts") * width),
    }

    def layer(kind: str) -> Block:
        attention, mlp = kind.split()
        return Block({
            "x": Input(h),
            "attn.norm": RMSNorm("x", h),
            **attentions[attention],
            "attn.add": Add("x", "attn.out", h),
            "mlp.norm": RMSNorm("attn.add", h),
            **mlps[mlp],
            "mlp.add": Add("attn.add", "mlp.sum" if mlp == "moe" else "mlp.down", h),
        }, attention + ("" if mlp == "moe" else "_dense"))  # fmt: skip

    kinds = _attentions(linear, layers)
    linear.close("kimi_linear")
    return Architecture(
        family="kimi_linear",
        stem=(token_stem(vocab, h),),
        trunk=runs([f"{kind} {'dense' if i < dense else 'moe'}" for i, kind in enumerate(kinds)], layer),
        tail=(head(h, vocab, tied=False),),
        context=c.dim("model_max_length", "max_position_embeddings", default=1048576),
    )


def _linear(c: Config) -> Config:
    """The part of the config that describes the linear layers, through a gate of its own. Its sizes stay numbers: `head_dim` there
    is another than the model's."""
    c.has("linear_attn_config")
    values = c.values["linear_attn_config"]
    if not isinstance(values, dict):
        raise ConfigError("linear_attn_config is no object", field="linear_attn_config", value=values, where=c.where)
    c.ignore("read through its own gate", "linear_attn_config")
    return Config(values, f"linear_attn_config of {c.where}")


def _attentions(linear: Config, layers: int) -> list[str]:
    """The kind of every layer; the lists count from 1 and hold every layer once."""
    linear.has("kda_layers", "full_attn_layers")
    full = linear.counts("full_attn_layers", ())
    if sorted([*full, *linear.counts("kda_layers", ())]) != list(range(1, layers + 1)):
        raise ConfigError(
            "kda_layers and full_attn_layers do not hold every layer once", field="kda_layers", where=linear.where,
            valid=f"1 to {layers}, each in one of them",
        )  # fmt: skip
    return ["full" if i + 1 in full else "linear" for i in range(layers)]


def _unrotated(lines: Lines) -> Lines:
    """Latent attention whose rotary part is left as it is (NoPE): the key of all heads is shared, but not rotated."""
    key, core = lines["attn.k"], lines["attn.core"]
    wired = {"attn.k": replace(key, b="attn.k_shared"), "attn.core": replace(core, q="attn.q")}  # type: ignore[call-arg]
    return {name: wired.get(name, op) for name, op in lines.items() if name not in ("attn.k_rotary", "attn.q_rotary")}


def delta_attention(x: str, h: Dim, heads: Dim, d: Dim, kernel: Dim) -> Lines:
    """Kimi Delta Attention (arXiv:2510.26692, section 4 and figure 3): the gated delta rule with a decay per channel, made by a
    product of rank d, and an output gate made by another."""
    wide = heads * d
    return {
        "attn.q_linear": Linear(x, h, wide, "column", unit=d),
        "attn.k_linear": Linear(x, h, wide, "column", unit=d),
        "attn.v_linear": Linear(x, h, wide, "column", unit=d),
        "attn.q": ShortConv("attn.q_linear", wide, kernel),
        "attn.k": ShortConv("attn.k_linear", wide, kernel),
        "attn.v": ShortConv("attn.v_linear", wide, kernel),
        "attn.decay_down": Linear(x, h, d, "replicated"),
        "attn.decay_up": Linear("attn.decay_down", d, wide, "column", unit=d),
        "attn.decay": Decay("attn.decay_up", wide, heads=heads),
        "attn.b": Linear(x, h, heads, "column"),
        "attn.beta": Activation("attn.b", heads, "sigmoid"),
        "attn.core": DeltaRule(
            "attn.q", "attn.k", "attn.v", "attn.decay", "attn.beta", heads, heads, d, d, decays=wide, chunk=CHUNK
        ),
        "attn.core_norm": RMSNorm("attn.core", d, heads),
        "attn.gate_down": Linear(x, h, d, "replicated"),
        "attn.gate": Linear("attn.gate_down", d, wide, "column", unit=d),
        "attn.gated": Gated("attn.gate", "attn.core_norm", wide, "sigmoid"),
        "attn.out": Linear("attn.gated", wide, h, "row"),
    }
