"""GPT-NeoX: transformers' names differ from those of other decoders."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe

_BASE: Values = {
    "model_type": "gpt_neox", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 3,
    "num_attention_heads": 5, "hidden_act": "gelu", "rotary_pct": 0.25, "max_position_embeddings": 64,
    "use_parallel_residual": True, "attention_bias": True, "tie_word_embeddings": False,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "gpt_neox": _BASE,
    "gpt_neox-consecutive-tied": {**_BASE, "use_parallel_residual": False, "tie_word_embeddings": True, "hidden_dropout": 0.1},
    "gpt_neox-unbiased": {**_BASE, "attention_bias": False, "rotary_pct": 1.0, "attention_dropout": 0.1},
}
LAYER = r"^gpt_neox\.layers\.\d+\."
COMPONENTS = {
    "gpt_neox.embed_in": "embedding",
    "gpt_neox.final_layer_norm": "norm",
    "attention.query_key_value": "attn.qkv",
    "attention.dense": "attn.out",
    "mlp.dense_h_to_4h": "mlp.up",
    "mlp.dense_4h_to_h": "mlp.down",
}


def random(pick: Random) -> Values:
    heads = pick.randint(1, 5)
    return {
        "vocab_size": pick.randint(11, 130),
        "hidden_size": heads * 4 * pick.randint(2, 5),
        "intermediate_size": pick.randint(1, 90),
        "num_hidden_layers": pick.randint(1, 4),
        "num_attention_heads": heads,
        **maybe(pick, use_parallel_residual=pick.random() < 0.5, attention_bias=pick.random() < 0.5),
        **maybe(pick, tie_word_embeddings=pick.random() < 0.5, rotary_pct=pick.choice([0.25, 0.5, 1.0])),
    }
