"""A model is a small immutable tree. A block is wired: one line, one tensor.

Every line of a `Block` names the tensor it makes, the operator that makes it, and the tensors that it reads:

    {"attn.q": Linear("attn.norm", h, a * d, parallel="column"), …, "attn.core": Attention("attn.q", "attn.k", "attn.v", …)}

An operator answers what it costs: `shapes` (parameters), `flops`, the `width` of the tensor it makes, the elements it
`moved`. Which tensors an implementation keeps for backward is said in `kernels/`, by wire name, so that a tensor kept by
three operators is counted once. Counts are elements here; only `precision.py` knows bytes.
"""

from bursar.tree.architecture import Architecture, Repeat
from bursar.tree.block import Block, Extra, Keeps, Kept, Line, Nested, Sees, Weight
from bursar.tree.op import Cast, Input, Mark, Op, Wire, dims_of

__all__ = [
    "Architecture", "Block", "Cast", "Extra", "Input", "Keeps", "Kept", "Line", "Mark", "Nested", "Op", "Repeat", "Sees", "Weight",
    "Wire", "dims_of",
]  # fmt: skip
