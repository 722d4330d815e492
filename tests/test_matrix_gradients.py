"""Proves the gradients of matrix calculus: those of a product in every layout, of a perceptron and of single operations by central
differences, the Jacobian by its Kronecker product, and what backward keeps by running it on nothing else."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.theory import affine_values, gradients, jacobian, mlp_values, operations
from bursar.theory.graph import graph
from bursar.theory.mlp import Mlp
from bursar.theory.products import Operand, Product, Term, fit
from bursar.theory.saved import saved

SIZES = st.integers(1, 6)
CLOSE = 1e-6  # central differences of smooth functions of numbers around one


# ── gradients of one product ─────────────────────────────────────────────────────────────────────────────────────────────

LAYOUTS = st.sampled_from(list(gradients.STORAGES))


def drawn(of: gradients.Affine, random: np.random.Generator) -> dict[str, Any]:
    return {role: random.standard_normal(of.shape(role)) for role in ("weight", "input", "bias")}


@settings(max_examples=40, deadline=None)
@given(LAYOUTS, SIZES, SIZES, SIZES, st.booleans(), st.integers(0, 99))
def test_gradients_are_those_of_differences_in_every_layout(storage: str, m: int, k: int, n: int, mean: bool, seed: int) -> None:
    random = np.random.default_rng(seed)
    of = gradients.affine(storage, m, k, n)
    target = random.standard_normal(of.shape("output"))
    found = affine_values.numbers(storage, drawn(of, random), target=target, mean=mean)
    assert found.finite_difference_error < CLOSE
    assert found.layouts_agree
    assert {role: gradient.shape for role, gradient in found.gradients.items()} == {
        role: of.shape(role) for role in ("weight", "input", "bias")
    }


def test_a_wrong_layout_would_be_seen() -> None:
    """The two checks above fail on a gradient that is the transpose of the right one."""
    random = np.random.default_rng(0)
    of = gradients.affine("rows", 3, 3, 3)
    values, upstream = drawn(of, random), random.standard_normal((3, 3))
    right = affine_values.gradients(of, values, upstream)["weight"]
    assert not np.allclose(right, affine_values.evaluate(of.wrong("weight")[0][0], {"G": upstream, "x": values["input"]}))


@given(LAYOUTS, SIZES, SIZES, SIZES)
def test_the_product_of_a_gradient_has_its_operand_s_shape_and_the_forward_cost(storage: str, m: int, k: int, n: int) -> None:
    of = gradients.affine(storage, m, k, n)
    for role in gradients.ROLES:
        term = of.gradient(role)
        assert term.product.shapes[2] == of.shape(role)
        assert term.product.flops() == of.forward.product.flops() == 2 * m * k * n
        for wrong, outcome in of.wrong(role):
            assert wrong.formula != term.formula
            assert outcome == fit(wrong, of.shape(role))
            if len({m, k, n}) == 3:
                assert outcome != "fits"


def test_whole_numbers_stay_exact() -> None:
    big = 10**9
    values = {"weight": np.array([[big, 1]], dtype=object), "input": np.array([[big], [3]], dtype=object)}
    found = affine_values.numbers("matrix", values, target=np.array([[0]], dtype=object))
    assert found.gradients["input"].tolist() == [[2 * (big * big + 3) * big], [2 * (big * big + 3)]]


def test_an_operand_transposed_twice_is_itself() -> None:
    operand = Operand("A", (2, 3))
    assert operand.T._asdict() == {"name": "Aᵀ", "shape": (3, 2)}
    assert operand.T.T._asdict() == operand._asdict()
    assert fit(Term("", operand, operand), (2, 3)) == "shape error"
    assert fit(Term("", operand, operand.T), (3, 3)) == "wrong shape"


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.integers(0, 99))
def test_the_jacobian_is_a_kronecker_product(m: int, n: int, p: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    a, x, g = (random.standard_normal(shape) for shape in ((m, n), (n, p), (m, p)))
    for operand in ("X", "A"):
        whole = jacobian.Jacobian(operand, Product(m, n, p))
        made = whole.matrix(a, x)
        assert made.shape == whole.shape
        assert made.size == whole.entries()
        assert np.count_nonzero(made) == whole.filled()
        found = jacobian.check(whole, a, x, g)
        assert found.agrees
        assert found.finite_difference_error < CLOSE


# ── the perceptron ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_ratio_of_backward_to_forward_is_exact() -> None:
    of = Mlp(64, (32, 128, 128, 10))
    weights = 32 * 128 + 128 * 128 + 128 * 10
    assert of.weights() == weights
    assert of.forward() == 2 * 64 * weights == 2_785_280
    assert of.backward() == 4 * 64 * weights - 2 * 64 * 32 * 128 == 5_046_272
    assert of.ratio == 2 - Fraction(32 * 128, weights) == Fraction(of.backward(), of.forward())
    assert of.backward_with_input() == 2 * of.forward()


@given(st.integers(1, 64), st.integers(1, 5), st.integers(1, 64), st.integers(1, 64))
def test_the_closed_form_of_equal_widths(batch: int, depth: int, width: int, classes: int) -> None:
    """N layers M → M and one M → C: forward 2B(NM² + MC), backward 2B[(2N − 1)M² + 2MC], ratio 2 − 1/(N + C/M)."""
    of = Mlp(batch, (*[width] * (depth + 1), classes))
    assert of.forward() == 2 * batch * (depth * width**2 + width * classes)
    assert of.backward() == 2 * batch * ((2 * depth - 1) * width**2 + 2 * width * classes)
    assert of.ratio == 2 - 1 / (depth + Fraction(classes, width))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=2, max_size=5), st.integers(1, 5), st.integers(0, 99), st.booleans(), st.data())
def test_back_propagation_is_that_of_differences(widths: list[int], batch: int, seed: int, mean: bool, data: st.DataObject) -> None:
    activation = data.draw(st.sampled_from(["identity", "tanh", "sigmoid", "gelu", "silu"]))  # relu has a corner
    random = np.random.default_rng(seed)
    x, target = random.standard_normal((batch, widths[0])), random.standard_normal((batch, widths[-1]))
    weights = tuple(random.standard_normal(pair) for pair in pairwise(widths))
    assert mlp_values.numbers(x, weights, target, activation=activation, mean=mean).finite_difference_error < 1e-5


def test_the_mean_divides_once() -> None:
    x, weights = np.array([[1, 2], [3, 4]], dtype=object), (np.array([[1], [2]], dtype=object),)
    target = np.array([[1], [2]], dtype=object)
    whole, mean = (mlp_values.numbers(x, weights, target, mean=mean).gradients["w1"] for mean in (False, True))
    assert whole.tolist() == [[2 * (1 * 4 + 3 * 9)], [2 * (2 * 4 + 4 * 9)]]  # ŷ − y = 5 − 1 and 11 − 2
    assert (mean * 2 == whole).all()


def test_the_graph_has_every_product_once() -> None:
    of = Mlp(64, (32, 128, 128, 10))
    found = graph(of)
    by_path = {path: sum(edge.flops for edge in found.edges if edge.path == path) for path in ("forward", "gradient")}
    assert by_path == {"forward": of.forward() + of.loss_flops(), "gradient": of.backward() + of.loss_gradient_flops()}
    assert {edge.end for edge in found.edges} == {node.name for node in found.nodes} - {"x"}


# ── what backward keeps ──────────────────────────────────────────────────────────────────────────────────────────────────

KEPT = {
    "product": "x w", "bias": "", "residual": "", "relu": "y", "tanh": "y", "sigmoid": "y", "gelu": "x", "silu": "x",
    "swiglu": "gate up", "softmax": "y", "dropout": "mask", "layernorm": "x γ μ r", "rmsnorm": "x γ r", "attention": "Q K V P",
    "attention-dropout": "Q K V mask P A", "flash-attention": "Q K V y lse", "cross-entropy": "labels log_p", "embedding": "ids",
}  # fmt: skip


def test_every_operation_has_its_kept_tensors_here() -> None:
    assert set(KEPT) == set(operations.OPERATIONS)


@pytest.mark.parametrize("name", KEPT)
def test_backward_needs_what_it_keeps_and_nothing_else(name: str) -> None:
    """The gradients are taken from the kept tensors alone; that they are right at several random points is no chance."""
    for seed in range(3):
        found = saved(operations.OPERATIONS[name], seed)
        assert set(found.keeps) == {word.replace("_", " ") for word in KEPT[name].split()}
        assert found.finite_difference_error < CLOSE
        assert not set(found.keeps) & set(found.drops)
