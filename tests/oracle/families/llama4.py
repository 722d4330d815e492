"""Llama 4 with its vision tower. A forward pass here is of text alone; the tower's FLOPs are compared in
test_encoders.py."""

from __future__ import annotations

from random import Random

from ..values import Values, maybe
from . import llama4_text

LAYER = r"^language_model\.model\.layers\.\d+\.|(?<=^vision_model)\.model\.layers\.\d+"
COMPONENTS = {
    **llama4_text.COMPONENTS,
    "language_model.model.embed_tokens": "embedding",
    "language_model.model.norm": "norm",
    "language_model.lm_head": "head",
    "vision_model.class_embedding": "vision.stem.class",
    "vision_model.positional_embedding_vlm": "vision.stem.positions",
    "vision_model.patch_embedding.linear": "vision.patches.patch",
    "vision_model.layernorm_pre": "vision.stem.embed.norm",
    "vision_model.layernorm_post": "vision.final.norm",
    **{f"vision_model.self_attn.{name}_proj": f"vision.attn.{name}" for name in ("q", "k", "v")},
    "vision_model.self_attn.o_proj": "vision.attn.out",
    "vision_model.mlp.fc1": "vision.mlp.up",
    "vision_model.mlp.fc2": "vision.mlp.down",
    "vision_model.input_layernorm": "vision.attn.norm",
    "vision_model.post_attention_layernorm": "vision.mlp.norm",
    "vision_model.vision_adapter.mlp.fc1": "vision.adapter.up",
    "vision_model.vision_adapter.mlp.fc2": "vision.adapter.down",
    "multi_modal_projector.linear_1": "vision.adapter.projector",
}
KINDS = llama4_text.KINDS

_TEXT: Values = llama4_text.SMALL["llama4_text"]
_VISION: Values = {
    "model_type": "llama4_vision_model", "hidden_size": 24, "intermediate_size": 96, "num_hidden_layers": 2,
    "num_attention_heads": 3, "num_channels": 3, "image_size": 20, "patch_size": 5, "hidden_act": "gelu",
    "pixel_shuffle_ratio": 0.5, "projector_input_dim": 34, "projector_output_dim": 34, "vision_output_dim": 34,
    "multi_modal_projector_bias": False,
}  # fmt: skip
SMALL: dict[str, Values] = {
    "llama4": {"model_type": "llama4", "text_config": _TEXT, "vision_config": _VISION},
    "llama4-plain": {
        "model_type": "llama4",
        "text_config": {**llama4_text.SMALL["llama4_text-interleaved"], "tie_word_embeddings": True},
        "vision_config": {**_VISION, "pixel_shuffle_ratio": 1.0, "intermediate_size": 24, "num_channels": 1, "image_size": 23},
    },
}


def random(pick: Random) -> Values:
    merge, patch, out, heads = pick.randint(1, 2), pick.randint(1, 5), pick.randint(5, 40), pick.randint(1, 3)
    h = 4 * heads * pick.randint(1, 4)
    vision = {
        **_VISION,
        "hidden_size": h,
        "intermediate_size": h * merge**2,
        "num_attention_heads": heads,
        "num_hidden_layers": pick.randint(1, 4),
        "patch_size": patch,
        "image_size": patch * merge * pick.randint(1, 3),
        "pixel_shuffle_ratio": 1 / merge,
        "projector_input_dim": out,
        "projector_output_dim": out,
        "vision_output_dim": out,
        **maybe(pick, num_channels=3),
    }
    return {"text_config": {"model_type": "llama4_text", **llama4_text.random(pick)}, "vision_config": vision}
