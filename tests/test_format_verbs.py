"""Proves the verbs of number formats: the contract's keys with exact values, every bit named, block formats that keep what their
widths say, sums that stall where the register says, a loss scale that moves as torch.amp's, and refusals in a line.
"""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from bursar.cli import main
from bursar.formats import ALIASES, FORMATS, named
from bursar.precision import WIDTHS
from bursar.theory import loss_scaling, quantized, sums
from bursar.theory.blocks import BLOCKS, scaled
from bursar.theory.loss_scaling import Scaler
from bursar.theory.number_line import binades

CONTRACT = {"bits", "exponent", "mantissa", "bias", "max", "min_normal", "min_subnormal", "eps"}


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    return err


@pytest.mark.parametrize("name", [*FORMATS, *BLOCKS])
def test_every_format_answers_with_the_keys_of_the_contract(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found, listed = answer(capsys, "format", name), answer(capsys, "formats")
    assert set(found) >= CONTRACT
    row = next(row for row in [*listed["formats"], *listed["blocks"]] if row["name"] == name)
    assert row.items() <= found.items()
    assert found["layout"] == [] or sum(field["bits"] for field in found["layout"]) == found["bits"]


def test_the_names_of_libraries_are_known() -> None:
    assert {named(name).name for name in ALIASES} < set(FORMATS)
    assert named("float8_e4m3fn") is named("FP8-E4M3") is named("e4m3")


def test_every_bit_of_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    """N6.12: 0.1 in FP16 is 2^(11−15)·(1 + 614/1024), 2.44140625e-05 less than one tenth exactly."""
    found = answer(capsys, "format", "fp16", "0.1")
    assert (found["encoded"], found["code"], found["decoded"], found["error"]) == (
        "0x2E66",
        0x2E66,
        0.0999755859375,
        -2.44140625e-05,
    )
    assert [(field["name"], field["bits"], field["value"]) for field in found["fields"]] == [
        ("sign", "0", 0), ("exponent", "01011", 11), ("mantissa", "1001100110", 614),
    ]  # fmt: skip
    assert found["formula"] == "(−1)^0 · 2^(11 − 15) · (1 + 614/1024)"
    assert 2 ** (11 - 15) * (1 + Fraction(614, 1024)) == Fraction(found["decoded"])
    assert found["below"] < 0.1 < found["above"] == found["below"] + 2.0**-14
    assert found["chance_above"] == 0.4  # (0.1 − 819/8192) / 2⁻¹⁴ = 0.4


@pytest.mark.parametrize("name", FORMATS)
def test_the_formula_of_a_code_is_its_value(name: str) -> None:
    from bursar.theory.bits import fields, reading

    found, draw = FORMATS[name], np.random.default_rng(0)
    for code in draw.integers(0, min(found.codes, 2**63 - 1), 50).tolist():
        value = found.decode(code)
        assert "".join(field.bits for field in fields(found, code)) == f"{code:0{found.bits}b}"
        if isinstance(value, float) or name == "nf4":
            continue
        text = reading(found, code).replace("−", "-").replace("·", "*").replace("^", "**")
        exact = eval(text, {"__builtins__": {}}, {}) if abs(value) < 1e300 and (value == 0 or abs(value) > 1e-300) else float(value)
        assert exact == pytest.approx(float(value), rel=1e-15)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("fp16", "-1.5"), -1.5),
        (("fp16", "-1e-8"), 0.0),
        (("bf16", "1e-8"), 1.0011717677116394e-08),  # N6.18
        (("fp16", "0b0_01111_0000000001"), 1.0009765625),  # N6.15
        (("fp16", "0x3555"), 0.333251953125),  # N6.16
        (("fp16", "1/3"), 0.333251953125),
        (("fp16", "70000"), "inf"),
        (("fp16", "70000", "--saturate"), 65504.0),
        (("fp16", "-inf"), "-inf"),
        (("fp8-e4m3", "500"), "nan"),
        (("fp8-e4m3", "-500", "--saturate"), -448.0),
        (("fp16", "0.1", "--rounding", "up"), 0.10003662109375),
        (("int8", "-200"), -128.0),
        (("fp64", "0.1"), 0.1),
    ],
)
def test_values_and_codes(arguments: tuple[str, ...], expected: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "format", *arguments)["decoded"] == expected


