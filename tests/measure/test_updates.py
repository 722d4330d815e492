"""Proves the comparison with torch.optim that the verb prints: no difference but rounding where both do the same, and where they do
not the difference with its reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bursar.cli import main
from bursar.measure.updates import TWINS
from bursar.theory.updates import RULES

GIVEN = ["--theta", "[[1,-2],[0.5,3]]", "--gradient", "[[0.5,0.1],[-1,2]]:[[0.2,-0.4],[1,0.3]]", "--steps", "7", "--lr", "0.05"]


def compared(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["optimizer", "step", *arguments, "--torch", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["torch"]
    assert isinstance(found, dict)
    return found


def test_the_settings_that_torch_has_are_ours() -> None:
    for name, twin in TWINS.items():
        assert set(twin.names) <= set(RULES[name].settings)


@pytest.mark.parametrize("name", [name for name in TWINS if name != "muon"])
def test_both_step_alike(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = compared(capsys, name, *GIVEN, "--weight-decay", "0.1")
    assert found["difference"] < 1e-12 and found["departures"] == []


@pytest.mark.parametrize(
    ("arguments", "departure", "difference"),
    [
        # θ = 1, g = 0.5, η = 0.1: N9.04 (the root of 0.1·g² is larger by 1e-8, its square by 1e-8), N9.02 against N9.03, N9.10
        ("rmsprop --decay 0.9 --eps-inside", "eps_inside", 0.05 / 0.025**0.5 * 1e-8 * (1 / 0.05 - 1 / 0.025**0.5)),
        ("momentum --momentum-form average", "momentum_average", 0.995 - 0.95),
        ("adam --no-bias-correction", "no_bias_correction", 0.1 * (3.162278 - 1)),
    ],
)
def test_differences_have_a_reason(arguments: str, departure: str, difference: float, capsys: pytest.CaptureFixture[str]) -> None:
    found = compared(capsys, *arguments.split(), "--theta", "1", "--gradient", "0.5", "--lr", "0.1")
    assert found["departures"] == [departure]
    assert found["difference"] == pytest.approx(difference, rel=1e-3)


def test_muon_differs_by_its_format(capsys: pytest.CaptureFixture[str]) -> None:
    found = compared(capsys, "muon", *GIVEN)
    assert found["departures"] == ["bf16_iterations"] and 0 < found["difference"] < 7 * 0.05 * 2**-4


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_it_is_said(lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["optimizer", "step", "adam", "--eps-inside", "--torch", "--lang", lang]) == 0
    assert ("adds ε outside" if lang == "en" else "把 ε 加在根号外") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"), [("lamb", "torch.optim has no lamb"), ("muon --theta 1,2 --gradient 1,2", "takes matrices")]
)
def test_what_torch_has_not_is_refused(arguments: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["optimizer", "step", *arguments.split(), "--torch"]) == 2
    assert said in capsys.readouterr().err
