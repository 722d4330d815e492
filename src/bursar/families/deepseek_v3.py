"""DeepSeek-V3 (arXiv:2412.19437): latent attention, shared and routed experts after dense first layers, router correction
biases, and multi-token-prediction modules (section 2.2) where they are asked for."""

from __future__ import annotations

from collections.abc import Callable

from bursar.config import Config
from bursar.dims import Dim
from bursar.errors import ConfigError
from bursar.families._common import top_k
from bursar.ops.blocks import Lines, experts_mlp, gated_mlp, head, latent_attention, token_stem
from bursar.ops.elementwise import Concat, RMSNorm
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

    def attention(x: str) -> Lines:
        return latent_attention(x, h, heads, q_rank, *latent, bias=bias, dropout=dropout)

    def moe(x: str) -> Lines:
        together = None if shared is None else shared * width
        return {**attention(x), **experts_mlp("attn.add", h, width, experts, chosen, correction=True, shared=together)}

    if isinstance(dense, int) and isinstance(layers, int) and dense > layers:
        raise ConfigError(f"first_k_dense_replace={dense} of {layers} layers", where=c.where, valid=f"0 to {layers}")
    dense_layer = Block({"x": Input(h), **attention("x"), **gated_mlp("attn.add", h, c.dim("intermediate_size"))}, "dense")
    moe_layer = Block({"x": Input(h), **moe("x")}, "moe")
    trunk = (Repeat(dense, dense_layer), Repeat(layers - dense, moe_layer))
    tied = c.flag("tie_word_embeddings", False)
    table = "embedding" if tied else "head"
    modules = c.count("num_nextn_predict_layers", "num_mtp_layers", default=0, high=16)
    return Architecture(
        family="deepseek_v3",
        stem=(token_stem(vocab, h),),
        trunk=tuple(run for run in trunk if not (isinstance(run.times, int) and run.times == 0)),
        tail=(*[_mtp(i, h, vocab, moe, table) for i in range(modules if c.mtp else 0)], head(h, vocab, tied=tied)),
        context=c.dim("max_position_embeddings", default=4096),
    )


def _mtp(index: int, h: Dim, vocab: Dim, layer: Callable[[str], Lines], table: str) -> Block:
    """One module: the hidden state beside the next token's embedding, a projection, one layer, and the shared output head."""
    lines: Lines = {
        "x": Input(h),
        "tokens": Tokens(),
        "embedding": Embedding("tokens", vocab, h, tied="embedding"),
        "hidden_norm": RMSNorm("x", h),
        "token_norm": RMSNorm("embedding", h),
        "pair": Concat("token_norm", "hidden_norm", h, h),
        "project": Linear("pair", 2 * h, h, "replicated"),
        **layer("project"),
        "norm": RMSNorm("mlp.add", h),
        "head": Head("norm", h, vocab, tied=table),
        "loss": Loss("head", vocab),
    }
    return Block(lines, f"mtp{index + 1}")
