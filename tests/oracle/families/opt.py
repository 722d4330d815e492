"""OPT: norms after the sums and a narrow table in the 350M model, biases as a switch (Galactica has none)."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.oracle.values import Values, maybe

_BASE: Values = {
    "model_type": "opt", "vocab_size": 101, "hidden_size": 60, "ffn_dim": 77, "num_hidden_layers": 3, "num_attention_heads": 5,
    "max_position_embeddings": 37, "word_embed_proj_dim": 60, "do_layer_norm_before": True, "tie_word_embeddings": True,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "opt": _BASE,
    "opt-350m": {**_BASE, "word_embed_proj_dim": 22, "do_layer_norm_before": False},
    "opt-narrow-table": {**_BASE, "word_embed_proj_dim": 22, "tie_word_embeddings": False},
    "opt-plain-norms": {**_BASE, "enable_bias": False, "layer_norm_elementwise_affine": False},
    "opt-unbiased": {**_BASE, "enable_bias": False, "activation_function": "gelu", "attention_dropout": 0.1, "dropout": 0.0},
    "opt-no-last-norm": {**_BASE, "_remove_final_layer_norm": True, "word_embed_proj_dim": None},
    "opt-post-norm": {**_BASE, "do_layer_norm_before": False},
}
LAYER = r"^model\.decoder\.layers\.\d+\."
COMPONENTS = {
    "model.decoder.embed_tokens": "embedding",
    "model.decoder.embed_positions": "positions",
    "model.decoder.project_in": "project_in",
    "model.decoder.project_out": "project_out",
    "model.decoder.final_layer_norm": "norm",
    "self_attn.out_proj": "attn.out",
    "fc1": "mlp.up",
    "fc2": "mlp.down",
}
NORMS = {"self_attn_layer_norm": "attn", "final_layer_norm": "mlp"}


def parts(module: str, tensor: Any, values: Values) -> dict[str, int] | None:
    """The norms of a layer stand before or after its pieces."""
    if module not in NORMS:
        return None
    return {f"{NORMS[module]}.{'norm' if values.get('do_layer_norm_before', True) else 'post_norm'}": tensor.numel()}


def random(pick: Random) -> Values:
    heads = pick.randint(1, 5)
    h = heads * pick.randint(1, 12)
    return {
        "vocab_size": pick.randint(11, 130),
        "hidden_size": h,
        "ffn_dim": pick.randint(1, 90),
        "num_hidden_layers": pick.randint(1, 4),
        "num_attention_heads": heads,
        "max_position_embeddings": pick.randint(20, 40),
        **maybe(pick, word_embed_proj_dim=pick.choice([None, h, pick.randint(1, 60)]), do_layer_norm_before=pick.random() < 0.5),
        **maybe(pick, enable_bias=pick.random() < 0.5, tie_word_embeddings=pick.random() < 0.5),
        **maybe(pick, _remove_final_layer_norm=pick.random() < 0.5),
    }
