"""Verbs of matrix calculus."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.cli.verb import Verb


def _matrix(arguments: str, options: tuple[str, ...], example: str, topic: str = "matrix_gradients") -> Verb:
    return Verb(
        arguments, options, f"bursar matrix {example}", topic, "matrix", "matrix_pictures" if "chart" in options else ""
    )  # fmt: skip


COSTS = "matrix"
MATRIX: Mapping[str, Verb] = {
    "product": _matrix("sizes...", ("dtype", "result_dtype", "device"), "product 16384 32768 8192 --device h100-sxm", COSTS),
    "vector": _matrix("sizes...", ("dtype", "result_dtype", "device"), "vector 16384 16384", COSTS),
    "chain": _matrix("shapes...", (), "chain 10x1000 1000x10 10x1000", COSTS),
    "conv": _matrix(
        "input weight", ("stride", "pad", "dilation", "groups", "dtype"), "conv 8x3x224x224 64x3x7x7 --stride 2 --pad 3", COSTS
    ),
    "elementwise": _matrix("[operation] [shape]", ("special", "per_element", "chart"), "elementwise softmax 16384x8192", COSTS),
    "gradient": _matrix(
        "[sizes...]", ("storage", "a", "x", "b", "g", "y", "reduction"),
        "gradient --a [[1,2],[3,4],[5,6]] --x [[1,0],[2,1]] --g [[1,2],[3,4],[5,6]]",
    ),
    "jacobian": _matrix("[sizes...]", ("a", "x"), "jacobian --a [[1,2],[3,4],[5,6]] --x [[1,0],[2,1]]"),
    "mlp": _matrix("[widths...]", ("batch", "x", "w", "y", "activation", "reduction"), "mlp 32 128 128 10 --batch 64"),
    "saved": _matrix("[operation]", ("dropout",), "saved attention"),
    "graph": _matrix("widths...", ("batch", "chart"), "graph 32 128 128 10 --batch 64"),
}  # fmt: skip
