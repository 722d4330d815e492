"""Proves the FLOPs of towers for pictures of any size, at the size that they are counted with."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from bursar import catalog
from bursar.errors import ConfigError
from bursar.model import load

from . import reference
from .small import SMALL
from .values import Values

torch = reference.torch
cutting = import_module("transformers.vision_utils")

NAMES = [name for name in (*SMALL, *catalog.names()) if name.startswith(("qwen2_vl", "qwen2_5_vl", "qwen2-vl", "qwen2.5-vl"))]


@pytest.mark.parametrize("name", NAMES)
def test_a_tower_of_pictures_without_a_fixed_size(name: str) -> None:
    """Two sequences with three pictures each, forward and backward; text alone counts no picture."""
    values = SMALL.get(name) or catalog.entry(name).values
    ours, (forward, backward) = load(values), _counted(values, 6)
    with_pictures, text = ours.flops(20, 2, images=3), ours.flops(20, 2)
    assert with_pictures.forward - text.forward == forward
    assert with_pictures.backward - text.backward == backward


def _counted(values: Values, count: int) -> tuple[int, int]:
    """What the tower does with so many pictures. Where a picture is cut is asked of numbers, so that those are on the CPU."""
    model, vision = reference.build(values), values["vision_config"]
    patch, merge = vision["patch_size"], vision["spatial_merge_size"]
    side = 448 // (patch * merge) * merge
    grid = torch.tensor([[1, side, side]] * count)
    given: dict[str, Any] = {
        "position_ids": torch.zeros((count * side**2, 2), dtype=torch.long, device="meta"),
        "cu_seqlens": cutting.get_vision_cu_seqlens(grid),
    }
    if "window_size" in vision:
        index, windows = cutting.get_vision_window_index(grid, merge, vision["window_size"], patch)
        given |= {"window_index": index.to("meta"), "cu_window_seqlens": windows}
    width = vision.get("in_channels", 3) * vision.get("temporal_patch_size", 2) * patch**2
    pixels = torch.zeros((count * side**2, width), device="meta")
    with reference.flop_counter.FlopCounterMode(display=False) as forward:
        made = model.model.visual(pixels, grid, **given).pooler_output
    assert made.shape == (count * (side // merge) ** 2, values["hidden_size"])
    with reference.flop_counter.FlopCounterMode(display=False) as backward:
        made.sum().backward()
    return forward.get_total_flops(), backward.get_total_flops()


def test_windows_that_do_not_divide_the_picture_are_refused() -> None:
    vision = {**SMALL["qwen2_5_vl"]["vision_config"], "window_size": 168}
    with pytest.raises(ConfigError, match="windows of 168"):
        load({**SMALL["qwen2_5_vl"], "vision_config": vision})


def test_every_text_is_compared_with_every_picture() -> None:
    """The one product of SigLIP that grows with the square of the batch."""
    pairs = load("siglip-base-patch16-224")
    assert [pairs.flops(64, batch).by_kind["logits"] for batch in (1, 7)] == [2 * 768, 49 * 2 * 768]
    assert pairs.kv(64)[:3] == (0, 0, 0)
