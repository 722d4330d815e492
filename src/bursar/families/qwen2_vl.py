"""Qwen2-VL (arXiv:2409.12191): Qwen2 with a vision tower for pictures of any size, here of 448 by 448 pixels."""

from __future__ import annotations

from bursar.config import Config
from bursar.dims import split
from bursar.families._common import ACTIVATIONS
from bursar.families._qwen_vl import attention, depth, merger, patch_block, picture, with_text
from bursar.ops.blocks import plain_mlp
from bursar.ops.elementwise import Add, LayerNorm
from bursar.tree import Architecture, Block, Input, Repeat


def build(c: Config) -> Architecture:
    vision = c.inside("vision_config", symbols=False)
    h, heads, out = vision.dim("embed_dim", default=1280), vision.dim("num_heads", default=16), vision.dim("hidden_size")
    f = h * vision.count("mlp_ratio", default=4, low=1)
    function = vision.choice("hidden_act", ACTIVATIONS, "quick_gelu")
    vision.expect("model_type", "qwen2_vl", "qwen2_vl_vision")
    seen = picture(vision)

    layer = Block({
        "x": Input(h),
        "attn.norm": LayerNorm("x", h),
        **attention(h, heads, split(h, heads, "embed_dim", "num_heads")),
        "attn.add": Add("x", "attn.out", h),
        "mlp.norm": LayerNorm("attn.add", h),
        **plain_mlp("mlp.norm", h, f, bias=True, function=function),
        "mlp.add": Add("attn.add", "mlp.down", h),
    }, "vision", seen.sees)  # fmt: skip
    towers = patch_block(vision, h, seen), Repeat(depth(vision), layer), *merger(LayerNorm("x", h), h, out, seen)
    return with_text(c, "qwen2_vl", towers, out)
