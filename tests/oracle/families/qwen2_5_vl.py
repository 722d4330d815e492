"""Qwen2.5-VL."""

from __future__ import annotations

import re
from random import Random
from typing import Any

from ..values import Values, maybe
from . import _qwen_vl

LAYER = r"^model\.language_model\.layers\.\d+\."
COMPONENTS = {
    **_qwen_vl.COMPONENTS,
    **{f"model.visual.mlp.{name}_proj": f"vision.mlp.{name}" for name in ("gate", "up", "down")},
}

_QWEN: Values = {
    "model_type": "qwen2_5_vl", **_qwen_vl.TEXT,
    "vision_config": {
        "depth": 4, "hidden_size": 24, "intermediate_size": 35, "num_heads": 3, "in_chans": 3, "out_hidden_size": 60,
        "patch_size": 28, "spatial_merge_size": 2, "spatial_patch_size": 28, "temporal_patch_size": 2, "window_size": 112,
        "fullatt_block_indexes": [1, 3], "tokens_per_second": 2, "hidden_act": "silu",
    },
}  # fmt: skip
SMALL: dict[str, Values] = {
    "qwen2_5_vl": _QWEN,
    "qwen2_5_vl-windows-tied": {
        **_QWEN, "use_sliding_window": True, "tie_word_embeddings": True,
        "vision_config": {
            "depth": 3, "hidden_size": 16, "intermediate_size": 11, "num_heads": 2, "out_hidden_size": 60, "patch_size": 16,
            "spatial_merge_size": 1, "temporal_patch_size": 1, "in_channels": 1, "window_size": 70, "fullatt_block_indexes": [],
        },
    },
}  # fmt: skip


def random(pick: Random) -> Values:
    text, heads, merge = _qwen_vl.text(pick), pick.randint(1, 4), pick.randint(1, 2)
    vision = {
        "depth": pick.randint(1, 4), "hidden_size": heads * 4 * pick.randint(1, 5), "intermediate_size": pick.randint(1, 60),
        "num_heads": heads, "out_hidden_size": text["hidden_size"], "patch_size": 14, "spatial_merge_size": merge,
        "window_size": 14 * merge * pick.choice([1, 2, 4, 8]), "fullatt_block_indexes": pick.sample(range(4), 2),
        **maybe(pick, in_channels=pick.randint(1, 4), temporal_patch_size=pick.randint(1, 3)),
    }  # fmt: skip
    return {**text, "vision_config": vision}


def parts(module: str, tensor: Any, values: Values) -> dict[str, int] | None:
    """A layer of the tower is of the windows or of all patches."""
    found = re.match(r"model\.visual\.blocks\.(\d+)\.(.*)", module)
    if found is None:
        return None
    everywhere = int(found[1]) in values["vision_config"]["fullatt_block_indexes"]
    component = COMPONENTS[f"model.visual.{found[2]}"]
    return {component if everywhere else component.replace("vision", "vision.windows", 1): tensor.numel()}
