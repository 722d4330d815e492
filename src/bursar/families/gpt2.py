"""GPT-2 and GPT-3 (Radford et al. 2019; arXiv:2005.14165): learned positions, LayerNorm, biases, GELU, dropout.

Parameters of a layer: 12h² + 13h at f = 4h.
"""

from __future__ import annotations

from bursar.config import Config
from bursar.dims import split
from bursar.ops.blocks import fused_qkv_attention, head, plain_mlp, positioned_stem
from bursar.ops.elementwise import Add, Dropout, LayerNorm
from bursar.tree import Architecture, Block, Input, Repeat

ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_python", "relu", "silu")


def build(c: Config) -> Architecture:
    h = c.dim("n_embd", "hidden_size")
    heads = c.dim("n_head", "num_attention_heads")
    vocab = c.dim("vocab_size")
    f = c.dim("n_inner", default=4 * h)
    positions = c.dim("n_positions", "max_position_embeddings", default=1024)
    dropout = c.probability("resid_pdrop", 0.1)
    c.expect("add_cross_attention", False)
    c.expect("n_ctx", c.values.get("n_positions"))
    c.ignore("a summary head is for classification", *[f"summary_{end}" for end in SUMMARY])

    layer = Block({
        "x": Input(h),
        "attn.norm": LayerNorm("x", h),
        **fused_qkv_attention(
            "attn.norm", h, heads, split(h, heads, "n_embd", "n_head"), bias=True, dropout=c.probability("attn_pdrop", 0.1),
            upcast=False,
        ),
        "attn.dropout": Dropout("attn.out", h, dropout),
        "attn.add": Add("x", "attn.dropout", h),
        "mlp.norm": LayerNorm("attn.add", h),
        **plain_mlp("mlp.norm", h, f, bias=True, function=c.choice("activation_function", ACTIVATIONS, "gelu_new")),
        "mlp.dropout": Dropout("mlp.down", h, dropout),
        "mlp.add": Add("attn.add", "mlp.dropout", h),
    })  # fmt: skip
    return Architecture(
        family="gpt2",
        stem=(positioned_stem(vocab, positions, h, c.probability("embd_pdrop", 0.1)),),
        trunk=(Repeat(c.layers("n_layer", "num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", True), norm=LayerNorm),),
        context=positions,
        max_length=positions,
    )


SUMMARY = ("type", "use_proj", "activation", "proj_to_labels", "first_dropout")
