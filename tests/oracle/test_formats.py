"""Proves that number formats are PyTorch's, bit for bit: every code of every format of 16 bits or fewer that it has decodes alike,
comes back as itself, and values are rounded alike: every number of the format, what is half-way between two, the doubles on both
sides of that, and random values.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from bursar.formats import Float, named
from bursar.theory.rounding import quantize

torch = pytest.importorskip("torch", reason="the oracle is PyTorch: pip install torch")

TWINS: dict[str, Any] = {
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp8-e4m3": torch.float8_e4m3fn,
    "fp8-e5m2": torch.float8_e5m2,
    "fp8-e4m3fnuz": torch.float8_e4m3fnuz,
    "fp8-e5m2fnuz": torch.float8_e5m2fnuz,
    "e8m0": torch.float8_e8m0fnu,
}
PAIRED = torch.float4_e2m1fn_x2  # two codes to a byte: PyTorch stores it and has no conversion


def floating(name: str) -> Float:
    found = named(name)
    assert isinstance(found, Float)
    return found


def decoded(name: str) -> list[float]:
    """Every code as PyTorch reads it."""
    codes = np.arange(floating(name).codes, dtype=np.uint16 if floating(name).bits == 16 else np.uint8)
    whole = torch.from_numpy(codes.view(np.int16)) if floating(name).bits == 16 else torch.from_numpy(codes)
    found: list[float] = whole.view(TWINS[name]).to(torch.float32).double().tolist()
    return found


def same(ours: float, theirs: float) -> bool:
    return ours == theirs or (math.isnan(ours) and math.isnan(theirs))


def test_every_format_of_torch_is_here() -> None:
    narrow = {name for name in dir(torch) if name.startswith(("float4", "float8", "float16", "bfloat16"))}
    known = {str(dtype).removeprefix("torch.") for dtype in [*TWINS.values(), PAIRED]}
    assert narrow == known


@pytest.mark.parametrize("name", TWINS)
def test_every_code_means_the_same(name: str) -> None:
    ours = [float(floating(name).decode(code)) for code in range(floating(name).codes)]
    assert all(map(same, ours, decoded(name)))


@pytest.mark.parametrize("name", TWINS)
def test_every_value_comes_back(name: str) -> None:
    """Through PyTorch: its bits for every value that it read are the code again."""
    found = floating(name)
    values = decoded(name)
    theirs = torch.tensor(values, dtype=torch.float32).to(TWINS[name]).view(torch.int16 if found.bits == 16 else torch.uint8)
    for code, value, back in zip(range(found.codes), values, theirs.tolist(), strict=True):
        if not math.isnan(value):
            assert back % found.codes == code == found.encode(value)


def _tested(name: str) -> Any:
    """In FP32, from which PyTorch rounds: the format's numbers, midpoints, their neighbours, random values, the ends."""
    found = floating(name)
    own = np.unique([value for value in decoded(name) if math.isfinite(value)])
    middles = (own[1:] + own[:-1]) / 2
    draw = np.random.default_rng(0)
    random = draw.standard_normal(20_000) * 10.0 ** draw.integers(-12, 6, 20_000)
    ends = float(found.max) * np.array([1.001, 1.03, 1.0625, 1.07, 1.2, 4, -1.0625, -4])
    with np.errstate(over="ignore", under="ignore"):
        exact = np.concatenate([own, middles, random, ends]).astype(np.float32)
        values = np.concatenate([exact, np.nextafter(exact, np.float32(np.inf)), np.nextafter(exact, -np.float32(np.inf))])
    values = values[np.isfinite(values)]
    return values if found.signed else np.abs(values)


@pytest.mark.parametrize("name", TWINS)
def test_rounding_is_torchs(name: str) -> None:
    """What lies beyond the largest number too, which PyTorch makes infinite or NaN, in E4M3 the largest number itself. It rounds
    FP32's subnormal numbers up to 2⁻¹²⁶ in E8M0, where 2⁻¹²⁷ may be nearer: they are left out."""
    values = _tested(name)
    values = values[values >= 2.0**-126] if name == "e8m0" else values
    theirs = torch.from_numpy(values).to(TWINS[name]).float().double().numpy()
    np.testing.assert_array_equal(quantize(values.astype(np.float64), floating(name), saturate=name == "fp8-e4m3"), theirs)


def test_the_encoder_of_single_numbers_agrees() -> None:
    for name in TWINS:
        values = _tested(name)[::97].astype(np.float64)
        ours = [float(floating(name).rounded(Fraction(value))) for value in values.tolist()]
        np.testing.assert_array_equal(quantize(values, floating(name)), ours)
