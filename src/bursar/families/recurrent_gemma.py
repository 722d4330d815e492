"""RecurrentGemma (arXiv:2404.07839), Griffin's architecture (arXiv:2402.19427): two recurrent blocks for every block of local
attention with one head of keys and half of every head rotated; a gated feed-forward layer in each. `intermediate_size` is the width
of gate and up together. Norms are zero-centred at no other cost; the logits are capped."""

from __future__ import annotations

from bursar.config import Config
from bursar.dims import Dim, split
from bursar.errors import ConfigError
from bursar.families._common import ACTIVATIONS, rotated, runs
from bursar.ops.blocks import Lines, gated_mlp, grouped_attention, head, token_stem
from bursar.ops.conv import ShortConv
from bursar.ops.elementwise import Add, Gated, RMSNorm
from bursar.ops.linear import Linear
from bursar.ops.scan import BlockDiagonal, LinearRecurrence
from bursar.tree import Architecture, Block, Input

KINDS = ("recurrent", "attention")


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    vocab = c.dim("vocab_size")
    width = c.dim("lru_width", default=h)
    function = c.choice("hidden_activation", ACTIVATIONS, "gelu_pytorch_tanh")
    d = split(h, heads, "hidden_size", "num_attention_heads")
    c.expect("head_dim", c.count("hidden_size", high=10**8) // c.count("num_attention_heads", low=1))
    c.expect("attention_bias", False)
    c.ignore("scales the embedding, or initial values", "embeddings_scale_by_sqrt_dim", "w_init_variance_scale")
    c.ignore("follows from the number of layers", "final_w_init_variance_scale")

    mixers: dict[str, tuple[str, Lines]] = {
        "recurrent": ("mixer", griffin("mixer.norm", h, width, heads, c.dim("conv1d_width", default=4), function)),
        "attention": (
            "attn",
            grouped_attention(
                "attn.norm", h, heads, c.dim("num_key_value_heads", default=heads), d, out_bias=True,
                rotated=rotated(c, d, default=0.5), window=c.dim("attention_window_size", "sliding_window", default=2048),
                dropout=c.probability("attention_dropout"),
            ),
        ),
    }  # fmt: skip
    f = split(c.dim("intermediate_size", default=7680), 2, "intermediate_size", "gate and up")

    def layer(kind: str) -> Block:
        name, lines = mixers[kind]
        return Block({
            "x": Input(h),
            f"{name}.norm": RMSNorm("x", h),
            **lines,
            f"{name}.add": Add("x", f"{name}.out", h),
            "mlp.norm": RMSNorm(f"{name}.add", h),
            **gated_mlp("mlp.norm", h, f, bias=True, function=function),
            "mlp.add": Add(f"{name}.add", "mlp.down", h),
        }, kind)  # fmt: skip

    return Architecture(
        family="recurrent_gemma",
        stem=(token_stem(vocab, h),),
        trunk=runs(_kinds(c), layer),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", True), softcap=c.present("logits_soft_cap", 30.0)),),
    )


def _kinds(c: Config) -> list[str]:
    """The listed kinds over and over."""
    listed = c.values.get("block_types", ["recurrent", "recurrent", "attention"])
    c.ignore("read here", "block_types")
    if not isinstance(listed, list) or not listed or any(kind not in KINDS for kind in listed):
        raise ConfigError("block_types has an unknown block", field="block_types", where=c.where, valid=", ".join(KINDS))
    return [listed[i % len(listed)] for i in range(c.count("num_hidden_layers", low=1))]


def griffin(x: str, h: Dim, width: Dim, blocks: Dim, kernel: Dim, function: str) -> Lines:
    """Griffin's recurrent block (section 2.3): a convolution and the RG-LRU on one branch, an activation on the other. The gates
    of the RG-LRU are block-diagonal products."""
    size = split(width, blocks, "lru_width", "num_attention_heads")
    return {
        "mixer.y": Linear(x, h, width, "column", True, unit=size),
        "mixer.x": Linear(x, h, width, "column", True, unit=size),
        "mixer.conv": ShortConv("mixer.x", width, kernel, True, None),
        "mixer.input_gate": BlockDiagonal("mixer.conv", blocks, size),
        "mixer.recurrence_gate": BlockDiagonal("mixer.conv", blocks, size),
        "mixer.scan": LinearRecurrence("mixer.conv", "mixer.input_gate", "mixer.recurrence_gate", width),
        "mixer.gated": Gated("mixer.y", "mixer.scan", width, function),
        "mixer.out": Linear("mixer.gated", width, h, "row", True),
    }
