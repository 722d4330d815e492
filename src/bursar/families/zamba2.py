"""Zamba2 (arXiv:2411.15242): Mamba 2 layers; before some of them one of `num_mem_blocks` shared transformer blocks, in turn, that
reads the hidden state beside the embedding. A shared block's weights are one, counted at its first use; every use has a low-rank
adapter in its feed-forward layer and a projection of its own. The block's result enters the Mamba layer, but not the residual
sum."""

from __future__ import annotations

from bursar.config import Config
from bursar.dims import Dim, split
from bursar.families._common import ACTIVATIONS, runs
from bursar.families._mamba import ignore_costless, mamba2
from bursar.ops.attention import Attention
from bursar.ops.blocks import Lines, head, token_stem
from bursar.ops.elementwise import Add, Concat, Gated, RMSNorm, Rotary, Slice
from bursar.ops.linear import Linear
from bursar.ops.shared import SharedLinear, SharedNorm
from bursar.tree import Architecture, Block, Input

KINDS = ("mamba", "linear_attention", "hybrid")


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    vocab = c.dim("vocab_size")
    f = c.dim("intermediate_size", default=4 * h)
    kv_heads = c.dim("num_key_value_heads", default=heads)
    rank = c.dim("adapter_rank", default=128)
    blocks = c.count("num_mem_blocks", default=1, low=1)
    bias = c.flag("add_bias_linear", False)
    rope = c.flag("use_mem_rope", False)
    function = c.choice("hidden_act", ACTIVATIONS, "gelu")
    dropout = c.probability("attention_dropout")
    mamba_heads = c.dim("n_mamba_heads", default=8)
    inner = c.count("mamba_expand", default=2, low=1) * h
    c.has("layers_block_type")
    c.expect("use_shared_attention_adapter", False)
    c.expect("use_conv_bias", True)
    c.expect("use_long_context", False)
    c.expect("tie_word_embeddings", True)  # transformers shares no block either where the head is untied
    c.ignore("chooses an implementation", "use_mem_eff_path", "num_logits_to_keep")
    ignore_costless(c)

    def mamba(x: str) -> Lines:
        return {
            "mixer.norm": RMSNorm(x, h),
            **mamba2(
                "mixer.norm", h, mamba_heads, split(inner, mamba_heads, "width of Mamba", "n_mamba_heads"),
                c.dim("mamba_ngroups", default=1), c.dim("mamba_d_state", default=64), c.dim("mamba_d_conv", default=4),
                c.dim("chunk_size", default=256), bias=bias, conv_bias=True,
            ),
            "mixer.add": Add("x", "mixer.out", h),
        }  # fmt: skip

    def layer(kind: str) -> Block:
        if kind == "mamba":
            return Block({"x": Input(h), **mamba("x")}, kind)
        first = kind == "hybrid"
        shared = transformer(h, heads, kv_heads, f, rank, function, bias=bias, rope=rope, dropout=dropout, first=first)
        return Block({
            "x": Input(h),
            "origin": Input(h),
            **shared,
            "mlp.link": Linear("mlp.down", h, h, "replicated"),
            "mixer.sum": Add("x", "mlp.link", h),
            **mamba("mixer.sum"),
        }, kind)  # fmt: skip

    listed = c.choices("layers_block_type", KINDS, c.count("num_hidden_layers", low=1)) or ()
    uses = 0
    kinds = []
    for kind in listed:
        kinds.append("mamba" if kind != "hybrid" else "hybrid" if uses < blocks else "reuse")
        uses += kind == "hybrid"
    return Architecture(
        family="zamba2",
        stem=(token_stem(vocab, h),),
        trunk=runs(kinds, layer),
        tail=(head(h, vocab, tied=True),),
        context=c.dim("max_position_embeddings", default=4096),
    )


def transformer(
    h: Dim, heads: Dim, kv_heads: Dim, f: Dim, rank: Dim, function: str, *,
    bias: bool, rope: bool, dropout: float, first: bool,
) -> Lines:  # fmt: skip
    """A shared block (figure 2): attention over the hidden state beside the embedding, then a gated feed-forward layer with an
    adapter; neither has a residual sum. `first` says whether its weights are counted here."""
    linear, norm = (Linear, RMSNorm) if first else (SharedLinear, SharedNorm)
    d = split(2 * h, heads, "twice hidden_size", "num_attention_heads")
    q, k = ("attn.q_rotary", "attn.k_rotary") if rope else ("attn.q", "attn.k")
    rotary: Lines = {q: Rotary("attn.q", heads * d, d), k: Rotary("attn.k", kv_heads * d, d)} if rope else {}
    return {
        "attn.pair": Concat("x", "origin", h, h),
        "attn.norm": norm("attn.pair", 2 * h),
        "attn.q": linear("attn.norm", 2 * h, heads * d, "column", unit=d),
        "attn.k": linear("attn.norm", 2 * h, kv_heads * d, "column", unit=d),
        "attn.v": linear("attn.norm", 2 * h, kv_heads * d, "column", unit=d),
        **rotary,
        "attn.core": Attention(q, k, "attn.v", heads, kv_heads, d, d, kv_heads * (d + d), dropout),
        "attn.out": linear("attn.core", heads * d, h, "row"),
        "mlp.norm": norm("attn.out", h),
        "mlp.gate_up": linear("mlp.norm", h, 2 * f, "column", bias, unit=2),
        "mlp.adapter_down": Linear("mlp.norm", h, rank, "replicated"),
        "mlp.adapter_up": Linear("mlp.adapter_down", rank, 2 * f, "column", unit=2),
        "mlp.adapted": Add("mlp.gate_up", "mlp.adapter_up", 2 * f),
        "mlp.gate": Slice("mlp.adapted", f),
        "mlp.up": Slice("mlp.adapted", f),
        "mlp.act": Gated("mlp.gate", "mlp.up", f, function),
        "mlp.down": linear("mlp.act", f, h, "row", bias),
    }
