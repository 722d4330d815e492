"""Proves what matrix calculus costs and gives: counts by arithmetic and by counting every operation of a run, the cheapest order
of brackets by trying all of them, gradients by central differences, and what backward keeps by running it on nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.errors import PlanError
from bursar.ops.conv import ShortConv
from bursar.ops.linear import Linear
from bursar.ops.patches import Conv
from bursar.step import Step
from bursar.theory import affine_values, chains, elementwise, gradients, jacobian, mlp_values, operations
from bursar.theory.convolution import convolution
from bursar.theory.graph import graph
from bursar.theory.mlp import Mlp
from bursar.theory.products import Operand, Product, Term, fit
from bursar.theory.saved import saved

SIZES = st.integers(1, 6)
CLOSE = 1e-6  # central differences of smooth functions of numbers around one


# ── costs ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Counted:
    """A number that counts what is done with it: arithmetic apart from special functions."""

    arithmetic = special = 0

    def __init__(self, value: float) -> None:
        self.value = value

    def _with(self, other: Any, function: Callable[[float, float], float]) -> Counted:
        Counted.arithmetic += 1
        return Counted(function(self.value, other.value if isinstance(other, Counted) else other))

    def __add__(self, other: Any) -> Counted:
        return self._with(other, lambda a, b: a + b)

    def __sub__(self, other: Any) -> Counted:
        return self._with(other, lambda a, b: a - b)

    def __mul__(self, other: Any) -> Counted:
        return self._with(other, lambda a, b: a * b)

    def __truediv__(self, other: Any) -> Counted:
        return self._with(other, lambda a, b: a / b)

    def __neg__(self) -> Counted:
        return self._with(0, lambda a, _: -a)

    def larger(self, other: Any) -> Counted:
        return self._with(other, max)

    def of(self, function: Callable[[float], float]) -> Counted:
        Counted.special += 1
        return Counted(function(self.value))


def counted(run: Callable[[], object]) -> tuple[int, int]:
    Counted.arithmetic = Counted.special = 0
    run()
    return Counted.arithmetic, Counted.special


Row = list[Counted]


def folded(row: Row, join: Callable[[Counted, Counted], Counted]) -> Counted:
    first, *rest = row
    for entry in rest:
        first = join(first, entry)
    return first


def summed(row: Row) -> Counted:
    return folded(row, Counted.__add__)


def one_over(x: Counted) -> Counted:
    return Counted(1) / x


def sigmoid(x: Counted) -> Counted:
    return one_over((-x).of(math.exp) + 1)


def softmax(row: Row) -> Row:
    top = folded(row, Counted.larger)
    powers = [(x - top).of(math.exp) for x in row]
    whole = summed(powers)
    return [power / whole for power in powers]


def rmsnorm(row: Row) -> Row:
    r = one_over((summed([x * x for x in row]) / len(row) + 1e-5).of(math.sqrt))
    return [x * r * 2.0 for x in row]


def layernorm(row: Row) -> Row:
    mean = summed(row) / len(row)
    centred = [x - mean for x in row]
    r = one_over((summed([x * x for x in centred]) / len(row) + 1e-5).of(math.sqrt))
    return [x * r * 2.0 + 1.0 for x in centred]


RUNS: dict[str, Callable[[Row], object]] = {
    "add": lambda row: [x + x for x in row],
    "multiply": lambda row: [x * x for x in row],
    "relu": lambda row: [x.larger(0) for x in row],
    "dropout": lambda row: [x * 1 * (1 / 0.9) for x in row],
    "tanh": lambda row: [x.of(math.tanh) for x in row],
    "sigmoid": lambda row: [sigmoid(x) for x in row],
    "silu": lambda row: [x * sigmoid(x) for x in row],
    "gelu": lambda row: [Counted(0.5) * x * ((x * math.sqrt(0.5)).of(math.erf) + 1) for x in row],
    "gelu-tanh": lambda row: [
        Counted(0.5) * x * (((x + Counted(0.044715) * (x * x * x)) * math.sqrt(2 / math.pi)).of(math.tanh) + 1) for x in row
    ],
    "swiglu": lambda row: [x * sigmoid(x) * x for x in row],
    "sum": summed,
    "max": lambda row: folded(row, Counted.larger),
    "mean": lambda row: summed(row) / len(row),
    "softmax": softmax,
    "rmsnorm": rmsnorm,
    "layernorm": layernorm,
}


def test_every_operation_is_run() -> None:
    assert set(RUNS) == set(elementwise.OPERATIONS)


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("width", [1, 2, 9])
def test_an_elementwise_count_is_what_its_formula_does(name: str, width: int) -> None:
    rows, special = 3, 5
    arithmetic, functions = counted(lambda: [RUNS[name]([Counted(0.1 * i) for i in range(width)]) for _ in range(rows)])
    assert elementwise.named(name).flops(rows, width, special) == arithmetic + special * functions


@given(SIZES, SIZES, SIZES)
def test_a_product_is_what_its_loops_do(rows: int, inner: int, columns: int) -> None:
    ones = [[Counted(1)] * max(inner, columns)] * max(rows, inner)
    arithmetic, _ = counted(
        lambda: [summed([ones[i][k] * ones[k][j] for k in range(inner)]) for i in range(rows) for j in range(columns)]
    )
    of = Product(rows, inner, columns)
    assert of.exact() == of.multiplications() + of.additions() == arithmetic
    assert Fraction(of.flops() - of.exact(), of.exact()) == Fraction(1, 2 * inner - 1)


def test_the_rounded_count_is_the_operator_s() -> None:
    linear = Linear("x", 32_768, 8_192, "column")
    assert Product(16_384, 32_768, 8_192).flops() == linear.flops(Step(1, 16_384)) == 2**43
    assert Product(16_384, 32_768, 8_192).moved() == linear.moved(Step(1, 16_384))


def test_intensity_counts_every_operand_once_in_its_format() -> None:
    of = Product(16_384, 32_768, 8_192)
    elements = 16_384 * 32_768 + 32_768 * 8_192 + 16_384 * 8_192
    assert of.intensity("bf16") == Fraction(2**43, 2 * elements)
    assert of.bytes("mxfp8") == elements + elements // 32  # a scale of one byte for 32 elements
    assert of.bytes("fp8", "bf16") == of.bytes("fp8") - 4 + 16_384 * 8_192  # the result has two bytes, and no scale


def costs_of_all_bracketings(sizes: list[int]) -> list[int]:
    """Of a chain of matrices (sizes[0], sizes[1]), (sizes[1], sizes[2]), …: the last product splits it anywhere."""
    if len(sizes) == 2:
        return [0]
    return [
        left + right + 2 * sizes[0] * sizes[middle] * sizes[-1]
        for middle in range(1, len(sizes) - 1)
        for left in costs_of_all_bracketings(sizes[: middle + 1])
        for right in costs_of_all_bracketings(sizes[middle:])
    ]


@settings(max_examples=60)
@given(st.lists(st.integers(1, 30), min_size=3, max_size=7))
def test_the_cheapest_bracketing_is_the_least_of_all(sizes: list[int]) -> None:
    costs = costs_of_all_bracketings(sizes)
    shapes = tuple(pairwise(sizes))
    best, worst = chains.cheapest(shapes), chains.dearest(shapes)
    assert (best.flops, worst.flops, chains.bracketings(len(shapes))) == (min(costs), max(costs), len(costs))
    assert best.flops == sum(step.product.flops() for step in best.steps)
    assert {chains.left_first(shapes).flops, chains.right_first(shapes).flops} <= set(costs)
    assert best.shape == (sizes[0], sizes[-1])


def test_the_order_of_a_chain() -> None:
    shapes = ((10, 1000), (1000, 10), (10, 1000))
    assert chains.left_first(shapes).flops == 2 * (10 * 1000 * 10 + 10 * 10 * 1000) == 400_000
    assert chains.right_first(shapes).flops == 2 * (1000 * 10 * 1000 + 10 * 1000 * 1000) == 40_000_000
    assert chains.cheapest(shapes).text == "((A1·A2)·A3)"
    with pytest.raises(PlanError, match=r"A2·A3.*1000 columns against 10 rows"):
        chains.cheapest(((10, 10), (10, 1000), (10, 10)))


def test_a_long_chain_is_bracketed_at_once() -> None:
    assert len(chains.cheapest(((7, 7),) * chains.LONGEST).steps) == chains.LONGEST - 1


def test_a_convolution_is_the_operators_of_models() -> None:
    """Patches of a picture (stride = kernel, no padding), and one filter per channel along a sequence (groups = channels)."""
    patches = convolution((2, 3, 224, 224), (768, 3, 16, 16), stride=(16,))
    assert patches.made == (14, 14)
    assert patches.flops() == Conv("x", 3, 768, 16, 2).flops(Step(2, 14 * 14))
    short = convolution((2, 64, 100), (64, 1, 4), padding=(3,), groups=64)
    assert short.made == (103,)  # of which a causal convolution keeps the first 100
    assert short.flops() == ShortConv("x", 64, 4).flops(Step(2, 103))


def test_the_convolution_of_the_register() -> None:
    of = convolution((8, 3, 224, 224), (64, 3, 7, 7), stride=(2,), padding=(3,))
    assert of.output == (8, 64, 112, 112)  # ⌊(224 + 6 − 7)/2⌋ + 1
    assert of.flops() == 2 * 8 * 112 * 112 * 64 * 3 * 7 * 7 == 1_888_223_232


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
