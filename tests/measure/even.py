"""Small configs whose sizes ranks can share."""

from __future__ import annotations

from tests.oracle.values import Values

WIDTHS = (
    "vocab_size", "intermediate_size", "moe_intermediate_size", "shared_expert_intermediate_size", "ffn_dim", "n_inner",
    "ffn_hidden_size", "intermediate_size_mlp",
)  # fmt: skip
HEADS = {5: 6, 3: 4, 15: 6}
EXPERTS = ("num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts")
PICKS = ("num_experts_per_tok", "top_k", "moe_topk", "moe_k")


def even(values: Values) -> Values:
    """The same with widths that are multiples of eight, heads in pairs, eight experts of which a token has two, and a head of its
    own."""

    def size(key: str, value: object) -> object:
        if key in EXPERTS or key in PICKS:
            return 8 if key in EXPERTS else [2] * len(value) if isinstance(value, list) else 2
        if not isinstance(value, int) or isinstance(value, bool):
            return value
        return -(-value // 8) * 8 if key in WIDTHS else HEADS.get(value, value) if key.endswith(("_heads", "n_head")) else value

    return {**{key: size(key, value) for key, value in values.items()}, "tie_word_embeddings": False}
