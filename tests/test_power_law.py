"""Proves that a power law is found again from points on it, by least squares from points beside it, and that Kaplan's laws of one
quantity are answered where one alone is given."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar import scaling
from bursar.cli import main
from bursar.errors import PlanError
from bursar.scaling.power import through


@given(st.floats(0.01, 2), st.floats(1e-3, 1e15), st.lists(st.floats(1, 1e12), min_size=2, max_size=8, unique=True))
def test_points_on_a_law_give_it_back(exponent: float, scale: float, xs: list[float]) -> None:
    if max(xs) / min(xs) < 1.5:
        return  # too close for a slope in float64
    line = through([(x, (scale / x) ** exponent) for x in xs])
    assert line.slope == pytest.approx(-exponent, rel=1e-6) and line.scale == pytest.approx(scale, rel=1e-4)
    assert line.residual < 1e-9


def test_points_beside_a_law_are_fitted_as_numpy_does() -> None:
    draw = np.random.default_rng(0)
    x = 10 ** draw.uniform(6, 10, 20)
    y = (8.8e13 / x) ** 0.076 * np.exp(0.01 * draw.standard_normal(20))
    line = through(list(zip(x.tolist(), y.tolist(), strict=True)))
    slope, intercept = np.polyfit(np.log(x), np.log(y), 1)
    assert (line.slope, line.intercept) == pytest.approx((slope, intercept))
    assert line.residual == pytest.approx(np.max(np.abs(np.log(y) - intercept - slope * np.log(x))))


@pytest.mark.parametrize("points", [[(1.0, 2.0)], [(1.0, 2.0), (1.0, 3.0)], [(1.0, 2.0), (4.0, 2.0)], []])
def test_what_is_no_law_is_refused(points: list[tuple[float, float]]) -> None:
    with pytest.raises(PlanError):
        through(points)


@pytest.mark.parametrize("words", [["1:2"], ["1:2", "3"], ["1:2", "x:3"], ["1:2", "0:3"], ["1:2:3", "2:3"]])
def test_points_that_are_none_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scaling", "power", *words]) == 2
    assert "internal" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "loss"), [("params", "1B", 2.37564), ("tokens", "10B", 2.26244), ("flops", "8.64e19", 2.65808)]
)
def test_one_quantity_alone(option: str, value: str, loss: float, capsys: pytest.CaptureFixture[str]) -> None:
    """arXiv:2001.08361, equations 1.1 to 1.3."""
    assert main(["scaling", "loss", "--law", "kaplan", f"--{option}", value, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["alone"], round(found["loss"], 5)) == (option, loss)


def test_enough_tokens() -> None:
    """Equation 4.4: 5·10³·N^0.74; eight times the parameters need 4.66 times the tokens."""
    form = scaling.law("kaplan").form
    one, eight = (form.beside("params", n)["enough_tokens"] for n in (1e9, 8e9))
    assert one == pytest.approx(5e3 * 1e9**0.74) and math.isclose(eight / one, 8**0.74)
    assert form.beside("tokens", 1e9) == {}


def test_other_laws_need_both(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scaling", "loss", "--law", "hoffmann", "--params", "1B"]) == 2
    assert "tokens" in capsys.readouterr().err
    assert main(["scaling", "loss", "--law", "kaplan", "--params", "1B", "--tokens", "1B", "--flops", "1e20"]) == 2
    assert "FLOPs beside" in capsys.readouterr().err


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("line", ["power 1e6:4.0 1e9:2.4", "loss --law kaplan --params 1B", "loss --law kaplan --flops 1e20"])
def test_reports(line: str, lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scaling", *line.split(), "--lang", lang]) == 0
    assert capsys.readouterr().out.strip()
