"""Proves the verbs of optimizers and of numerics: the steps of the register through the command line, both languages, pictures that
show the numbers of the answer and no others, and refusals in a line.
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from bursar.cli import main
from bursar.cli.groups.numerics import NUMERICS
from bursar.cli.groups.optimizers import OPTIMIZER, SETTINGS
from bursar.cli.table import VERBS
from bursar.cli.verb import Verb
from bursar.optimizers import OPTIMIZERS
from bursar.report.plot import Arrow, Box, Dots, Line
from bursar.report.sparks import spark
from bursar.theory.updates import RULES

GROUPS = {"numerics": NUMERICS, "optimizer": OPTIMIZER}
VERBS_OF = {f"{group} {name}": verb for group, verbs in GROUPS.items() for name, verb in verbs.items()}


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def test_every_hyper_parameter_is_an_option() -> None:
    """But for Adafactor's second ε and its clipping threshold, which no other rule has."""
    assert {name for rule in RULES.values() for name in rule.settings} - {"eps_rms", "clip"} == set(SETTINGS)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", VERBS_OF)
def test_examples_draw_in_both_languages(name: str, lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = VERBS_OF[name].example.split()[1:]
    assert " ".join(arguments).startswith(name)
    assert main([*arguments, "--lang", lang]) == 0
    out, err = capsys.readouterr()
    assert err == "" and out.strip()
    assert any(ord(letter) >= 0x4E00 for letter in out) == (lang == "zh")
    assert main([*name.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"--{option.replace('_', '-')}" in out for option in VERBS_OF[name].options)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_steps(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A matrix and a vector; the states that it made have the row's elements."""
    for theta, gradient in (("[[1,2],[3,4]]", "[[0.5,0],[0,0.25]]"), ("1,2,3", "0.5,0.25,1")):
        found = answer(capsys, "optimizer", "step", name, "--theta", theta, "--gradient", gradient, "--steps", "3")
        assert len(found["steps"]) == 3 and found["theta"] != found["theta0"]
        assert set(found["state_elements"]) == {state.name for state in OPTIMIZERS[name].states}


@pytest.mark.parametrize(
    ("arguments", "theta"),
    [
        ("sgd", 0.95),  # N9.01
        ("momentum --momentum 0.9 --momentum-form average", 0.995),  # N9.02
        ("rmsprop --decay 0.9 --eps-inside", 0.6837722972),  # N9.04
        ("adam", 0.900000002),  # N9.06
        ("adamw --weight-decay 0.01", 0.899000002),  # N9.15
    ],
)
def test_one_step(arguments: str, theta: float, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "optimizer", "step", *arguments.split(), "--theta", "1", "--gradient", "0.5", "--lr", "0.1")
    assert found["theta"] == pytest.approx(theta, abs=5e-11)
    assert found["steps"][0]["over_lr"] == pytest.approx((1 - found["theta"]) / 0.1)


def test_negative_numbers_are_no_options(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "optimizer", "step", "sgd", "--theta", "-1", "--gradient", "-0.5:-1e-1", "--lr", "1")
    assert found["theta"] == pytest.approx(-0.4)
    assert answer(capsys, "format", "fp16", "-.5", "--rounding", "up")["decoded"] == -0.5
    assert main(["format", "fp16", "--roundng", "up"]) == 2
    assert "--rounding" in capsys.readouterr().err


def test_a_step_without_a_denominator_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "optimizer", "step", "adam", "--gradient", "0", "--eps", "0")
    assert found["steps"][0]["trace"]["denominator"] == 0 and found["theta"] == "nan"


def test_accumulation(capsys: pytest.CaptureFixture[str]) -> None:
    """N9.19; unequal micro-batches by hand: (8·1 + 2·6)/10 = 2, and not 3.5."""
    found = answer(capsys, "optimizer", "accumulate", "--gradient", "2,2:2,2:2,2:2,2")
    assert (found["summed"], found["divided"]) == ([8, 8], [2, 2])
    found = answer(capsys, "optimizer", "accumulate", "--gradient", "1:6", "--counts", "8,2")
    assert (found["weighted"], found["divided"], found["relative_error"]["divided"]) == ([2], [3.5], 0.75)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("optimizer step adamm", "unknown optimizer 'adamm'; valid: adam"),
        ("optimizer step sgd --beta1 0.9", "sgd has no beta1"),
        ("optimizer step adam --theta [[1,2],[3]] --gradient 1", "theta=[[1,2],[3]]"),
        ("optimizer step adam --theta 1,2 --gradient 1", "a gradient of one number for a weight of 2 numbers"),
        ("optimizer step adam --theta 1e999 --gradient 1", "theta=1e999"),
        ("optimizer step adam --gradient [[[[[1]]]]]", "gradient=[[[[[1]]]]]"),
        ("optimizer step adam --momentum 2", "momentum=2"),
        ("optimizer step momentum --momentum-form ema", "momentum_form=ema"),
        ("optimizer accumulate --gradient 1:2 --counts 1", "2 gradients of 1 micro-batches"),
        ("optimizer accumulate --gradient 1:2,3", "2 gradients"),
        ("optimizer race --problem banana", "unknown problem 'banana'"),
        ("optimizer race --optimizers adam,best", "unknown optimizer 'best'"),
        ("optimizer race --steps 100000", "steps=100000"),
    ],
)
def test_what_cannot_be_is_refused(arguments: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments.split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and said in err


# ── pictures ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def panels(verb: Verb, name: str, payload: dict[str, Any], lang: str = "en") -> list[Any]:
    found = import_module(verb.pictures).DRAW[name](payload, lang)
    assert isinstance(found, list)
    return found


def test_every_verb_with_a_picture_has_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="pictures need matplotlib: pip install 'bursar[plot]'")
    drawn = {**VERBS_OF, "format": VERBS["format"], "formats": VERBS["formats"]}
    for name, verb in drawn.items():
        assert ("chart" in verb.options) == bool(verb.pictures)
        if verb.pictures:
            file = tmp_path / f"{name}.svg"
            answer(capsys, *verb.example.split()[1:], "--chart", str(file), "--lang", "zh")
            assert "</svg>" in file.read_text(encoding="utf-8")


