"""The vision tower of SigLIP (arXiv:2303.15343): a pre-norm encoder of patches with learned positions, without a class token."""

from __future__ import annotations

from bursar.config import Config
from bursar.dims import Dim, split
from bursar.families._common import ACTIVATIONS
from bursar.ops.blocks import plain_mlp
from bursar.ops.elementwise import Add, LayerNorm
from bursar.ops.encoder import encoder_attention, patches, pictures
from bursar.ops.linear import PositionEmbedding
from bursar.ops.patches import Conv
from bursar.tree import Block, Input, Repeat


def vision_tower(c: Config) -> tuple[tuple[Repeat, ...], Dim, Dim]:
    """The tower, its width, and its patches along a side of a picture."""
    h = c.dim("hidden_size")
    heads = c.dim("num_attention_heads")
    channels, patch, size = c.dim("num_channels", default=3), c.dim("patch_size"), c.dim("image_size")
    c.has("vision_use_head")
    c.expect("vision_use_head", False)
    c.expect("model_type", "siglip_vision_model")
    cells = patches(size, patch)
    seen = pictures(cells)

    stem = Block({
        "pixels": Input(channels * patch**2),
        "patch": Conv("pixels", channels, h, patch, 2, data=True),
        "positions": PositionEmbedding("patch", cells, h),
        "embed.add": Add("patch", "positions", h),
    }, "vision.stem", seen)  # fmt: skip
    layer = Block({
        "x": Input(h),
        "attn.norm": LayerNorm("x", h),
        **encoder_attention(
            "attn.norm", h, heads, split(h, heads, "hidden_size", "num_attention_heads"), qkv_bias=True, out_bias=True,
            dropout=c.probability("attention_dropout"),
        ),
        "attn.add": Add("x", "attn.out", h),
        "mlp.norm": LayerNorm("attn.add", h),
        **plain_mlp(
            "mlp.norm", h, c.dim("intermediate_size"), bias=True, function=c.choice("hidden_act", ACTIVATIONS, "gelu_pytorch_tanh")
        ),
        "mlp.add": Add("attn.add", "mlp.down", h),
    }, "vision", seen)  # fmt: skip
    norm = Block({"x": Input(h), "norm": LayerNorm("x", h)}, "vision.final", seen)
    return (Repeat(1, stem), Repeat(c.layers("num_hidden_layers"), layer), Repeat(1, norm)), h, size // patch
