"""Random sizes of the models of DeepSeek's structure."""

from __future__ import annotations

from random import Random

from tests.oracle.values import Values, experts_in_groups, maybe, trunk

INDEXER = {
    "self_attn.indexer.wq_b": "attn.index_q",
    "self_attn.indexer.wk": "attn.index_k",
    "self_attn.indexer.k_norm": "attn.index_norm",
    "self_attn.indexer.weights_proj": "attn.index_weights",
}


def sizes(pick: Random) -> Values:
    values = trunk(pick, explicit_head_dim=False)
    heads = values["num_attention_heads"]
    return {
        **values,
        **experts_in_groups(pick, values["num_hidden_layers"]),
        "hidden_size": heads * pick.randint(1, 12),
        "num_key_value_heads": heads,
        "q_lora_rank": pick.randint(1, 30),
        "kv_lora_rank": pick.randint(1, 30),
        "qk_nope_head_dim": pick.randint(1, 12),
        "qk_rope_head_dim": 2 * pick.randint(1, 5),
        "v_head_dim": pick.randint(1, 12),
        **maybe(pick, attention_bias=pick.random() < 0.7),
    }


def free_sizes(pick: Random) -> Values:
    """A hidden size that no head divides, and a query with a latent or without: DeepSeek-V3's class takes both."""
    values = sizes(pick)
    return {**values, "hidden_size": pick.randint(5, 60), "q_lora_rank": pick.choice([None, values["q_lora_rank"]])}


def indexed_sizes(pick: Random) -> Values:
    values = sizes(pick)
    return {
        **values,
        "index_topk": pick.choice([1, 3, 64]),
        "index_head_dim": values["qk_rope_head_dim"] + pick.randint(0, 9),
        "index_n_heads": pick.randint(1, 7),
    }


def index_gradients(values: Values, seq: int, batch: int) -> int:
    """The two gradients of every product of the indexer, which has none: three projections of every token, and for every pair the
    products of the heads and their weighted sum."""
    h, q = int(values["hidden_size"]), int(values["q_lora_rank"])
    heads, d = int(values["index_n_heads"]), int(values["index_head_dim"])
    projections = seq * batch * (q * heads * d + h * d + h * heads)
    return int(values["num_hidden_layers"]) * 2 * 2 * (projections + batch * seq**2 * heads * (d + 1))
