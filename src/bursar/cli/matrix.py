"""Matrix calculus: what products cost, their gradients as text and in numbers, what they keep, their graph.

The costs: options in, one JSON object out. Counts are exact to the last digit; FLOP counts a multiply-add as two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bursar.errors import PlanError
from bursar.options.matrix import shape, size
from bursar.theory.products import Operand, Product, Term

Options = dict[str, Any]
Payload = dict[str, Any]
MATRIX_VALID = "a matrix such as 16384x32768"


def product(options: Options) -> Payload:
    """A matrix product: FLOPs exact and rounded, multiply-adds, bytes moved, intensity by format."""
    of = _sizes(options["sizes"])
    return {**_product(of, options), "by_format": _by_format(of)}


def _sizes(words: Sequence[str]) -> Product:
    """Three sizes, or the shapes of two matrices."""
    if len(words) == 3:
        return Product(*[size(word, name) for word, name in zip(words, ("rows", "inner", "columns"), strict=True)])
    if len(words) == 2 and all("x" in word for word in words):
        return Term("", Operand("A", _pair(words[0])), Operand("B", _pair(words[1]))).product
    raise PlanError(
        f"a product of {len(words)} sizes",
        field="sizes",
        value=list(words),
        valid="ROWS INNER COLUMNS, or ROWSxINNER INNERxCOLUMNS",
    )


def _pair(text: str) -> tuple[int, int]:
    found = shape(text, "shape")
    if len(found) != 2:
        raise PlanError(f"{text} has {len(found)} axes", field="shape", value=text, valid=MATRIX_VALID)
    return found[0], found[1]


def _product(of: Product, options: Options) -> Payload:
    left, right, made = of.shapes
    dtype, result = options["dtype"], options["result_dtype"]
    return {
        "left": list(left), "right": list(right), "result": list(made),
        "multiplications": of.multiplications(), "additions": of.additions(),
        "flops_exact": of.exact(), "flops": of.flops(), "macs": of.multiplications(),
        "relative_error": (of.flops() - of.exact()) / of.exact(),
        "flops_per_result": 2 * of.inner,
        "elements": of.moved(), "dtype": dtype, "result_dtype": result or dtype,
        "bytes": of.bytes(dtype, result), "intensity": float(of.intensity(dtype, result)),
        **(_limits(of, options) if options["device"] else {}),
    }  # fmt: skip


def _by_format(of: Product) -> list[Payload]:
    from bursar.precision import WIDTHS

    return [{"dtype": name, "bytes": of.bytes(name), "intensity": float(of.intensity(name))} for name in WIDTHS]


def _limits(of: Product, options: Options) -> Payload:
    """What limits the product on a device at its full rates: seconds of its FLOPs and of its bytes, whichever is longer."""
    from bursar.machines.devices import device

    found = device(options["device"])
    peak, bandwidth = found.peak(options["dtype"]).si, found.memory_bandwidth.si
    compute, traffic = of.flops() / peak, of.bytes(options["dtype"], options["result_dtype"]) / bandwidth
    return {
        "device": found.id, "ridge": peak / bandwidth, "compute_s": compute, "memory_s": traffic,
        "least_s": max(compute, traffic), "bound": "compute" if compute >= traffic else "memory",
    }  # fmt: skip


def vector(options: Options) -> Payload:
    """A matrix times a vector, y = W·x: why a weight costs two FLOPs a token."""
    if len(options["sizes"]) != 2:
        raise PlanError(f"{len(options['sizes'])} sizes", field="sizes", value=list(options["sizes"]), valid="OUTPUTS INPUTS of W")
    outputs, inputs = [size(word, name) for word, name in zip(options["sizes"], ("outputs", "inputs"), strict=True)]
    return {"weights": outputs * inputs, **_product(Product(outputs, inputs, 1), options)}


def chain(options: Options) -> Payload:
    """A chain of products: the cheapest order of brackets, and what the plain orders cost."""
    from bursar.facts import sources
    from bursar.theory import chains

    shapes = tuple([_pair(word) for word in options["shapes"]])
    best = chains.cheapest(shapes)
    return {
        "shapes": [list(pair) for pair in shapes],
        "flops": best.flops,
        "bracketing": best.text[1:-1],
        "steps": [term(step) for step in best.steps],
        "left_first": chains.left_first(shapes).flops,
        "right_first": chains.right_first(shapes).flops,
        "dearest": chains.dearest(shapes).flops,
        "bracketings": chains.bracketings(len(shapes)),
        "source": sources()["matrix-chain"].title,
    }


def term(of: Term) -> Payload:
    """A product as an object: what it is, its two shapes and its own, what it costs."""
    made = of.product
    return {
        **({"result": of.result} if of.result else {}), "formula": of.formula,
        "left": list(of.left.shape), "right": list(of.right.shape),
        "shape": list(made.shapes[2]), "flops": made.flops(), "flops_exact": made.exact(),
    }  # fmt: skip


def conv(options: Options) -> Payload:
    """A convolution of one to three axes: positions, FLOPs, and the product of patches that it is."""
    from bursar.dims import product as elements
    from bursar.facts import sources
    from bursar.precision import stored_bytes
    from bursar.theory.convolution import LATEX, TEXT, convolution

    x, weight = shape(options["input"], "input"), shape(options["weight"], "weight")
    of = convolution(x, weight, options["stride"], options["pad"], options["dilation"], options["groups"])
    moved = [stored_bytes(options["dtype"], part) for part in (x, weight, of.output)]
    left, right, _ = of.unfolded.shapes
    return {
        "input": list(x), "weight": list(weight), "output": list(of.output), "groups": of.groups, "weights": elements(weight),
        "formula": TEXT, "latex": LATEX, "patches": list(left), "filters": list(right),
        "flops_exact": of.exact(), "flops": of.flops(), "macs": of.flops() // 2,
        "input_gradient": of.flops(), "weight_gradient": of.flops(),
        "dtype": options["dtype"], "bytes": sum(moved), "intensity": of.flops() / sum(moved),
        "source": sources()["torch-conv"].title,
    }  # fmt: skip


def elementwise(options: Options) -> Payload:
    """Element-wise operations, reductions, softmax and norms: what each counts, or the cost of one on a tensor."""
    from bursar.theory.elementwise import OPERATIONS, PRODUCTS, named

    special, override = options["special"], options["per_element"]
    if options["operation"] is None:
        counted = [_row(of, special) for of in OPERATIONS.values()]
        return {"special_flops": special, "operations": counted, "products": dict(PRODUCTS)}
    of = named(options["operation"])
    if override is not None:
        of = of._replace(per_element=override, special=0)
    sizes = shape(options["shape"], "shape") if "x" in str(options["shape"]) else (1, size(str(options["shape"] or "1"), "shape"))
    rows = 1
    for axis in sizes[:-1]:
        rows *= axis
    flops = of.flops(rows, sizes[-1], special)
    return {**_row(of, special), "shape": list(sizes), "elements": rows * sizes[-1], "flops": flops, "special_flops": special}


def _row(of: Any, special: int) -> Payload:
    """What an operation counts, per element and per row of n elements."""
    return {
        "operation": of.name, "formula": of.text, "per_element": of.per_element, "per_row": of.per_row, "special": of.special,
        "special_per_row": of.special_per_row, "flops_per_element": of.per_element + special * of.special,
    }  # fmt: skip
