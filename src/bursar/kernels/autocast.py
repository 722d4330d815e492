"""torch.autocast over FP32 weights: which tensors are narrow.

Autocast has two lists. Products (linear layers, convolutions, attention cores) cast what they read to the narrow format, and make
it. LayerNorm, softmax, log-softmax, sums, powers, exponentials and reciprocal roots run in FP32. Whatever else there is works in
the widest format that it is given, where FP32 weights count too: embeddings, residual sums and norms are FP32, and so are rotated
queries and keys, since cos and sin are made in the format of the residual stream.

So formats follow from the wiring: `applied` says of every operator of a block which of its wires are FP32. A module that casts by
itself is an exception here, by the implementation that has it where that tells, else by its family; `casts.py` says what is kept.
Source: aten/src/ATen/autocast_mode.h of PyTorch, the lists of CUDA.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bursar.dims import Dim
from bursar.kernels.registry import Implementation
from bursar.ops.adapters import Magnitude
from bursar.ops.attention import AttentionCore
from bursar.ops.contrast import Similarity
from bursar.ops.conv import ShortConv
from bursar.ops.delta import DeltaRule
from bursar.ops.elementwise import Activation, Gated, Rotary
from bursar.ops.linear import Embedding, Head, Linear, PositionEmbedding
from bursar.ops.patches import Conv
from bursar.ops.scan import WKV, BlockDiagonal, LinearRecurrence, SelectiveScan
from bursar.ops.shared import SharedNorm
from bursar.tree import Block, Cast, Input, Nested, Op

WITH_WEIGHTS = (Linear, Conv, ShortConv, BlockDiagonal)
PRODUCTS = (*WITH_WEIGHTS, AttentionCore, Similarity)
# implementations whose products are in no list, or run where autocast is off: they work in the format that they are given
UNLISTED = (("experts", "grouped"), ("router", "softmax-gather-wide-cast"))
# implementations with a product of all instances of a block at once
BATCHED = (("input_weighted_experts", "all-tokens"),)
# functions with a power, which is FP32: what they keep of a narrow input, and in which format; "x" is the input
POWERS: Mapping[str, Mapping[str, str]] = {
    "gelu_new": {"x": "upcast", "tanh": "upcast", "half": "activation", "one_plus_tanh": "upcast"},
    "relu2": {"relu": "activation", "power": "upcast"},
}
# norms whose result has the format of what they read, and rotations whose cos and sin have that of what is rotated
NORMED_AS_READ = ("upcast-weight", "upcast-product", "centred")
TABLES_AS_READ = ("repeated-each", "pairs-per-layer")
MADE_AS_READ = (WKV, LinearRecurrence, Magnitude)  # modules that cast their result to the format of what they read
# families that cast what was rotated back to what was read, and whose products add their bias, which is FP32, to what they made
ROTATED_AS_READ = ("cohere", "cohere2", "ernie4_5", "ernie4_5_moe", "olmo", "olmo2")
BIAS_APART = ("falcon",)
# lines that are one product of the module, which casts what they read once
ONE_PRODUCT: Mapping[str, tuple[str, ...]] = {
    "falcon": ("attn.q", "attn.k", "attn.v"),
    "phi3": ("attn.q", "attn.k", "attn.v", "mlp.gate", "mlp.up"),
    "glm": ("mlp.gate", "mlp.up"),
    "glm4": ("mlp.gate", "mlp.up"),
    "siglip": ("cross.k", "cross.v"),
}
# families' lines, and implementations, that read a view of the weight; those of `BIAS_APART` read its transpose
VIEWS: Mapping[str, tuple[str, ...]] = {"siglip": ("cross.q", "cross.k", "cross.v")}
VIEWED = (("conv", "padded"), ("conv", "padded-of-joined"))
NARROW_INPUTS: Mapping[str, tuple[str, ...]] = {"siglip": ("pooled",)}  # what a block is given that another one made narrow


def applied(block: Block, table: Mapping[str, Implementation], family: str) -> Block:
    """A block of a family whose operators know which wires are FP32, for the implementations of its slots."""
    return _cast(block, table, family, entered=True, listed=True)


def _cast(block: Block, table: Mapping[str, Implementation], family: str, *, entered: bool, listed: bool) -> Block:
    """The same. `entered`: what the block is given is FP32; `listed`: its products are in autocast's list."""
    wide: set[str] = set()
    lines: dict[str, Op] = {}
    for name, op in block.lines.items():
        implementation = table[op.slot].name
        key, reads = (op.slot, implementation), tuple([read for read in op.reads if read in wide])
        if isinstance(op, Nested):
            op = replace(op, block=_inside(op, table, family, op.reads[0] in wide, key))
        narrows = isinstance(op, PRODUCTS) and listed and key not in UNLISTED
        given = entered and name not in NARROW_INPUTS.get(family, ()) if isinstance(op, Input) else bool(reads)
        made = op.makes != "index" and (_adds_bias(op, family) if narrows else _makes_wide(op, family, implementation, given))
        wide |= {name} if made else set()
        cached = narrows and isinstance(op, WITH_WEIGHTS) and op.trainable and not _viewed(op, name, family, key)
        cast = Cast(reads, made, name in ONE_PRODUCT.get(family, ()), narrows, cached=cached)
        lines[name] = replace(op, cast=cast, upcast=True) if isinstance(op, AttentionCore) else replace(op, cast=cast)
    return block.rewired(lines)


def _inside(op: Nested, table: Mapping[str, Implementation], family: str, entered: bool, key: tuple[str, str]) -> Block:
    """The block inside an operator. Where every expert works on every token its matrices are one product, and gate and up one."""
    block = _cast(op.block, table, family, entered=entered, listed=key not in UNLISTED)
    if key not in BATCHED:
        return block
    return block.replace(lambda _, line: replace(line, cast=_batched(line.cast, op.instances)) if line.cast else line)


def _batched(cast: Cast, matrices: Dim) -> Cast:
    return cast._replace(matrices=matrices, together=bool(cast.reads))


def _viewed(op: Op, name: str, family: str, key: tuple[str, str]) -> bool:
    """Whether a product reads a view of its weight, of which autocast caches no copy."""
    transposed = family in BIAS_APART and not isinstance(op, Head)
    return transposed or name in VIEWS.get(family, ()) or key in VIEWED


def _adds_bias(op: Op, family: str) -> bool:
    """Whether the result of a product is FP32 because its bias is added to it apart."""
    return family in BIAS_APART and isinstance(op, Linear) and op.bias and not isinstance(op, Head)


def _makes_wide(op: Op, family: str, implementation: str, given: bool) -> bool:
    """Whether an operator that is no product makes an FP32 tensor; `given`: it reads one."""
    if isinstance(op, DeltaRule) or implementation == "gate-wide":  # which cast back to what they were given first
        return False
    if isinstance(op, Rotary):
        return given or not (implementation in TABLES_AS_READ or family in ROTATED_AS_READ)
    if isinstance(op, MADE_AS_READ) or implementation in NORMED_AS_READ:
        return given
    weighs = bool(op.shapes()) or isinstance(op, (Embedding, PositionEmbedding, SharedNorm))
    powers = isinstance(op, (Activation, Gated)) and op.function in POWERS
    return given or weighs or powers or implementation == "length"


def works_wide(op: Op) -> bool:
    """Whether an operator computes in FP32 throughout: it is no product, and is given FP32, gates and scans by their first wire."""
    if op.cast is None or op.cast.narrows or not op.cast.reads:
        return False
    return op.reads[0] in op.cast.reads if isinstance(op, (Gated, SelectiveScan, DeltaRule)) else True