def test_bits_are_drawn_one_box_each(capsys: pytest.CaptureFixture[str]) -> None:
    """FP16: fields of 1, 5 and 10 bits."""
    payload = answer(capsys, "format", "fp16", "0.1")
    boxes = [mark for mark in panels(VERBS["format"], "format", payload)[0].marks if isinstance(mark, Box)]
    assert "".join(box.text for box in boxes) == f"{0x2E66:016b}"
    colours = [box.colour for box in boxes]
    assert [colours.count(colour) for colour in dict.fromkeys(colours)] == [1, 5, 10]


def test_a_number_line_shows_the_values_of_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    payload = answer(capsys, "numerics", "line", "fp4-e2m1")
    [dots] = panels(NUMERICS["line"], "line", payload)[0].marks
    assert isinstance(dots, Dots)
    assert payload["values"] == [-6, -4, -3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4, 6]
    assert list(dots.x) == payload["values"][:-1] and dots.y[-1] == 2
    from bursar.report.numerics import ruler

    assert ruler(payload["values"], -6, 6).splitlines()[0].count("│") == 15


def test_a_race_draws_its_curves(capsys: pytest.CaptureFixture[str]) -> None:
    payload = answer(capsys, "optimizer", "race", "--optimizers", "sgd,adam", "--steps", "50")
    lines = [mark for mark in panels(OPTIMIZER["race"], "race", payload)[0].marks if isinstance(mark, Line)]
    assert [(line.x[-1], line.y[-1]) for line in lines] == [(50, run["final"]) for run in payload["runs"]]
    assert all(line.y[0] == payload["start_loss"] for line in lines)


def test_the_lineage_draws_an_arrow_to_every_child(capsys: pytest.CaptureFixture[str]) -> None:
    payload = answer(capsys, "optimizer", "lineage")
    marks = panels(OPTIMIZER["lineage"], "lineage", payload)[0].marks
    boxes = {mark.text.split("\n")[0]: mark for mark in marks if isinstance(mark, Box)}
    arrows = [mark for mark in marks if isinstance(mark, Arrow)]
    assert set(boxes) == set(OPTIMIZERS)
    assert len({(box.x, box.y) for box in boxes.values()}) == len(boxes)
    assert len(arrows) == sum(len(row["parents"]) for row in payload["optimizers"])
    assert all(arrow.start[0] < arrow.end[0] for arrow in arrows)


def test_a_curve_in_one_line() -> None:
    """From the lowest to the highest value in eight heights; many values are picked at even distances; a level is flat."""
    assert spark([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert spark([1, 10, 100], log=True) == "▁▅█"  # 3.5 to even
    assert spark(range(1000)) == spark([round(999 * place / 23) for place in range(24)])
    assert spark([2.0]) == "▁" and spark([3, 3]) == "▁▁"
    assert spark([7, 7], beside=[0, 14]) == "▅▅"  # of several curves on one scale: 3.5 to even