def test_minus_zero_keeps_its_sign(capsys: pytest.CaptureFixture[str]) -> None:
    assert [answer(capsys, "format", "fp16", value)["encoded"] for value in ("-0", "-0.0", "0", "-1e-9")] == [
        "0x8000", "0x8000", "0x0000", "0x8000",
    ]  # fmt: skip


def test_a_tenth_is_a_tenth_and_not_a_double(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "format", "fp64", "0.1")["error"] == float(Fraction(0.1) - Fraction(1, 10)) != 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("format", "fp99"), "unknown format 'fp99'"),
        (("format", "fp16", "one"), "value='one'"),
        (("format", "fp16", "1e999999999"), "value='1e999999999'"),
        (("format", "fp16", "0x10000"), "0x10000 is no code of fp16"),
        (("format", "fp4-e2m1", "nan"), "fp4-e2m1 has no NaN"),
        (("format", "int8", "inf"), "inf has no code in int8"),
        (("format", "e8m0", "-1"), "no sign"),
        (("format", "mxfp4", "1,two"), "value='two'"),
        (("format", "mxfp4", ",".join("1" * 33)), "33 values"),
        (("format", "fp16", "1", "--rounding", "bankers"), "rounding=bankers"),
        (("numerics", "sum", "--formats", "int8"), "no floating-point format"),
        (("numerics", "sum", "--additions", "10M"), "additions=10M"),
        (("numerics", "loss-scaling", "--events", "good,bad"), "events='good,bad'"),
        (("numerics", "loss-scaling", "--events", "good*999999"), "at most 100,000"),
        (("numerics", "matmul", "--matrix-size", "100000"), "matrix_size=100000"),
        (("numerics", "line", "fp16", "--within", "2,1"), "within=2,1"),
        (("numerics", "train", "--lr", "2"), "lr=2"),
        (("numerics", "train", "--steps", "9000"), "steps=9000"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in refusal(capsys, *arguments)


# ── blocks ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

STORED = {"mxfp8": "mxfp8", "mxfp6": "mxfp6", "mxfp4": "mxfp4", "nvfp4": "nvfp4", "fp8-1x128": "fp8-1x128",
          "fp8-128x128": "fp8-128x128", "int8-row": "int8", "int4-128": "int4", "nf4-64": "nf4-single"}  # fmt: skip


@pytest.mark.parametrize("name", STORED)
def test_a_block_format_is_as_wide_as_what_is_stored(name: str) -> None:
    """N6.26 to N6.28."""
    assert BLOCKS[name].bits == Fraction(WIDTHS[STORED[name]].held)


@pytest.mark.parametrize("name", [name for name, found in BLOCKS.items() if found.rule == "power of two"])
def test_scales_of_mx(name: str) -> None:
    """OCP MX 1.0: the largest power of two in the block over the largest one of the element; a block of its own values is exact."""
    found, draw = BLOCKS[name], np.random.default_rng(0)
    x = draw.standard_normal((4, 64)) * 10.0 ** draw.integers(-6, 6, (4, 1))
    elements, scales = found.parts(x)
    for row in range(4):
        for block in (slice(0, 32), slice(32, 64)):
            largest = math.floor(math.log2(np.max(np.abs(x[row, block]))))
            assert set(scales[row, block]) == {2.0 ** (largest - math.floor(math.log2(float(found.element.max))))}
    np.testing.assert_array_equal(found.quantized(elements * scales), elements * scales)
    assert set(elements.ravel()) <= {float(found.element.rounded(float(e))) for e in elements.ravel()}


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_stand_alone(name: str) -> None:
    """A factor of 1000 on one block changes no other (but for the FP32 scale that NVFP4's tensor shares), and zeros stay zeros."""
    found = BLOCKS[name]
    x = np.random.default_rng(0).standard_normal((256, 256))
    louder = x.copy()
    louder[: found.rows or 256, : found.columns or 256] *= 1000
    np.testing.assert_array_equal(found.quantized(np.zeros((3, 5))), np.zeros((3, 5)))
    if found.rule != "two levels" and (found.rows, found.columns) != (None, None):
        rest = (slice(found.rows, None), slice(None))
        np.testing.assert_array_equal(found.quantized(x)[rest], found.quantized(louder)[rest])


def test_nvfp4_by_hand() -> None:
    """Block maxima 6 and 3 in a tensor whose largest is 6: the tensor's scale is 6/(6·448) = 1/448, the blocks' are 448 and 224 in
    E4M3, both exact, so that the elements are x and 2x in E2M1."""
    x = np.array([[6.0, 1.0, -0.2, *[0.0] * 13, 3.0, 0.5, 0.2, *[0.0] * 13]])
    elements, scales = BLOCKS["nvfp4"].parts(x)
    np.testing.assert_allclose(scales[0, [0, 16]], [1, 0.5], rtol=1e-7)
    assert elements[0, :3].tolist() == [6, 1, 0] and elements[0, 16:19].tolist() == [6, 1, 0.5]


def test_int4_has_a_zero_point() -> None:
    """Values from 0 to 15 in steps of one scale are exact, all of one sign as they are."""
    x = np.arange(16.0)[None, :] * 0.25
    np.testing.assert_array_equal(BLOCKS["int4-128"].quantized(x), x)


def test_an_fp32_scale_puts_the_largest_on_the_largest() -> None:
    x = np.random.default_rng(0).standard_normal((2, 32))
    held = scaled(named("fp8-e4m3"), 1, 16).quantized(x)
    for row in range(2):
        place = np.argmax(np.abs(x[row, :16]))
        assert held[row, place] == pytest.approx(x[row, place], rel=2**-23)


# ── sums, loss scales, products ──────────────────────────────────────────────────────────────────────────────────────────


def test_sums_stall_stochastic_and_compensated_ones_do_not() -> None:
    """N6.23 to N6.25; half the spacing of FP16 in [0.25, 0.5) is 2⁻¹³ = 1.22e-4, more than the addend."""
    plain = {name: sums.sum_of(named(name), sums.PLAIN, 1e-4, 10_000) for name in ("fp16", "bf16", "fp32")}  # type: ignore[arg-type]
    assert [(plain[name].sum, plain[name].last_change) for name in ("fp16", "bf16")] == [(0.25, 2181), (0.03125, 273)]
    assert plain["fp16"].lost == 10_000 - 2181
    assert f"{plain['fp32'].sum:.7f}" == "1.0000535"
    total = np.float32(0)
    for _ in range(10_000):
        total += np.float32(1e-4)
    assert plain["fp32"].sum == total
    assert sums.sum_of(named("fp16"), sums.KAHAN, 1e-4, 10_000).sum == pytest.approx(1, abs=2**-10)  # type: ignore[arg-type]
    drawn = [sums.sum_of(named("bf16"), "stochastic", 1e-4, 10_000, seed=seed).sum for seed in range(40)]  # type: ignore[arg-type]
    assert np.mean(drawn) == pytest.approx(1.0014, abs=4 * np.std(drawn) / math.sqrt(40))  # 10,000 · 1e-4 in BF16


def test_the_scale_moves_as_torch_says() -> None:
    """Back by half at once, up by two after the interval without overflow; N9.18."""
    ran = list(loss_scaling.replay(loss_scaling.events("good,overflow,good"), Scaler()))
    assert (ran[-1].after, sum(step.applied for step in ran)) == (32768, 2)
    up = list(loss_scaling.replay(loss_scaling.events("good*1999,overflow,good*4000"), Scaler()))
    assert [step.after for step in up[1998:2000]] == [65536, 32768]
    assert (up[3998].after, up[3999].after, up[-1].after) == (32768, 65536, 131072)


def test_a_simulated_run_overflows_where_its_largest_gradient_does() -> None:
    ran = list(loss_scaling.simulate([0.5, 2.0, 0.5, 0.5], named("fp16"), Scaler(interval=2)))  # type: ignore[arg-type]
    # 2 · 65536 > 65504, 0.5 · 65536 is not; after two good steps the scale doubles
    assert [(step.event, step.after) for step in ran] == [
        ("good", 65536), ("overflow", 32768), ("good", 32768), ("good", 65536),
    ]  # fmt: skip


def test_what_underflows() -> None:
    """Shares of a log-normal sample against its distribution function: zero below half the least number."""
    fp16, count = named("fp16"), 100_000
    gradients = loss_scaling.drawn(count, 1e-7, 1.5)
    found = loss_scaling.survival(gradients, 1.0, fp16)  # type: ignore[arg-type]
    below = 0.5 * math.erfc(math.log10(1e-7 / 2.0**-25) / 1.5 / math.sqrt(2))
    assert found.zero == pytest.approx(below, abs=4 * math.sqrt(below * (1 - below) / count))
    kept, after = loss_scaling.unscaled(1e-8, 65536, fp16)  # type: ignore[arg-type]
    assert loss_scaling.unscaled(1e-8, 1, fp16)[0] == 0  # type: ignore[arg-type]
    assert (kept, f"{after:.9g}") == (float(fp16.rounded(1e-8 * 65536)), "9.99716576e-09")  # N6.20


def test_the_largest_of_many_is_as_its_distribution_says() -> None:
    """The median of the largest of n: Φ⁻¹(2^(−1/n)) standard deviations above the median."""
    from statistics import NormalDist

    largest = np.log10(loss_scaling.largest_of(1000, 1.0, 1.0, 4001))
    assert np.median(largest) == pytest.approx(NormalDist().inv_cdf(2 ** (-1 / 1000)), abs=0.03)


def test_errors_of_products() -> None:
    """Errors fall with the mantissa and with smaller blocks; two independent operand errors add up in squares; a format that holds
    the operands exactly has none."""
    left, right = quantized.operands(128, 0)
    errors = {name: quantized.in_format(left, right, named(name)).product for name in ("fp32", "fp16", "bf16")}
    assert errors["fp32"] < errors["fp16"] / 1000 and errors["bf16"] == pytest.approx(8 * errors["fp16"], rel=0.1)
    for name in ("fp8-e4m3", "fp4-e2m1", "int8", "int4", "nf4"):
        rows = [quantized.by_block(left, right, named(name), block) for block in (None, 128, 32, 16)]
        assert [row.product for row in rows] == sorted([row.product for row in rows], reverse=True)
        assert rows[-1].product == pytest.approx(math.hypot(rows[-1].left, rows[-1].right), rel=0.05)
    assert quantized.in_format(np.eye(4), 2 * np.eye(4), named("fp16")).product == 0


def test_blocks_keep_outliers_to_themselves() -> None:
    """With one scale per tensor an outlier costs every element bits; with one per 16 only those beside it."""
    for name in ("int8", "int4", "fp4-e2m1"):
        whole, small = (
            [quantized.by_block(*quantized.operands(128, 0, outliers=loud), named(name), block).product for loud in (False, True)]
            for block in (None, 16)
        )
        assert whole[1] / whole[0] > 1.4 * small[1] / small[0]


@pytest.mark.parametrize("name", ["fp16", "fp8-e4m3", "fp4-e2m1", "fp6-e3m2", "fp8-e5m2fnuz"])
def test_binades_hold_all_numbers(name: str) -> None:
    """Positive numbers and zero, the whole line over: subnormal ones and every binade's."""
    found = named(name)
    rows = binades(found, 0, float(found.max))
    assert sum(row.values for row in rows) == (found.finite + 1) // 2  # type: ignore[union-attr]
    for row in rows:
        assert found.rounded(row.low) == row.low
        assert found.rounded(row.low + row.spacing, "down") == row.low + row.spacing
        assert found.rounded(row.low + row.spacing * 0.99, "down") == row.low
