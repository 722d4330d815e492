"""BLOOM: its attention is written out; the first product adds the ALiBi bias in the same operator."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe

_BASE: Values = {
    "model_type": "bloom", "vocab_size": 101, "hidden_size": 60, "n_layer": 3, "n_head": 5, "tie_word_embeddings": True,
    "apply_residual_connection_post_layernorm": False,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "bloom": _BASE,
    "bloom-normed-residual": {**_BASE, "apply_residual_connection_post_layernorm": True, "hidden_dropout": 0.1},
    "bloom-untied": {**_BASE, "tie_word_embeddings": False, "attention_dropout": 0.1, "n_head": 4},
}
KINDS = [(r"\.lm_head$", "logits"), (r"\.\d+\.self_attention$", "attention")]
COMPONENTS = {
    "transformer.word_embeddings": "embedding",
    "transformer.word_embeddings_layernorm": "embed.norm",
    "self_attention.query_key_value": "attn.qkv",
    "self_attention.dense": "attn.out",
    "mlp.dense_h_to_4h": "mlp.up",
    "mlp.dense_4h_to_h": "mlp.down",
}


def random(pick: Random) -> Values:
    heads = pick.randint(1, 6)
    return {
        "vocab_size": pick.randint(11, 130),
        pick.choice(["hidden_size", "n_embed"]): heads * pick.randint(1, 12),
        pick.choice(["n_layer", "num_hidden_layers"]): pick.randint(1, 4),
        pick.choice(["n_head", "num_attention_heads"]): heads,
        **maybe(pick, apply_residual_connection_post_layernorm=pick.random() < 0.5, tie_word_embeddings=pick.random() < 0.5),
    }
