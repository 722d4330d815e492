"""Whisper: an encoder of a spectrogram of fixed length, and a decoder of text."""

from __future__ import annotations

from random import Random

from ..values import Values, maybe

LAYER = r"(?<=^model\.encoder)\.layers\.\d+|^model\.decoder\.layers\.\d+\."
_ATTENTION = {"q_proj": "q", "k_proj": "k", "v_proj": "v", "out_proj": "out"}
_LAYER = {
    **{f"self_attn.{name}": f"attn.{ours}" for name, ours in _ATTENTION.items()},
    "self_attn_layer_norm": "attn.norm",
    "final_layer_norm": "mlp.norm",
    "fc1": "mlp.up",
    "fc2": "mlp.down",
}
COMPONENTS = {
    "model.encoder.conv1": "encoder.stem.conv1",
    "model.encoder.conv2": "encoder.stem.conv2",
    "model.encoder.embed_positions": "encoder.stem.positions",
    "model.encoder.layer_norm": "encoder.final.norm",
    "model.decoder.embed_tokens": "embedding",
    "model.decoder.embed_positions": "positions",
    "model.decoder.layer_norm": "norm",
    "proj_out": "head",
    **_LAYER,
    **{f"model.encoder.{name}": f"encoder.{ours}" for name, ours in _LAYER.items()},
    **{f"encoder_attn.{name}": f"cross.{ours}" for name, ours in _ATTENTION.items()},
    "encoder_attn_layer_norm": "cross.norm",
}
KINDS = [(r"\.proj_out$", "logits"), (r"\.\d+\.(self_attn|encoder_attn)$", "attention")]

_WHISPER: Values = {
    "model_type": "whisper", "vocab_size": 101, "num_mel_bins": 9, "d_model": 60, "encoder_layers": 3, "decoder_layers": 2,
    "encoder_attention_heads": 6, "decoder_attention_heads": 5, "encoder_ffn_dim": 77, "decoder_ffn_dim": 41,
    "max_source_positions": 13, "max_target_positions": 29, "pad_token_id": 0, "decoder_start_token_id": 1,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "whisper": _WHISPER,
    "whisper-untied": {**_WHISPER, "tie_word_embeddings": False, "max_source_positions": 30, "decoder_layers": 4, "dropout": 0.1},
}


def random(pick: Random) -> Values:
    heads = pick.randint(1, 3), pick.randint(1, 3)
    return {
        "vocab_size": pick.randint(11, 130),
        "num_mel_bins": pick.randint(1, 20),
        "d_model": 4 * heads[0] * heads[1] * pick.randint(1, 4),
        "encoder_layers": pick.randint(1, 4),
        "decoder_layers": pick.randint(1, 4),
        "encoder_attention_heads": heads[0],
        "decoder_attention_heads": heads[1],
        "encoder_ffn_dim": pick.randint(1, 90),
        "decoder_ffn_dim": pick.randint(1, 90),
        "max_source_positions": pick.randint(1, 30),
        "max_target_positions": pick.randint(20, 40),
        "pad_token_id": 0,
        **maybe(pick, tie_word_embeddings=pick.random() < 0.5, activation_dropout=0.1),
    }


def useless(values: Values, seq: int, batch: int) -> int:
    """The gradient of the spectrogram: the first convolution has two positions for every frame and a kernel of three."""
    return 2 * batch * 2 * values["max_source_positions"] * values["num_mel_bins"] * 3 * values["d_model"]
