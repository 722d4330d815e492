"""Proves that number formats mean what their standards say: every code of every format decodes as ml_dtypes (and NumPy) decodes
it and encodes back to itself, rounding to nearest agrees with theirs on random values, the other roundings bracket the value,
and the register's group 6 comes out to the digits shown.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.facts import sources
from bursar.formats import FORMATS, Float, named
from bursar.precision import WIDTHS

ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes has the same formats: pip install 'bursar[dev]'")

TWINS: dict[str, Any] = {
    "fp16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "fp8-e4m3": ml_dtypes.float8_e4m3fn,
    "fp8-e5m2": ml_dtypes.float8_e5m2,
    "fp8-e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "fp8-e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "fp6-e2m3": ml_dtypes.float6_e2m3fn,
    "fp6-e3m2": ml_dtypes.float6_e3m2fn,
    "fp4-e2m1": ml_dtypes.float4_e2m1fn,
    "e8m0": ml_dtypes.float8_e8m0fnu,
    "ieee-e4m3": ml_dtypes.float8_e4m3,
    "ieee-e3m4": ml_dtypes.float8_e3m4,
}
FLOATS = [found for found in FORMATS.values() if isinstance(found, Float)]


def floating(name: str) -> Float:
    found = named(name)
    assert isinstance(found, Float)
    return found


def codes_of(name: str) -> Any:
    return np.arange(floating(name).codes, dtype=np.uint16 if floating(name).bits == 16 else np.uint8)


@pytest.mark.parametrize("name", TWINS)
def test_every_code_means_the_same(name: str) -> None:
    ours = [float(floating(name).decode(code)) for code in codes_of(name).tolist()]
    with np.errstate(invalid="ignore"):
        theirs = codes_of(name).view(TWINS[name]).astype(np.float64).tolist()
    assert all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("name", TWINS)
def test_every_code_comes_back(name: str) -> None:
    found = floating(name)
    for code in range(found.codes):
        value = found.decode(code)
        if isinstance(value, Fraction) and not (value == 0 and found.fields(code).sign):  # a Fraction has no −0
            assert found.encode(value) == code


@pytest.mark.parametrize("name", TWINS)
def test_rounding_to_nearest_is_theirs(name: str) -> None:
    """Random values over fifteen decades, and what lies around the largest number."""
    found = floating(name)
    draw = np.random.default_rng(0)
    values = draw.standard_normal(2000) * 10.0 ** draw.integers(-9, 6, 2000)
    edge = float(found.max) * np.array([1, 1.01, 1.03, 1.0625, 1.2, 3])
    with np.errstate(over="ignore"):
        given_values = np.concatenate([values, edge]).astype(np.float32)
    given_values = given_values if found.signed else np.abs(given_values)
    with np.errstate(over="ignore", invalid="ignore"):
        theirs = given_values.astype(TWINS[name]).view(codes_of(name).dtype)
    assert [found.encode(float(value)) for value in given_values] == [int(code) & (found.codes - 1) for code in theirs]


@given(st.sampled_from([found.name for found in FLOATS if found.signed]), st.floats(-1e4, 1e4))
def test_roundings_bracket_the_value(name: str, value: float) -> None:
    found = floating(name)
    if abs(value) > found.max:
        return
    down, up = found.rounded(value, "down"), found.rounded(value, "up")
    assert down <= Fraction(value) <= up
    assert found.rounded(value) in (down, up) and found.rounded(value, "nearest-away") in (down, up)
    assert abs(found.rounded(value, "toward-zero")) == min(abs(down), abs(up))


@pytest.mark.parametrize("found", FORMATS.values(), ids=lambda found: found.name)
def test_every_format_has_a_source(found: Any) -> None:
    assert found.source in sources()


# ── register, group 6 ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_biases() -> None:
    """2^(k−1) − 1; N6.01."""
    biases = [floating(name).bias for name in ("fp6-e2m3", "fp6-e3m2", "fp8-e4m3", "fp16", "fp32")]
    assert biases == [2 ** (k - 1) - 1 for k in (2, 3, 4, 5, 8)] == [1, 3, 7, 15, 127]


# name, maximum, smallest normal, smallest subnormal, ε
TABLE = [
    ("fp32", 3.4028234663852886e38, 1.1754943508222875e-38, 1.401298464324817e-45, 1.1920928955078125e-07),  # N6.02
    ("fp16", 65504.0, 6.103515625e-05, 5.960464477539063e-08, 0.0009765625),  # N6.03
    ("bf16", 3.3895313892515355e38, 1.1754943508222875e-38, 9.183549615799121e-41, 0.0078125),  # N6.04
    ("fp8-e4m3", 448.0, 0.015625, 0.001953125, 0.125),  # N6.05
    ("fp8-e5m2", 57344.0, 6.103515625e-05, 1.52587890625e-05, 0.25),  # N6.07
    ("fp6-e3m2", 28.0, 0.25, 0.0625, 0.25),  # N6.08
    ("fp6-e2m3", 7.5, 1.0, 0.125, 0.125),  # N6.09
    ("fp4-e2m1", 6.0, 1.0, 0.5, 0.5),  # N6.10
]


@pytest.mark.parametrize(("name", "largest", "normal", "subnormal", "eps"), TABLE)
def test_the_table(name: str, largest: float, normal: float, subnormal: float, eps: float) -> None:
    found = floating(name)
    assert found.min_subnormal is not None
    assert [float(x) for x in (found.max, found.min_normal, found.min_subnormal, found.eps)] == [largest, normal, subnormal, eps]


def test_single_numbers() -> None:
    fp16, bf16, e4m3, e5m2 = (floating(name) for name in ("fp16", "bf16", "fp8-e4m3", "fp8-e5m2"))
    ieee = Float("e4m3", 4, 3, 7, "ieee", "definition")
    assert ieee.max == 240  # N6.06: E4M3 if it followed IEEE 754
    assert (named("int8").min, named("int8").max, named("int4").min, named("int4").max) == (-128, 127, -8, 7)  # type: ignore[union-attr]  # N6.11
    assert (fp16.encode(0.1), float(fp16.rounded(0.1))) == (0x2E66, 0.0999755859375)  # N6.12
    assert (bf16.encode(0.1), float(bf16.rounded(0.1))) == (0x3DCD, 0.10009765625)  # N6.13
    assert (float(e4m3.rounded(0.1)), float(e5m2.rounded(0.1))) == (0.1015625, 0.09375)  # N6.14
    assert float(fp16.decode(0b0_01111_0000000001)) == 1.0009765625  # N6.15
    assert float(fp16.decode(0x3555)) == 0.333251953125  # N6.16
    assert float(fp16.rounded(1e-8)) == 0.0  # N6.17
    assert float(bf16.rounded(1e-8)) == 1.0011717677116394e-08  # N6.18
    assert (float(fp16.rounded(1 + 1e-4)), float(bf16.rounded(1 + 3e-3))) == (1.0, 1.0)  # N6.19
    assert float(f"{float(fp16.rounded(1e-8 * 65536)) / 65536:.9g}") == 9.99716576e-09  # N6.20
    assert (e4m3.finite, e5m2.finite) == (253, 247)  # N6.21, N6.22
    assert round(float(bf16.max / floating("fp32").max), 7) == 0.9960938  # N6.30


@pytest.mark.parametrize(("name", "stalls", "after"), [("fp16", 0.25, 2181), ("bf16", 0.03125, 273)])  # N6.23, N6.24
def test_lost_updates(name: str, stalls: float, after: int) -> None:
    """10,000 additions of 1e-4, the sum and the addend kept in the format."""
    found, total = floating(name), Fraction(0)
    addend = found.rounded(1e-4)
    assert isinstance(addend, Fraction)
    changed = 0
    for n in range(1, 10_001):
        after_this = found.rounded(total + addend)
        assert isinstance(after_this, Fraction)
        changed = n if after_this != total else changed
        total = after_this
    assert (float(total), changed) == (stalls, after)


# what tensors are stored in, and the numbers that it holds
ELEMENTS = {
    "fp32": "fp32", "bf16": "bf16", "fp16": "fp16", "fp8": "fp8-e4m3", "fp8-1x128": "fp8-e4m3", "fp8-128x128": "fp8-e4m3",
    "mxfp8": "fp8-e4m3", "mxfp6": "fp6-e2m3", "mxfp4": "fp4-e2m1", "nvfp4": "fp4-e2m1", "int8": "int8", "int4": "int4",
    "nf4": "nf4", "nf4-single": "nf4",
}  # fmt: skip


@pytest.mark.parametrize("width", [width for width in WIDTHS if width != "tf32"])  # TF32 tensors are FP32
def test_tensors_are_as_wide_as_their_numbers(width: str) -> None:
    assert WIDTHS[width].bits == named(ELEMENTS[width]).bits


def test_blocks() -> None:
    """N6.26 to N6.29: a shared 8-bit scale per 32, NVFP4's per 16, one FP32 scale per 128 × 128."""
    assert [float(WIDTHS[name].held) for name in ("mxfp8", "mxfp6", "mxfp4", "nvfp4")] == [8.25, 6.25, 4.25, 4.5]
    assert float(WIDTHS["fp8-128x128"].held) == 8.001953125
    bits = [32, 16, 8, WIDTHS["mxfp6"].held, 4]
    assert [float(70 * bit / 8) for bit in bits] == [280, 140, 70, 54.6875, 35]
