"""Gradients: as text with every product's shapes and cost, and in numbers that are held against central differences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bursar.cli.matrix import term as product
from bursar.errors import PlanError
from bursar.options.matrix import Rows, size

if TYPE_CHECKING:
    from bursar.theory.derivation import Line
    from bursar.theory.gradients import Affine
    from bursar.theory.mlp import Mlp
    from bursar.theory.products import Term

Options = dict[str, Any]
Payload = dict[str, Any]
MOST_LAYERS = 100
MOST_ENTRIES = 4096  # of a Jacobian that is printed


def gradient(options: Options) -> Payload:
    """The gradients of Y = A·X + B: derived, with every product's shapes and cost, and in numbers where matrices are given."""
    from bursar.theory.derivation import by_differentials, by_elements

    of = _affine(options)
    roles = ("weight", "input", "bias", "output")
    found: Payload = {
        "storage": of.storage.name,
        "forward": {**product(of.forward), "formula": f"Y = {of.forward.formula} + {of.storage.letter('bias')}"},
        "shapes": {role: list(of.shape(role)) for role in roles},
        "letters": dict(zip(roles, of.storage.letters, strict=False)),
        "by_elements": _lines(by_elements(of), options["lang"]),
        "by_differentials": _lines(by_differentials(of), options["lang"]),
        "products": {role: product(of.gradient(role)) for role in ("weight", "input")},
        "bias": {"result": f"dL/d{of.storage.letter('bias')}", "formula": of.bias, "shape": list(of.shape("bias"))},
        "wrong_orders": [
            _wrong(term, outcome, of.shape(role), options["lang"])
            for role in ("weight", "input")
            for term, outcome in of.wrong(role)
        ],
    }
    return {**found, **_gradient_numbers(options)}


def _affine(options: Options) -> Affine:
    """The sizes of Y = A·X + B, as given or by the matrices."""
    from bursar.theory.gradients import affine, of_shapes

    words = options["sizes"]
    if options["a"] is not None and options["x"] is not None:
        if words:
            raise PlanError("sizes and matrices", field="sizes", value=list(words), valid="one of the two")
        return of_shapes(options["storage"], _shape(options["a"]), _shape(options["x"]))
    if len(words) != 3:
        raise PlanError(
            f"{len(words)} sizes", field="sizes", value=list(words), valid="OUTPUTS INPUTS SAMPLES, or --a and --x with matrices"
        )
    names = ("outputs", "inputs", "samples")
    return affine(options["storage"], *[size(word, name) for word, name in zip(words, names, strict=True)])


def _shape(rows: Rows) -> tuple[int, int]:
    return len(rows), len(rows[0])


def _lines(lines: Iterable[Line], lang: str) -> list[Payload]:
    from bursar.report.words import say

    return [{"text": say(f"matrix_{line.key}", lang), "formula": line.formula, "latex": line.latex} for line in lines]


def _wrong(term: Term, outcome: str, wanted: tuple[int, int], lang: str) -> Payload:
    """An order that is written by mistake, and why it is none."""
    from bursar.report.words import say

    (rows, inner), (other, columns) = term.left.shape, term.right.shape
    facts = {"inner": inner, "other": other, "made": (rows, columns), "wanted": wanted}
    reason = say(f"matrix_{outcome.replace(' ', '_')}", lang, **facts)
    pair = {"left": list(term.left.shape), "right": list(term.right.shape)}
    return {"result": term.result, "formula": term.formula, **pair, "outcome": outcome, "reason": reason}


