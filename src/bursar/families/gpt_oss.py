"""gpt-oss-20b and gpt-oss-120b (arXiv:2508.10925): sliding windows on every second layer, a learned sink in every head's softmax,
biases in every product, a mixture of experts with a clamped SwiGLU on every layer."""

from __future__ import annotations

from bursar.config import Config
from bursar.families._common import head_dim, runs, top_k
from bursar.ops.blocks import Lines, grouped_attention, head, routed_experts, token_stem
from bursar.ops.clamped import ClampedGated
from bursar.ops.elementwise import Add, RMSNorm
from bursar.ops.linear import Linear
from bursar.tree import Architecture, Block, Input

KINDS = {"sliding_attention": "sliding", "full_attention": "full"}


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    f = c.dim("intermediate_size")
    heads = c.dim("num_attention_heads")
    kv_heads = c.dim("num_key_value_heads", default=heads)
    d = head_dim(c, h, heads)
    vocab = c.dim("vocab_size")
    experts = c.dim("num_local_experts", "num_experts")
    chosen = top_k(c, experts)
    window = c.dim("sliding_window")
    bias = c.flag("attention_bias", True)
    dropout = c.probability("attention_dropout")
    layers = c.count("num_hidden_layers", low=1)
    c.has("head_dim")
    c.expect("hidden_act", "silu")
    c.expect("experts_per_token", c.values.get("num_experts_per_tok"))
    c.ignore("constants of the clamped activation", "swiglu_limit", "swiglu_alpha")
    c.ignore("the context before its extension", "initial_context_length")

    expert: Lines = {
        "gate": Linear("x", h, f, "column", bias=True),
        "up": Linear("x", h, f, "column", bias=True),
        "act": ClampedGated("gate", "up", f),
        "down": Linear("act", f, h, "row", bias=True),
    }

    def layer(kind: str) -> Block:
        return Block({
            "x": Input(h),
            "attn.norm": RMSNorm("x", h),
            **grouped_attention(
                "attn.norm", h, heads, kv_heads, d, qkv_bias=bias, out_bias=bias, window=window if kind == "sliding" else None,
                dropout=dropout, sinks=True,
            ),
            "attn.add": Add("x", "attn.out", h),
            "mlp.norm": RMSNorm("attn.add", h),
            **routed_experts("mlp.norm", h, experts, chosen, expert, router_bias=True),
            "mlp.add": Add("attn.add", "experts", h),
        }, kind)  # fmt: skip

    listed = c.choices("layer_types", tuple(KINDS), layers)
    kinds = [KINDS[word] for word in listed] if listed else ["full" if i % 2 else "sliding" for i in range(layers)]
    return Architecture(
        family="gpt_oss",
        stem=(token_stem(vocab, h),),
        trunk=runs(kinds, layer),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", False)),),
        context=c.dim("max_position_embeddings", default=131072),
    )
