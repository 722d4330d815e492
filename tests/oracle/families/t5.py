"""T5: an encoder and a decoder of the same length."""

from __future__ import annotations

from random import Random

from ..values import Values, maybe

LAYER = r"(?<=^encoder)\.block\.\d+|^decoder\.block\.\d+\."
_ATTENTION = {"q": "q", "k": "k", "v": "v", "o": "out"}
_MLP = {"wi": "up", "wi_0": "gate", "wi_1": "up", "wo": "down"}
COMPONENTS = {
    "shared": "embedding",
    "encoder.final_layer_norm": "encoder.final.norm",
    "decoder.final_layer_norm": "norm",
    "lm_head": "head",
    "encoder.layer.0.SelfAttention.relative_attention_bias": "encoder.stem.relative",
    "layer.0.SelfAttention.relative_attention_bias": "relative",
    "encoder.layer.0.layer_norm": "encoder.attn.norm",
    "encoder.layer.1.layer_norm": "encoder.mlp.norm",
    "layer.0.layer_norm": "attn.norm",
    "layer.1.layer_norm": "cross.norm",
    "layer.2.layer_norm": "mlp.norm",
    **{f"encoder.layer.0.SelfAttention.{name}": f"encoder.attn.{ours}" for name, ours in _ATTENTION.items()},
    **{f"layer.0.SelfAttention.{name}": f"attn.{ours}" for name, ours in _ATTENTION.items()},
    **{f"layer.1.EncDecAttention.{name}": f"cross.{ours}" for name, ours in _ATTENTION.items()},
    **{f"encoder.layer.1.DenseReluDense.{name}": f"encoder.mlp.{ours}" for name, ours in _MLP.items()},
    **{f"layer.2.DenseReluDense.{name}": f"mlp.{ours}" for name, ours in _MLP.items()},
}
KINDS = [(r"\.lm_head$", "logits"), (r"\.(SelfAttention|EncDecAttention)$", "attention")]

_T5: Values = {
    "model_type": "t5", "vocab_size": 101, "d_model": 60, "d_kv": 7, "d_ff": 77, "num_layers": 3, "num_heads": 6,
    "relative_attention_num_buckets": 8, "feed_forward_proj": "relu", "decoder_start_token_id": 0,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "t5": _T5,
    "t5-gated-deep": {**_T5, "feed_forward_proj": "gated-gelu", "num_decoder_layers": 5, "dropout_rate": 0.0},
    "t5-default-buckets": {key: value for key, value in _T5.items() if key != "relative_attention_num_buckets"},
}


def random(pick: Random) -> Values:
    return {
        "vocab_size": pick.randint(11, 130),
        "d_model": pick.randint(5, 60),
        "d_kv": pick.randint(1, 12),
        "d_ff": pick.randint(1, 90),
        "num_layers": pick.randint(1, 4),
        "num_heads": pick.randint(1, 6),
        **maybe(pick, relative_attention_num_buckets=4 * pick.randint(1, 9), num_decoder_layers=pick.randint(1, 4)),
        **maybe(pick, feed_forward_proj=pick.choice(["relu", "gated-gelu", "gated-silu", "gelu"])),
    }