def _gradient_numbers(options: Options) -> Payload:
    if options["a"] is None or options["x"] is None or (options["g"] is None and options["y"] is None):
        return {}
    from bursar.theory import affine_values
    from bursar.theory.values import matrix, rows

    if options["g"] is not None and options["y"] is not None:
        raise PlanError("both G and a target", field="g", valid="--g or --y")
    given = {"weight": options["a"], "input": options["x"], "bias": options["b"]}
    values = {role: matrix(found) for role, found in given.items() if found is not None}
    if options["storage"] == "columns" and "bias" in values and values["bias"].shape[0] == 1:
        values["bias"] = values["bias"].T  # a flat list is the one column
    ends = {name: None if options[key] is None else matrix(options[key]) for name, key in (("target", "y"), ("upstream", "g"))}
    made = affine_values.numbers(options["storage"], values, **ends, mean=options["reduction"] == "mean")
    return {
        "output": rows(made.output),
        "upstream": rows(made.upstream),
        "loss": made.loss,
        "gradients": {role: rows(found) for role, found in made.gradients.items()},
        "finite_difference_error": made.finite_difference_error,
        "layouts_agree": made.layouts_agree,
    }


def jacobian(options: Options) -> Payload:
    """The whole Jacobian of Y = A·X as a Kronecker product, beside the short form that nobody needs it for."""
    from bursar.theory.jacobian import Jacobian
    from bursar.theory.products import Product

    of = _affine({**options, "storage": "matrix"})
    shapes = Product(of.outputs, of.inputs, of.samples)
    found: Payload = {"vec": "vec(A·X·C) = (Cᵀ ⊗ A)·vec(X)", "operands": {}}
    for name, role in (("X", "input"), ("A", "weight")):
        whole, short = Jacobian(name, shapes), of.gradient(role)
        found["operands"][name] = {
            "formula": whole.text,
            "shape": list(whole.shape),
            "entries": whole.entries(),
            "filled": whole.filled(),
            "entries_of_the_other": shapes.rows * shapes.inner if name == "X" else shapes.inner * shapes.columns,
            "relation": f"vec({short.result}) = ({whole.text})ᵀ·vec(G) = vec({short.formula})",
            "flops": whole.flops(),
            "flops_short": short.product.flops(),
            **_jacobian_numbers(whole, options),
        }
    return found


def _jacobian_numbers(whole: Any, options: Options) -> Payload:
    if options["a"] is None or options["x"] is None or whole.entries() > MOST_ENTRIES:
        return {}
    import numpy as np

    from bursar.theory.jacobian import check
    from bursar.theory.values import matrix, rows

    a, x = matrix(options["a"]), matrix(options["x"])
    g = np.arange(1.0, a.shape[0] * x.shape[1] + 1).reshape(a.shape[0], x.shape[1])  # any G will do: both sides are linear in it
    return {"matrix": rows(whole.matrix(a, x)), **check(whole, a, x, g)._asdict()}


def mlp(options: Options) -> Payload:
    """Back-propagation of a perceptron: every product with shapes and cost, the ratio to forward, and numbers if given."""
    numbers = _mlp_numbers(options)
    of = _mlp(options, numbers)
    counts = {
        "forward": of.forward(), "forward_exact": of.forward_exact(),
        "backward": of.backward(), "backward_exact": of.backward_exact(),
        "backward_with_input_gradient": of.backward_with_input(), "train": of.forward() + of.backward(),
        "ratio": float(of.ratio), "ratio_exact": str(of.ratio), "ratio_formula": "2 − M0·M1/Σ M(i−1)·M(i)",
        "six_batch_weights": 6 * of.batch * of.weights(),
    }  # fmt: skip
    return {
        "batch": of.batch,
        "widths": list(of.widths),
        "weights": of.weights(),
        **counts,
        "loss": {"forward": of.loss_flops(), "backward": of.loss_gradient_flops()},
        "layers": [
            {
                "layer": layer.index,
                "forward": product(layer.forward),
                "weight_gradient": product(layer.weight_gradient),
                "input_gradient": {**product(layer.input_gradient), "needed": layer.needed},
                "activation": layer.activation_flops(),
                "update": layer.update_flops(),
            }
            for layer in of.layers
        ],
        "equations": _lines(_equations(options["reduction"]), options["lang"]),
        "wrong_orders": [
            _wrong(*layer.transposed_error, (of.batch, layer.d_in), options["lang"])
            for layer in reversed(of.layers)
            if layer.needed
        ],
        **({} if numbers is None else numbers[1]),
    }


