"""SigLIP: a pair of encoders. A sequence is a text of the length asked for and a picture of fixed size."""

from __future__ import annotations

from random import Random
from typing import Any

from ..values import Values, maybe

LAYER = r"(?<=^text_model)\.encoder\.layers\.\d+|(?<=^vision_model)\.encoder\.layers\.\d+"
_LAYER = {
    "layer_norm1": "attn.norm",
    **{f"self_attn.{name}_proj": f"attn.{name}" for name in ("q", "k", "v", "out")},
    "layer_norm2": "mlp.norm",
    "mlp.fc1": "mlp.up",
    "mlp.fc2": "mlp.down",
}
COMPONENTS = {
    **{f"text_model.{name}": ours for name, ours in _LAYER.items()},
    **{f"vision_model.{name}": f"vision.{ours}" for name, ours in _LAYER.items()},
    "text_model.embeddings.token_embedding": "embedding",
    "text_model.embeddings.position_embedding": "positions",
    "text_model.final_layer_norm": "final.norm",
    "text_model.head": "projection",
    "vision_model.embeddings.patch_embedding": "vision.stem.patch",
    "vision_model.embeddings.position_embedding": "vision.stem.positions",
    "vision_model.post_layernorm": "vision.final.norm",
    "vision_model.head.probe": "vision.pooler.probe",
    "vision_model.head.attention.out_proj": "vision.pooler.cross.out",
    "vision_model.head.layernorm": "vision.pooler.mlp.norm",
    "vision_model.head.mlp.fc1": "vision.pooler.mlp.up",
    "vision_model.head.mlp.fc2": "vision.pooler.mlp.down",
    "logit_scale": "similarity",
    "logit_bias": "similarity",
}
KINDS = [(r"\.\d+\.self_attn$", "attention"), (r"\.head\.attention$", "attention")]

_TEXT: Values = {
    "model_type": "siglip_text_model", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 3,
    "num_attention_heads": 6, "max_position_embeddings": 37, "projection_size": 28, "pad_token_id": 1,
}  # fmt: skip
_VISION: Values = {
    "model_type": "siglip_vision_model", "hidden_size": 28, "intermediate_size": 33, "num_hidden_layers": 2,
    "num_attention_heads": 4, "image_size": 20, "patch_size": 3, "num_channels": 3,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "siglip": {"model_type": "siglip", "text_config": _TEXT, "vision_config": _VISION},
    "siglip-one-width": {
        "model_type": "siglip",
        "text_config": {**_TEXT, "hidden_size": 28, "num_attention_heads": 7, "projection_size": None, "hidden_act": "gelu"},
        "vision_config": {**_VISION, "num_channels": 1, "vision_use_head": True, "hidden_act": "relu"},
    },
}


def random(pick: Random) -> Values:
    heads, towers, patch = pick.randint(1, 5), pick.randint(1, 4), pick.randint(1, 5)
    out = towers * pick.randint(2, 9)
    text = {
        **_TEXT,
        "vocab_size": pick.randint(11, 130),
        "hidden_size": heads * pick.randint(2, 12),
        "num_attention_heads": heads,
        "intermediate_size": pick.randint(1, 90),
        "num_hidden_layers": pick.randint(1, 4),
        "projection_size": out,
    }
    vision = {
        **_VISION,
        "hidden_size": out,
        "num_attention_heads": towers,
        "num_hidden_layers": pick.randint(1, 4),
        "patch_size": patch,
        "image_size": patch * pick.randint(2, 6) + pick.randint(0, patch - 1),
        **maybe(pick, vision_use_head=True, hidden_act="gelu"),
    }
    return {"text_config": text, "vision_config": vision}


def parts(module: str, tensor: Any, values: Values) -> dict[str, int] | None:
    """The pooler's products for Q, K and V are one tensor there."""
    if not module.startswith("vision_model.head.attention.in_proj"):
        return None
    return {f"vision.pooler.cross.{name}": tensor.numel() // 3 for name in ("q", "k", "v")}


def unnamed(values: Values, seq: int, batch: int) -> dict[str, int]:
    """The product of texts and pictures, which the whole model makes itself."""
    return {"logits": 2 * batch**2 * values["vision_config"]["hidden_size"]}


def useless(values: Values, seq: int, batch: int) -> int:
    """The gradient of the pixels."""
    vision = values["vision_config"]
    cells, patch = (vision["image_size"] // vision["patch_size"]) ** 2, vision["patch_size"]
    return int(2 * batch * cells * vision["num_channels"] * patch**2 * vision["hidden_size"])
