"""DeepSeek-V3 (arXiv:2412.19437): latent attention, shared and routed experts after dense first layers, router correction
biases, and multi-token-prediction modules (section 2.2) where they are asked for."""

from __future__ import annotations

from bursar.config import Config
from bursar.dims import Dim
from bursar.errors import ConfigError
from bursar.families._common import top_k
from bursar.ops.blocks import Lines, gated_mlp, head, latent_attention, routed_experts, token_stem, with_shared_experts
from bursar.ops.elementwise import Add, Concat, RMSNorm
from bursar.ops.linear import Embedding, Head, Linear, Loss, Tokens
from bursar.tree import Architecture, Block, Input, Repeat


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    vocab = c.dim("vocab_size")
    experts = c.dim("n_routed_experts", "num_local_experts")
    width = c.dim("moe_intermediate_size")
    shared = c.dim("n_shared_experts", default=None)
    layers = c.layers("num_hidden_layers")
    dense = c.dim("first_k_dense_replace", default=0, low=0)
    q_rank = c.dim("q_lora_rank", default=None)
    latent = [c.dim(key) for key in ("kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")]
    bias = c.flag("attention_bias", False)
    dropout = c.probability("attention_dropout")
    chosen = top_k(c, experts)
    c.has("q_lora_rank", "n_shared_experts", "first_k_dense_replace")
    c.expect("hidden_act", "silu")
    c.expect("moe_layer_freq", 1)
    c.expect("topk_method", "noaux_tc")
    c.ignore("keys and values come from the latent, for every head", "num_key_value_heads", "head_dim", "qk_head_dim")

    routed = routed_experts("mlp.norm", h, experts, chosen, gated_mlp("x", h, width, prefix=""), correction=True)
    mlps = {
        "dense": (gated_mlp("mlp.norm", h, c.dim("intermediate_size")), "mlp.down"),
        "moe": (routed, "experts") if shared is None else (with_shared_experts("mlp.norm", h, routed, shared * width), "mlp.sum"),
    }

    def layer(kind: str, x: str = "x") -> Lines:
        mlp, out = mlps[kind]
        return {
            "attn.norm": RMSNorm(x, h),
            **latent_attention("attn.norm", h, heads, q_rank, *latent, bias=bias, dropout=dropout),
            "attn.add": Add(x, "attn.out", h),
            "mlp.norm": RMSNorm("attn.add", h),
            **mlp,
            "mlp.add": Add("attn.add", out, h),
        }

    if isinstance(dense, int) and isinstance(layers, int) and dense > layers:
        raise ConfigError(f"first_k_dense_replace={dense} of {layers} layers", where=c.where, valid=f"0 to {layers}")
    trunk = [
        Repeat(times, Block({"x": Input(h), **layer(kind)}, kind)) for kind, times in (("dense", dense), ("moe", layers - dense))
    ]
    tied = c.flag("tie_word_embeddings", False)
    table = "embedding" if tied else "head"
    modules = c.count("num_nextn_predict_layers", "num_mtp_layers", default=0, high=16)
    return Architecture(
        family="deepseek_v3",
        stem=(token_stem(vocab, h),),
        trunk=tuple(run for run in trunk if not (isinstance(run.times, int) and run.times == 0)),
        tail=(
            *[_mtp(i, h, vocab, layer("moe", "project"), table) for i in range(modules if c.mtp else 0)],
            head(h, vocab, tied=tied),
        ),
        context=c.dim("max_position_embeddings", default=4096),
    )


def _mtp(index: int, h: Dim, vocab: Dim, layer: Lines, table: str) -> Block:
    """One module: the hidden state beside the next token's embedding, a projection, one layer, and the shared output head."""
    lines: Lines = {
        "x": Input(h),
        "tokens": Tokens(),
        "embedding": Embedding("tokens", vocab, h, tied="embedding"),
        "hidden_norm": RMSNorm("x", h),
        "token_norm": RMSNorm("embedding", h),
        "pair": Concat("token_norm", "hidden_norm", h, h),
        "project": Linear("pair", 2 * h, h, "replicated"),
        **layer,
        "norm": RMSNorm("mlp.add", h),
        "head": Head("norm", h, vocab, tied=table),
        "loss": Loss("head", vocab),
    }
    return Block(lines, f"mtp{index + 1}")
