"""Qwen2-VL."""

from __future__ import annotations

from random import Random

from ..values import Values, maybe
from . import _qwen_vl

LAYER = _qwen_vl.LAYER
COMPONENTS = {**_qwen_vl.COMPONENTS, "model.visual.mlp.fc1": "vision.mlp.up", "model.visual.mlp.fc2": "vision.mlp.down"}

_QWEN: Values = {
    "model_type": "qwen2_vl", **_qwen_vl.TEXT,
    "vision_config": {
        "depth": 2, "embed_dim": 24, "mlp_ratio": 3, "num_heads": 3, "in_chans": 3, "hidden_size": 60, "patch_size": 56,
        "spatial_merge_size": 2, "spatial_patch_size": 56, "temporal_patch_size": 2,
    },
}  # fmt: skip
SMALL: dict[str, Values] = {
    "qwen2_vl": _QWEN,
    "qwen2_vl-windows-tied": {
        **_QWEN, "use_sliding_window": True, "tie_word_embeddings": True,
        "vision_config": {
            "depth": 3, "embed_dim": 16, "num_heads": 2, "hidden_size": 60, "patch_size": 20, "spatial_merge_size": 3,
            "temporal_patch_size": 1, "in_channels": 1, "hidden_act": "gelu",
        },
    },
}  # fmt: skip


def random(pick: Random) -> Values:
    text, heads = _qwen_vl.text(pick), pick.randint(1, 4)
    vision = {
        "depth": pick.randint(1, 4), "embed_dim": heads * 4 * pick.randint(1, 5), "num_heads": heads,
        "hidden_size": text["hidden_size"], "patch_size": pick.randint(1, 30), "spatial_merge_size": pick.randint(1, 3),
        **maybe(pick, mlp_ratio=pick.randint(1, 5), in_channels=pick.randint(1, 4), temporal_patch_size=pick.randint(1, 3)),
    }  # fmt: skip
    return {**text, "vision_config": vision}
