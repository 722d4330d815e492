"""What Qwen2-VL and Qwen2.5-VL share: pictures of any size, whose patches an encoder with rotary positions in two directions
reads; squares of them are merged to tokens of the text part, whose layer is Qwen2's with positions of three axes.

A picture has no fixed size there. Here it is 448 by 448 pixels (1,024 patches of 14, 256 tokens of the sequence), rounded down to
whole merged patches. It is read as if it were two frames of a film, as the models do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bursar.config import MAX_LAYERS, Config
from bursar.dims import Dim
from bursar.errors import ConfigError
from bursar.families import qwen2
from bursar.ops.attention import Attention
from bursar.ops.blocks import Lines, fused_qkv_attention
from bursar.ops.elementwise import Activation, Rotary
from bursar.ops.encoder import pictures
from bursar.ops.linear import Linear
from bursar.ops.patches import Conv
from bursar.ops.windows import WindowAttention
from bursar.tree import Architecture, Block, Input, Op, Repeat, Sees

PIXELS = 448  # along a side of a picture


@dataclass(frozen=True)
class Picture:
    """A picture as the tower's config cuts it: patches along its side, and along the side of the square that becomes a token."""

    patch: int
    side: int
    merge: int

    @property
    def sees(self) -> Sees:
        return pictures(self.side**2)


def picture(c: Config) -> Picture:
    patch, merge = c.count("patch_size", default=14, low=1), c.count("spatial_merge_size", default=2, low=1)
    side = PIXELS // (patch * merge) * merge
    if not side:
        raise ConfigError(f"a merged patch is larger than a picture of {PIXELS}", field="patch_size", where=c.where)
    c.expect("spatial_patch_size", patch)
    return Picture(patch, side, merge)


def patch_block(c: Config, h: Dim, seen: Picture) -> Repeat:
    """Every patch of all frames that are read together is one product: channels of a patch are those of its frames."""
    channels = c.count("in_channels", default=3, low=1)
    c.expect("in_chans", channels)
    frames = channels * c.count("temporal_patch_size", default=2, low=1)
    return Repeat(1, Block({
        "pixels": Input(frames * seen.patch**2),
        "patch": Conv("pixels", frames, h, seen.patch, 2, bias=False, data=True),
    }, "vision.patches", seen.sees))  # fmt: skip


def attention(h: Dim, heads: Dim, d: Dim, within: Dim | None = None) -> Lines:
    """Attention of all patches of a picture, or of those of a window of so many."""
    wires = "attn.q_rotary", "attn.k_rotary", "attn.v"
    core = Attention(*wires, heads, heads, d, d, 0, causal=False)
    return {
        **fused_qkv_attention("attn.norm", h, heads, d, bias=True, dropout=0.0, rotated=d),
        "attn.q_rotary": Rotary("attn.q", h, d, "vision"),
        "attn.k_rotary": Rotary("attn.k", h, d, "vision"),
        "attn.core": core if within is None else WindowAttention(*wires, heads, heads, d, d, 0, within=within),
    }


def merger(norm: Op, h: Dim, out: Dim, seen: Picture) -> tuple[Repeat, Repeat]:
    """The norm of every patch, then the feed-forward of every merged square."""
    wide = h * seen.merge**2
    square = Block({
        "x": Input(wide),
        "up": Linear("x", wide, wide, "replicated", True),
        "act": Activation("up", wide),
        "down": Linear("act", wide, out, "replicated", True),
    }, "vision.merger", pictures((seen.side // seen.merge) ** 2))  # fmt: skip
    return Repeat(1, Block({"x": Input(h), "norm": norm}, "vision.final", seen.sees)), Repeat(1, square)


def with_text(c: Config, family: str, towers: tuple[Repeat, ...], out: Dim) -> Architecture:
    """The keys of the text part are those of the config itself."""
    found = qwen2.build(c)
    if c.count("hidden_size", high=10**8) != out:
        raise ConfigError(f"pictures become vectors of {out}", field="hidden_size", where=c.where, valid=[out])
    c.ignore("token ids", *[f"{name}_token_id" for name in ("image", "video", "vision", "vision_start", "vision_end")])
    return replace(found, family=family, towers=towers)


def depth(c: Config) -> int:
    return c.count("depth", default=32, low=1, high=MAX_LAYERS)
