"""GPT-Neo (Black et al. 2021): GPT-3's layer with separate Q, K and V that have no biases, its layers in turn looking on the whole
context and on a window of 256."""

from __future__ import annotations

from typing import Any

from bursar.config import MAX_LAYERS, Config
from bursar.dims import split
from bursar.errors import ConfigError
from bursar.families._common import ACTIVATIONS, runs
from bursar.ops.blocks import head, plain_mlp, positioned_stem, unrotated_attention
from bursar.ops.elementwise import Add, Dropout, LayerNorm
from bursar.tree import Architecture, Block, Input

KINDS = {"global": "full", "local": "sliding"}


def build(c: Config) -> Architecture:
    h = c.dim("hidden_size")
    heads = c.dim("num_heads", "num_attention_heads")
    d = split(h, heads, "hidden_size", "num_heads")
    f = c.dim("intermediate_size", default=4 * h)
    vocab = c.dim("vocab_size")
    positions = c.dim("max_position_embeddings", default=2048)
    window = c.dim("window_size", default=256)
    p = c.probability("attention_dropout")
    dropout = c.probability("resid_dropout")
    function = c.choice("activation_function", ACTIVATIONS, "gelu_new")
    c.ignore("a summary head is for classification", *[f"summary_{end}" for end in SUMMARY], "classifier_dropout")

    def layer(kind: str) -> Block:
        attention = unrotated_attention(
            "attn.norm", h, heads, heads, d, qkv_bias=False, out_bias=True, dropout=p, window=window if kind == "sliding" else None
        )
        return Block({
            "x": Input(h),
            "attn.norm": LayerNorm("x", h),
            **attention,
            "attn.dropout": Dropout("attn.out", h, dropout),
            "attn.add": Add("x", "attn.dropout", h),
            "mlp.norm": LayerNorm("attn.add", h),
            **plain_mlp("mlp.norm", h, f, bias=True, function=function),
            "mlp.dropout": Dropout("mlp.down", h, dropout),
            "mlp.add": Add("attn.add", "mlp.dropout", h),
        }, kind)  # fmt: skip

    return Architecture(
        family="gpt_neo",
        stem=(positioned_stem(vocab, positions, h, c.probability("embed_dropout")),),
        trunk=runs([KINDS[word] for word in _words(c)], layer),
        tail=(head(h, vocab, tied=c.flag("tie_word_embeddings", True), norm=LayerNorm),),
        context=positions,
        max_length=positions,
    )


def _words(c: Config) -> list[str]:
    """The kind of every layer: `attention_layers` lists them, `attention_types` says [[kinds, times], …]; both must agree."""
    layers = c.count("num_layers", "num_hidden_layers", low=1)
    listed = c.choices("attention_layers", tuple(KINDS), layers)
    c.ignore("read here", "attention_types")
    given = c.values.get("attention_types")
    words = list(listed or ()) if given is None and listed is not None else _expanded(c, given)
    if len(words) != layers or (listed is not None and list(listed) != words):
        raise ConfigError(
            f"attention_types says {len(words)} layers, or others than attention_layers", field="attention_types", where=c.where,
            valid=f"the kinds of {layers} layers",
        )  # fmt: skip
    return words


def _expanded(c: Config, given: Any) -> list[str]:
    """[[["global", "local"], 12]] as 24 words."""
    words: list[str] = []
    for group in given if isinstance(given, list) and len(given) <= MAX_LAYERS else [None]:
        if len(words) > MAX_LAYERS:
            break
        match group:
            case [[_, *_] as kinds, int(times)] if 0 < times <= MAX_LAYERS and all(kind in tuple(KINDS) for kind in kinds):
                words += kinds * min(times, MAX_LAYERS // len(kinds) + 1)
            case _:
                raise ConfigError(
                    "attention_types is not a list of groups", field="attention_types", value=given, where=c.where,
                    valid='groups such as [["global", "local"], 12]',
                )  # fmt: skip
    return words


SUMMARY = ("type", "use_proj", "activation", "proj_to_labels", "first_dropout")
