"""Jamba (arXiv:2403.19887): Mamba layers with an attention layer in every period of eight, experts in every second feed-forward
layer; no positional encoding, and norms of Δ, B and C inside Mamba."""

from __future__ import annotations

from bursar.config import Config
from bursar.dims import split
from bursar.errors import ConfigError
from bursar.families._common import runs, top_k
from bursar.families._mamba import delta_rank, ignore_costless, mamba
from bursar.ops.blocks import gated_mlp, head, routed_experts, token_stem, unrotated_attention
from bursar.ops.elementwise import Add, RMSNorm
from bursar.tree import Architecture, Block, Input


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    d = split(h, heads, "hidden_size", "num_attention_heads")
    vocab = c.dim("vocab_size")
    f = c.dim("intermediate_size")
    experts = c.dim("num_experts", "num_local_experts", default=16)
    c.expect("hidden_act", "silu")
    c.expect("sliding_window", None)
    c.ignore("logits of the last tokens are all that generation asks for", "num_logits_to_keep", "calc_logits_for_entire_prompt")
    ignore_costless(c)

    mixers = {
        "mamba": (
            "mixer",
            mamba(
                "mixer.norm", h, c.count("mamba_expand", default=2, low=1) * h, c.dim("mamba_d_state", default=16),
                delta_rank(c, "mamba_dt_rank", h), c.dim("mamba_d_conv", default=4), bias=c.flag("mamba_proj_bias", False),
                conv_bias=c.flag("mamba_conv_bias", True), norm=RMSNorm,
            ),
        ),
        "attention": (
            "attn",
            unrotated_attention(
                "attn.norm", h, heads, c.dim("num_key_value_heads", default=8), d,
                qkv_bias=False, out_bias=False, dropout=c.probability("attention_dropout"),
            ),
        ),
    }  # fmt: skip
    mlps = {"": (gated_mlp("mlp.norm", h, f), "mlp.down")}
    mlps["_moe"] = (routed_experts("mlp.norm", h, experts, top_k(c, experts), gated_mlp("x", h, f, prefix="")), "experts")

    def layer(kind: str) -> Block:
        mixed, lines = mixers[kind.removesuffix("_moe")]
        mlp, out = mlps["_moe" if kind.endswith("_moe") else ""]
        return Block({
            "x": Input(h),
            f"{mixed}.norm": RMSNorm("x", h),
            **lines,
            f"{mixed}.add": Add("x", f"{mixed}.out", h),
            "mlp.norm": RMSNorm(f"{mixed}.add", h),
            **mlp,
            "mlp.add": Add(f"{mixed}.add", out, h),
        }, kind)  # fmt: skip

    single = c.count("num_experts", "num_local_experts", default=16) == 1  # one expert is a plain feed-forward layer
    attention, expert = _places(c, "attn", 8, 4), _places(c, "expert", 2, 1)
    return Architecture(
        family="jamba",
        stem=(token_stem(vocab, h),),
        trunk=runs([
            ("attention" if is_attention else "mamba") + ("_moe" if is_expert and not single else "")
            for is_attention, is_expert in zip(attention, expert, strict=True)
        ], layer),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", False)),),
        context=c.dim("max_position_embeddings", default=262144),
    )  # fmt: skip


def _places(c: Config, what: str, period: int, offset: int) -> list[bool]:
    """Which layers have it: one in every period, at its offset."""
    period = c.count(f"{what}_layer_period", default=period, low=1)
    offset = c.count(f"{what}_layer_offset", default=offset)
    if offset >= period:
        raise ConfigError(f"{what}_layer_offset={offset} of a period of {period}", where=c.where, valid=f"0 to {period - 1}")
    return [i % period == offset for i in range(c.count("num_hidden_layers", low=1))]
