"""Proves that a picture shows the numbers of the object that its verb prints, and no other: every picture of a verb is drawn from
that object, bars are its parts, columns end at its totals, and what is shaded in a layer adds up to what the layer keeps."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from bursar.cli import main
from bursar.cli.table import VERBS
from bursar.report import pictures
from bursar.report.plot import Arrow, Bars, Box, Panel, Steps

JOB = ["--device", "h100", "--devices", "64", "--tp", "8", "--sp", "--pp", "4", "--zero", "1", "--seq", "8k"]
ASKED = {
    "params": ["llama-3-8b"],
    "flops": ["llama-3-70b", "--seq", "8k"],
    "activations": ["deepseek-v3", "--kernels", "fused"],
    "memory": ["llama-3-70b", *JOB],
    "time": ["llama-3-70b", *JOB, "--global-batch", "512"],
}


def answer(capsys: pytest.CaptureFixture[str], verb: str, chart: Path, lang: str = "en") -> dict[str, Any]:
    assert main([verb, *ASKED[verb], "--chart", str(chart), "--lang", lang, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["chart"] == str(chart)
    return found


def marks(panels: Iterable[Panel], kind: type) -> list[Any]:
    return [mark for panel in panels for mark in panel.marks if isinstance(mark, kind)]


def test_every_verb_with_a_picture_is_here() -> None:
    assert set(ASKED) == set(pictures.DRAW) == {name for name, verb in VERBS.items() if verb.pictures == "bursar.report.pictures"}


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("verb", ASKED)
def test_a_picture_of_an_answer(verb: str, lang: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file with the titles of its panels as text; the same picture twice is the same file."""
    files = [tmp_path / "one.svg", tmp_path / "two.svg"]
    found = [answer(capsys, verb, file, lang) for file in files]
    assert files[0].read_bytes() == files[1].read_bytes()
    for panel in pictures.DRAW[verb](found[0], lang):
        assert panel.title in files[0].read_text(encoding="utf-8")


def test_bars_are_the_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    params = answer(capsys, "params", tmp_path / "a.svg")
    [bars] = marks(pictures.params(params, "en"), Bars)
    assert dict(zip(bars.names, bars.values, strict=True)) == params["components"]
    time = answer(capsys, "time", tmp_path / "b.svg")
    [bars] = marks(pictures.time(time, "en"), Bars)
    assert sum(bars.values) == pytest.approx(time["step_s"])


def test_columns_end_at_the_flops_of_a_token(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "flops", tmp_path / "a.svg")
    top = marks(pictures.flops(found, "en"), Steps)[-1]
    at = [row["seq"] for row in found["by_length"]].index(8192)
    assert top.high[at] == pytest.approx(found["forward"] / 8192)


def test_what_is_shaded_is_what_a_layer_keeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the tables of all layers, which `shared` counts once; every box has its place, and arrows end at boxes."""
    found = answer(capsys, "activations", tmp_path / "a.svg")
    for layer, shown in zip(found["layers"], found["wiring"], strict=True):
        tables = {line["name"] for line in shown["lines"] if not line["op"]}
        kept = sum(item["bytes"] for line in shown["lines"] if line["name"] not in tables for item in line["kept"])
        assert (shown["kind"], kept) == (layer["kind"], layer["bytes"])
    for panel, shown in zip(pictures.activations(found, "en"), found["wiring"], strict=True):
        places = {(box.x, box.y) for box in marks([panel], Box)}
        assert len(places) == len(shown["lines"])
        assert len(marks([panel], Arrow)) == sum(len(line["reads"]) for line in shown["lines"])


def test_a_png_in_chinese_needs_a_font(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from matplotlib import font_manager

    monkeypatch.setattr(font_manager, "get_font_names", lambda: ["DejaVu Sans"])
    assert main(["time", *ASKED["time"], "--chart", str(tmp_path / "a.png"), "--lang", "zh"]) == 2
    assert "font" in capsys.readouterr().err
