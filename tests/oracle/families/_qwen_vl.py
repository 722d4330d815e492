"""What the two of Qwen's models with a vision tower share. A forward pass of the parametrised tests is of text alone; the tower's
FLOPs are compared in test_pictures.py."""

from __future__ import annotations

from random import Random

from ..values import Values, trunk

LAYER = r"^model\.language_model\.layers\.\d+\.|(?<=^model\.visual)\.blocks\.\d+"
COMPONENTS = {
    "model.language_model.embed_tokens": "embedding",
    "model.language_model.norm": "norm",
    "model.visual.patch_embed.proj": "vision.patches.patch",
    "model.visual.norm1": "vision.attn.norm",
    "model.visual.attn.qkv": "vision.attn.qkv",
    "model.visual.attn.proj": "vision.attn.out",
    "model.visual.norm2": "vision.mlp.norm",
    "model.visual.merger.ln_q": "vision.final.norm",
    "model.visual.merger.mlp.0": "vision.merger.up",
    "model.visual.merger.mlp.2": "vision.merger.down",
}
TEXT: Values = {
    "vocab_size": 101, "hidden_size": 60, "intermediate_size": 77, "num_hidden_layers": 3, "num_attention_heads": 6,
    "num_key_value_heads": 2, "hidden_act": "silu", "max_position_embeddings": 64, "tie_word_embeddings": False,
    "use_sliding_window": False, "sliding_window": 5, "max_window_layers": 1, "bos_token_id": 1, "eos_token_id": 2,
    "image_token_id": 5, "video_token_id": 6, "rope_scaling": {"type": "mrope", "mrope_section": [2, 1, 2]},
}  # fmt: skip


def text(pick: Random) -> Values:
    found = {**trunk(pick, explicit_head_dim=False), **{key: TEXT[key] for key in TEXT if key.endswith("_token_id")}}
    half = found["hidden_size"] // found["num_attention_heads"] // 2
    return {**found, "rope_scaling": {"type": "mrope", "mrope_section": [half, 0, 0]}}
