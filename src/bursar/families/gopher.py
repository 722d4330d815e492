"""Gopher and Chinchilla (arXiv:2112.11446, section 3.1; arXiv:2203.15556): GPT-2's layer with RMSNorm and the relative positions of
Transformer-XL (arXiv:1901.02860), a product of distances in every layer. There is no config.json of them but this project's, with
the usual names for the sizes of the papers' tables. The papers do not tell whether products have biases; they are taken to have
none. Six sizes of the papers' table come out as printed so."""

from __future__ import annotations

from bursar.config import Config
from bursar.families._common import ACTIVATIONS, head_dim
from bursar.ops.blocks import head, plain_mlp
from bursar.ops.elementwise import Add, RMSNorm
from bursar.ops.linear import Embedding, Linear, Tokens
from bursar.ops.relative import DistanceBias, DistanceKeys, RelativeAttention
from bursar.tree import Architecture, Block, Input, Repeat


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    d = head_dim(c, h, heads)
    vocab = c.dim("vocab_size")

    layer = Block({
        "x": Input(h),
        "attn.norm": RMSNorm("x", h),
        "attn.q": Linear("attn.norm", h, heads * d, "column", unit=d),
        "attn.k": Linear("attn.norm", h, heads * d, "column", unit=d),
        "attn.v": Linear("attn.norm", h, heads * d, "column", unit=d),
        "attn.r": DistanceKeys(h, heads * d, unit=d),
        "attn.core": RelativeAttention(
            "attn.q", "attn.k", "attn.v", heads, heads, d, d, heads * (d + d), c.probability("attention_dropout"), r="attn.r"
        ),
        "attn.out": Linear("attn.core", heads * d, h, "row"),
        "attn.add": Add("x", "attn.out", h),
        "mlp.norm": RMSNorm("attn.add", h),
        **plain_mlp("mlp.norm", h, c.dim("intermediate_size"), bias=False, function=c.choice("hidden_act", ACTIVATIONS, "gelu")),
        "mlp.add": Add("attn.add", "mlp.down", h),
    })  # fmt: skip
    stem = Block({"tokens": Tokens(), "embedding": Embedding("tokens", vocab, h), "attn.distances": DistanceBias(heads, d)}, "stem")
    return Architecture(
        family="gopher",
        stem=(stem,),
        trunk=(Repeat(c.layers("num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", True)),),
        context=c.dim("max_position_embeddings", default=2048),
    )
