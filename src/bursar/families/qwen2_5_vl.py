"""Qwen2.5-VL (arXiv:2502.13923): Qwen2.5 with a vision tower whose patches attend to those of their own window, in a few layers to
all; its layers are those of the text part, with biases everywhere. Pictures are of any size, here of 448 by 448 pixels."""

from __future__ import annotations

from bursar.config import Config
from bursar.dims import split
from bursar.errors import ConfigError
from bursar.families._common import ACTIVATIONS, runs
from bursar.families._qwen_vl import PIXELS, attention, depth, merger, patch_block, picture, with_text
from bursar.ops.blocks import gated_mlp
from bursar.ops.elementwise import Add, RMSNorm
from bursar.tree import Architecture, Block, Input


def build(c: Config) -> Architecture:
    vision = c.inside("vision_config", symbols=False)
    h, heads, out = vision.dim("hidden_size"), vision.dim("num_heads", default=16), vision.dim("out_hidden_size", default=3584)
    f = vision.dim("intermediate_size", default=3420)
    function = vision.choice("hidden_act", ACTIVATIONS, "silu")
    vision.expect("model_type", "qwen2_5_vl", "qwen2_5_vl_vision")
    vision.ignore("it places the frames of a film in time", "tokens_per_second")
    seen, layers = picture(vision), depth(vision)
    everywhere = vision.counts("fullatt_block_indexes", (7, 15, 23, 31))
    window = vision.count("window_size", default=112, low=1)
    along = window // seen.merge // seen.patch * seen.merge  # whole merged patches along a side of a window
    if not along or seen.side % along:
        raise ConfigError(
            f"windows of {window} pixels do not divide a picture of {PIXELS}", field="window_size", where=vision.where
        )

    def layer(kind: str) -> Block:
        return Block({
            "x": Input(h),
            "attn.norm": RMSNorm("x", h),
            **attention(h, heads, split(h, heads, "hidden_size", "num_heads"), None if kind == "vision" else along**2),
            "attn.add": Add("x", "attn.out", h),
            "mlp.norm": RMSNorm("attn.add", h),
            **gated_mlp("mlp.norm", h, f, bias=True, function=function),
            "mlp.add": Add("attn.add", "mlp.down", h),
        }, kind, seen.sees)  # fmt: skip

    kinds = ["vision" if i in everywhere else "vision.windows" for i in range(layers)]
    towers = patch_block(vision, h, seen), *runs(kinds, layer), *merger(RMSNorm("x", h), h, out, seen)
    return with_text(c, "qwen2_5_vl", towers, out)
