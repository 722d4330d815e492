"""Gemma 3 with its vision tower. A forward pass here is of text alone; the tower's FLOPs are compared in test_encoders.py."""

from __future__ import annotations

from random import Random

from ..values import Values, maybe

LAYER = r"^model\.language_model\.layers\.\d+\.|(?<=^model\.vision_tower)\.encoder\.layers\.\d+"
COMPONENTS = {
    "model.language_model.embed_tokens": "embedding",
    "model.language_model.norm": "norm",
    "post_attention_layernorm": "attn.post_norm",
    "pre_feedforward_layernorm": "mlp.norm",
    "post_feedforward_layernorm": "mlp.post_norm",
    "model.vision_tower.embeddings.patch_embedding": "vision.stem.patch",
    "model.vision_tower.embeddings.position_embedding": "vision.stem.positions",
    "model.vision_tower.layer_norm1": "vision.attn.norm",
    **{f"model.vision_tower.self_attn.{name}_proj": f"vision.attn.{name}" for name in ("q", "k", "v", "out")},
    "model.vision_tower.layer_norm2": "vision.mlp.norm",
    "model.vision_tower.mlp.fc1": "vision.mlp.up",
    "model.vision_tower.mlp.fc2": "vision.mlp.down",
    "model.vision_tower.post_layernorm": "vision.final.norm",
    "model.multi_modal_projector.mm_input_projection_weight": "projector.linear",
    "model.multi_modal_projector.mm_soft_emb_norm": "projector.norm",
}

_TEXT: Values = {
    "model_type": "gemma3_text", "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 14, "sliding_window": 5, "sliding_window_pattern": 2,
    "max_position_embeddings": 64, "attention_bias": False,
}  # fmt: skip
_VISION: Values = {
    "model_type": "siglip_vision_model", "hidden_size": 28, "intermediate_size": 33, "num_hidden_layers": 2,
    "num_attention_heads": 4, "image_size": 20, "patch_size": 3, "vision_use_head": False,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "gemma3": {"model_type": "gemma3", "text_config": _TEXT, "vision_config": _VISION, "mm_tokens_per_image": 4},
    "gemma3-uneven": {
        "model_type": "gemma3",
        "text_config": {**_TEXT, "attention_bias": True},
        "vision_config": {**_VISION, "image_size": 24, "num_channels": 1},
        "mm_tokens_per_image": 9,  # a window of 2 over 8 patches a side makes 16 tokens
    },
}


def random(pick: Random) -> Values:
    groups, heads, patch = pick.randint(1, 3), pick.randint(1, 3), pick.randint(1, 5)
    text = {
        **_TEXT,
        "hidden_size": groups * heads * pick.randint(1, 9),
        "num_attention_heads": groups * heads,
        "num_key_value_heads": groups,
        "num_hidden_layers": pick.randint(1, 5),
        "head_dim": 2 * pick.randint(1, 7),
    }
    vision = {
        **_VISION,
        "hidden_size": 4 * pick.randint(1, 9),
        "num_hidden_layers": pick.randint(1, 4),
        "patch_size": patch,
        "image_size": patch * pick.randint(3, 6),
        **maybe(pick, num_channels=pick.randint(1, 4)),
    }
    return {"text_config": text, "vision_config": vision, "mm_tokens_per_image": pick.randint(1, 3) ** 2}