def _equations(reduction: str) -> tuple[Line, ...]:
    from bursar.theory.derivation import mlp_equations

    return mlp_equations(mean=reduction == "mean")


def _mlp(options: Options, numbers: tuple[Mlp, Payload] | None) -> Mlp:
    from bursar.theory.mlp import Mlp

    words = options["widths"]
    if numbers is not None:
        if words:
            raise PlanError("widths and matrices", field="widths", value=list(words), valid="one of the two")
        return numbers[0]
    if not 2 <= len(words) <= MOST_LAYERS + 1:
        raise PlanError(
            f"{len(words)} widths", field="widths", value=list(words)[:5],
            valid="the widths of the input and of 1 to 100 layers, or --x, --w and --y with matrices",
        )  # fmt: skip
    return Mlp(options["batch"], tuple([size(word, "width") for word in words]))


def _mlp_numbers(options: Options) -> tuple[Mlp, Payload] | None:
    given = [options[name] for name in ("x", "w", "y")]
    if all(value is None for value in given):
        return None
    if any(value is None for value in given):
        raise PlanError("numbers need input, weights and target", field="w", valid="--x, --w and --y")
    from bursar.theory import mlp_values
    from bursar.theory.values import matrix, rows

    x, weights, target = matrix(options["x"]), tuple([matrix(found) for found in options["w"]]), matrix(options["y"])
    of = mlp_values.mlp_of(x, weights, target)
    made = mlp_values.numbers(x, weights, target, activation=options["activation"], mean=options["reduction"] == "mean")
    return of, {
        "activation": options["activation"],
        "reduction": options["reduction"],
        "output": rows(made.output),
        "loss_value": made.loss,
        "gradients": {name: rows(found) for name, found in made.gradients.items()},
        "finite_difference_error": made.finite_difference_error,
    }


def saved(options: Options) -> Payload:
    """Which tensors operations keep for their backward pass, and why: what the backward formula reads, found by running it."""
    from bursar.facts import sources
    from bursar.report.words import say
    from bursar.theory import saved as of
    from bursar.theory.operations import OPERATIONS

    names = list(OPERATIONS) if options["operation"] is None else [options["operation"]]
    rows = []
    for name in names:
        operation = of.operation(name)
        found = of.saved(operation)
        rows.append(
            {
                "operation": name,
                "forward": operation.text,
                "backward": list(operation.gradient_text),
                "keeps": list(found.keeps),
                "drops": list(found.drops),
                "why": say(f"saved_{name.replace('-', '_')}", options["lang"]),
                "finite_difference_error": found.finite_difference_error,
                "source": sources()[operation.source].title,
            }
        )
    dropped = 0.1 if options["dropout"] is None else options["dropout"]
    return {"operations": rows, "dropout": dropped, "dropout_scale": 1 / (1 - dropped)}


def graph(options: Options) -> Payload:
    """The graph of a perceptron: forward and gradient paths, with shapes and costs on the edges."""
    from bursar.theory.graph import graph as graph_of

    of = _mlp(options, None)
    found = graph_of(of)
    return {
        "batch": of.batch,
        "widths": list(of.widths),
        "nodes": [{"name": node.name, "kind": node.kind, "shape": list(node.shape)} for node in found.nodes],
        "edges": [
            {
                "path": e.path,
                "from": e.start,
                "to": e.end,
                "formula": e.formula,
                "shapes": [list(s) for s in e.shapes],
                "flops": e.flops,
            }
            for e in found.edges
        ],
        "forward": sum(edge.flops for edge in found.edges if edge.path == "forward"),
        "backward": sum(edge.flops for edge in found.edges if edge.path == "gradient"),
    }
