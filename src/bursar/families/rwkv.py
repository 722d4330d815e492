"""RWKV-4 (arXiv:2305.13048): no attention; time mixing by the WKV recurrence and channel mixing by a gated feed-forward layer of
squared ReLU, both reading every token beside the one before it. A norm follows the embedding."""

from __future__ import annotations

from bursar.config import Config
from bursar.ops.blocks import head
from bursar.ops.elementwise import Activation, Add, Gated, LayerNorm
from bursar.ops.linear import Embedding, Linear, Tokens
from bursar.ops.scan import WKV, ShiftMix, TokenShift
from bursar.tree import Architecture, Block, Input, Repeat


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    vocab = c.dim("vocab_size")
    inner = c.dim("attention_hidden_size", default=h)
    f = c.dim("intermediate_size", default=4 * h)
    c.ignore("halves activations at inference to stay within FP16", "rescale_every")

    layer = Block({
        "x": Input(h),
        "mixer.norm": LayerNorm("x", h),
        "mixer.shift": TokenShift("mixer.norm", h),
        "mixer.k_mix": ShiftMix("mixer.norm", h, "mixer.shift"),
        "mixer.v_mix": ShiftMix("mixer.norm", h, "mixer.shift"),
        "mixer.r_mix": ShiftMix("mixer.norm", h, "mixer.shift"),
        "mixer.k": Linear("mixer.k_mix", h, inner, "column"),
        "mixer.v": Linear("mixer.v_mix", h, inner, "column"),
        "mixer.r": Linear("mixer.r_mix", h, inner, "column"),
        "mixer.wkv": WKV("mixer.k", "mixer.v", inner),
        "mixer.gated": Gated("mixer.r", "mixer.wkv", inner, "sigmoid"),
        "mixer.out": Linear("mixer.gated", inner, h, "row"),
        "mixer.add": Add("x", "mixer.out", h),
        "mlp.norm": LayerNorm("mixer.add", h),
        "mlp.shift": TokenShift("mlp.norm", h),
        "mlp.k_mix": ShiftMix("mlp.norm", h, "mlp.shift"),
        "mlp.r_mix": ShiftMix("mlp.norm", h, "mlp.shift"),
        "mlp.up": Linear("mlp.k_mix", h, f, "column"),
        "mlp.act": Activation("mlp.up", f, "relu2"),
        "mlp.down": Linear("mlp.act", f, h, "row"),
        "mlp.r": Linear("mlp.r_mix", h, h, "replicated"),
        "mlp.gated": Gated("mlp.r", "mlp.down", h, "sigmoid"),
        "mlp.add": Add("mixer.add", "mlp.gated", h),
    })  # fmt: skip
    stem = {"tokens": Tokens(), "embedding": Embedding("tokens", vocab, h), "embed.norm": LayerNorm("embedding", h)}
    return Architecture(
        family="rwkv",
        stem=(Block(stem, "stem"),),
        trunk=(Repeat(c.layers("num_hidden_layers"), layer),),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", False), norm=LayerNorm),),
        context=c.dim("context_length", "max_position_embeddings", default=1024),
    )
