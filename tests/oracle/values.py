"""What a config.json holds."""

from __future__ import annotations

from random import Random
from typing import Any

Values = dict[str, Any]


def trunk(pick: Random, *, explicit_head_dim: bool) -> Values:
    """Sizes that most decoders share; grouped heads, and a head width that need not divide the hidden size."""
    groups, heads_per_group, d = pick.randint(1, 3), pick.randint(1, 3), 2 * pick.randint(1, 7)
    heads = groups * heads_per_group
    return {
        "vocab_size": pick.randint(11, 130),
        "hidden_size": pick.randint(5, 60) if explicit_head_dim else heads * d,
        "intermediate_size": pick.randint(1, 90),
        "num_hidden_layers": pick.randint(1, 5),
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "max_position_embeddings": pick.choice([32, 64, 4096]),
        "hidden_act": "silu",
        **({"head_dim": d} if explicit_head_dim else {}),
        **maybe(pick, tie_word_embeddings=pick.random() < 0.5),
    }


def maybe(pick: Random, **keys: object) -> Values:
    """Each key with even chance; both sides have the same default for one that is left out."""
    return {key: value for key, value in keys.items() if pick.random() < 0.5}


def experts_in_groups(pick: Random, layers: int) -> Values:
    """Routed and shared experts, with DeepSeek's names, behind dense layers."""
    groups = pick.randint(1, 3)
    experts = groups * pick.randint(2, 4)  # a group is ranked by its two best experts
    return {
        "moe_intermediate_size": pick.randint(1, 40),
        "n_routed_experts": experts,
        "n_shared_experts": pick.randint(1, 3),
        "num_experts_per_tok": pick.randint(1, experts // groups),
        "n_group": groups,
        "topk_group": pick.randint(1, groups),
        "first_k_dense_replace": pick.randint(0, layers),
    }
