"""StarCoder2 (arXiv:2402.19173): grouped keys, rotary positions and a sliding window with GPT-2's LayerNorm, biases and GELU."""

from __future__ import annotations

from bursar.config import Config
from bursar.families._common import ACTIVATIONS, head_dim
from bursar.ops.blocks import grouped_attention, head, plain_mlp, token_stem
from bursar.ops.elementwise import Add, Dropout, LayerNorm
from bursar.tree import Architecture, Block, Input, Repeat


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    vocab = c.dim("vocab_size")
    bias = c.flag("use_bias", True)
    dropout = c.probability("residual_dropout")
    c.ignore("a constant inside a norm", "norm_epsilon")
    c.expect("norm_type", "layer_norm")
    c.expect("mlp_type", "default")
    c.expect("use_sliding_window", True)

    layer = Block({
        "x": Input(h),
        "attn.norm": LayerNorm("x", h),
        **grouped_attention(
            "attn.norm", h, heads, c.dim("num_key_value_heads"), head_dim(c, h, heads), qkv_bias=bias, out_bias=bias,
            window=c.dim("sliding_window", default=None), dropout=c.probability("attention_dropout"),
        ),
        "attn.dropout": Dropout("attn.out", h, dropout),
        "attn.add": Add("x", "attn.dropout", h),
        "mlp.norm": LayerNorm("attn.add", h),
        **plain_mlp(
            "mlp.norm", h, c.dim("intermediate_size"), bias=bias, function=c.choice("hidden_act", ACTIVATIONS, "gelu_pytorch_tanh")
        ),
        "mlp.dropout": Dropout("mlp.down", h, dropout),
        "mlp.add": Add("attn.add", "mlp.dropout", h),
    })  # fmt: skip
    return Architecture(
        family="starcoder2",
        stem=(token_stem(vocab, h, c.probability("embedding_dropout")),),
        trunk=(Repeat(c.layers("num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", True), norm=LayerNorm),),
        context=c.dim("max_position_embeddings", default=4096),
    )
