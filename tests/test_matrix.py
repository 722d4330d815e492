"""Proves what matrix calculus costs: counts by arithmetic and by counting every operation of a run, the cheapest order of brackets
by trying all of them, convolutions by the operators of models."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.errors import PlanError
from bursar.ops.conv import ShortConv
from bursar.ops.linear import Linear
from bursar.ops.patches import Conv
from bursar.step import Step
from bursar.theory import chains, elementwise
from bursar.theory.convolution import convolution
from bursar.theory.products import Product

SIZES = st.integers(1, 6)


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
