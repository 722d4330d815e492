"""Proves that arrays are rounded as exact numbers are: `quantize` equals `encode` and `decode` in every format and mode, on random
values over many decades, on numbers of the format, half-way between them and beyond its ends; and that ml_dtypes rounds alike,
half-way values and all. Stochastic rounding takes neighbours with the chances that make its mean right.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from bursar.errors import UnknownNameError
from bursar.formats import FORMATS, Float, named
from bursar.theory.neighbours import STOCHASTIC, neighbours
from bursar.theory.rounding import MODES, quantize, rounder

from .test_formats import TWINS, floating


def some_values(name: str) -> Any:
    """Random ones, those of the format (some of many), what is half-way between them, and what is too large."""
    found, draw = named(name), np.random.default_rng(1)
    random = draw.standard_normal(200) * 10.0 ** draw.integers(-9, 5, 200)
    if found.bits > 16:
        own = np.array([-3.0, float(found.rounded(0.1)), float(found.max) / 4])
    else:
        own = np.unique([float(v) for v in map(found.decode, range(found.codes)) if not isinstance(v, float)])
        own = own[:: max(1, len(own) // 300)]
    ends = [] if name == "fp64" else float(found.max) * np.array([1.01, 1.0625, 1.2, -1.2, -3])
    values = np.concatenate([random, own, (own[1:] + own[:-1]) / 2, ends])
    return values if not isinstance(found, Float) or found.signed else np.abs(values)


@pytest.mark.parametrize("saturate", [False, True])
@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != STOCHASTIC])
@pytest.mark.parametrize("name", FORMATS)
def test_arrays_are_rounded_as_numbers_are(name: str, mode: str, saturate: bool) -> None:
    values = some_values(name)
    expected = [float(FORMATS[name].rounded(float(value), mode, saturate=saturate)) for value in values]
    np.testing.assert_array_equal(quantize(values, FORMATS[name], mode, saturate=saturate), expected)


@pytest.mark.parametrize("name", TWINS)
def test_ml_dtypes_rounds_alike(name: str) -> None:
    values = some_values(name)
    with np.errstate(over="ignore", invalid="ignore"):
        theirs = values.astype(TWINS[name]).astype(np.float64)
    np.testing.assert_array_equal(quantize(values, floating(name)), theirs)


@pytest.mark.parametrize("name", ["fp16", "bf16", "fp32", "tf32", "fp8-e4m3", "fp8-e5m2", "fp4-e2m1"])
def test_one_number_at_a_time_is_rounded_alike(name: str) -> None:
    values = some_values(name)
    one = rounder(floating(name))
    np.testing.assert_array_equal([one(float(value)) for value in values], quantize(values, floating(name)))


def test_infinities_stay_where_there_are_any() -> None:
    ends = np.array([math.inf, -math.inf, math.nan])
    np.testing.assert_array_equal(quantize(ends, named("fp16"), "toward-zero"), ends)
    np.testing.assert_array_equal(quantize(ends, named("fp8-e4m3")), [math.nan] * 3)
    np.testing.assert_array_equal(quantize(ends, named("fp4-e2m1")), [6, -6, math.nan])
    assert [named("fp16").rounded(value, "toward-zero") for value in ends[:2]] == [math.inf, -math.inf]


def test_inward_rounding_ends_at_the_largest_number() -> None:
    """IEEE 754, 7.4: overflow under a rounding towards zero gives the largest finite number."""
    fp16 = floating("fp16")
    assert [fp16.rounded(value, mode) for value, mode in ((1e6, "toward-zero"), (1e6, "down"), (-1e6, "up"))] == [
        65504,
        65504,
        -65504,
    ]
    assert [fp16.rounded(value, mode) for value, mode in ((1e6, "up"), (-1e6, "down"))] == [math.inf, -math.inf]


@pytest.mark.parametrize("name", ["bf16", "fp4-e2m1", "int8", "nf4"])
def test_stochastic_rounding_has_the_right_mean(name: str) -> None:
    """1000 values inside the format, 400 draws each: the mean of all errors is zero within four standard errors."""
    found = FORMATS[name]
    values = np.random.default_rng(2).uniform(-0.9, 0.9, 1000) * float(min(found.max, Fraction(100)))
    held = quantize(np.tile(values, (400, 1)), found, STOCHASTIC, draw=np.random.default_rng(3))
    errors = held - values
    assert abs(errors.mean()) < 4 * errors.std() / math.sqrt(errors.size)
    for value, drawn in zip(values[:50], held.T[:50], strict=True):
        near = neighbours(found, float(value))
        assert set(drawn) <= {float(near.below), float(near.above)}
        chance = float(near.chance)
        assert abs(np.mean(drawn == float(near.above)) - chance) < 5 * math.sqrt(chance * (1 - chance) / 400) + 1e-12 or (
            near.below == near.above
        )


def test_an_unknown_rounding_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown rounding 'bankers'"):
        quantize(np.zeros(1), named("fp16"), "bankers")
