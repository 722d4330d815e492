"""Command R7B: Command R with three windows for each full layer."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, maybe, trunk

_BASE: Values = {
    "model_type": "cohere2", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 5,
    "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 64, "hidden_act": "silu", "sliding_window": 5
}  # fmt: skip
SMALL: dict[str, Values] = {
    "cohere2": _BASE,
    "cohere2-pattern-untied": {**_BASE, "sliding_window_pattern": 2, "tie_word_embeddings": False, "num_hidden_layers": 3},
    "cohere2-listed-biases": {
        **_BASE,
        "num_hidden_layers": 3,
        "layer_types": ["full_attention", "full_attention", "sliding_attention"],
        "attention_bias": True,
    },
}


def random(pick: Random) -> Values:
    values = trunk(pick, explicit_head_dim=False)
    return {
        **values,
        "sliding_window": pick.choice([1, 3, 64]),
        **maybe(
            pick,
            attention_bias=pick.random() < 0.7,
            sliding_window_pattern=pick.randint(1, 6),
            layer_types=pick.choices(["full_attention", "sliding_attention"], k=values["num_hidden_layers"]),
        ),
    }
