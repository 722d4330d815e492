"""Falcon: one tensor holds Q, K and V, whose rows are those of three products of ours."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.oracle.values import Values, maybe

_BASE: Values = {
    "model_type": "falcon", "vocab_size": 101, "hidden_size": 60, "num_hidden_layers": 3, "num_attention_heads": 6,
    "multi_query": True, "new_decoder_architecture": False, "parallel_attn": True, "bias": False, "alibi": False,
    "tie_word_embeddings": True,
}  # fmt: skip
_NEW: Values = {**_BASE, "new_decoder_architecture": True, "num_kv_heads": 2}
SMALL: dict[str, Values] = {
    "falcon": {**_BASE, "num_kv_heads": 6},
    "falcon-new": _NEW,
    "falcon-new-one-norm-untied": {**_NEW, "num_ln_in_parallel_attn": 1, "tie_word_embeddings": False, "ffn_hidden_size": 77},
    "falcon-rw": {**_BASE, "multi_query": False, "alibi": True, "parallel_attn": False, "bias": True},
    "falcon-all-heads": {**_BASE, "multi_query": False, "bias": True, "hidden_dropout": 0.1},
    "falcon-consecutive": {**_BASE, "parallel_attn": False, "attention_dropout": 0.1},
    "falcon-new-alibi": {**_NEW, "alibi": True, "bias": True, "num_kv_heads": 3},
}
KINDS = [(r"\.lm_head$", "logits"), (r"\.\d+\.self_attention$", "attention")]
COMPONENTS = {
    "transformer.word_embeddings": "embedding",
    "self_attention.dense": "attn.out",
    "ln_attn": "attn.norm",
    "ln_mlp": "mlp.norm",
    "mlp.dense_h_to_4h": "mlp.up",
    "mlp.dense_4h_to_h": "mlp.down",
}


def parts(module: str, tensor: Any, values: Values) -> dict[str, int] | None:
    """Rows of the fused tensor: of every query, then of every key and value; a bias is a column."""
    if module != "self_attention.query_key_value":
        return None
    h, heads = values["hidden_size"], values["num_attention_heads"]
    row = tensor.numel() // tensor.shape[0]
    keys = (tensor.shape[0] - h) // 2
    assert keys % (h // heads) == 0
    return {"attn.q": h * row, "attn.k": keys * row, "attn.v": keys * row}


def random(pick: Random) -> Values:
    groups = pick.randint(1, 3)
    heads = groups * pick.randint(1, 3)
    sizes = {
        "vocab_size": pick.randint(11, 130),
        "hidden_size": heads * 2 * pick.randint(1, 7),
        "num_hidden_layers": pick.randint(1, 4),
        "num_attention_heads": heads,
        **maybe(pick, bias=pick.random() < 0.5, alibi=pick.random() < 0.5, tie_word_embeddings=pick.random() < 0.5),
        **maybe(pick, ffn_hidden_size=pick.choice([None, pick.randint(1, 90)])),
    }
    grouped = {"new_decoder_architecture": True, "num_kv_heads": groups, **maybe(pick, num_ln_in_parallel_attn=pick.randint(1, 2))}
    plain = maybe(pick, multi_query=pick.random() < 0.5, parallel_attn=pick.random() < 0.5, num_kv_heads=heads)
    return {**sizes, **pick.choice([grouped, plain])}
