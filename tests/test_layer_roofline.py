"""Proves that a layer on the roofline is the layer that a step counts: its FLOPs and seconds, and nothing above the ceiling."""

from __future__ import annotations

import pytest

import bursar
from bursar import Plan, Training
from bursar.cli import main
from bursar.questions import layer_roofline
from bursar.report import roofline
from bursar.report.plot import Dots, Line
from tests.command import answer


@pytest.mark.parametrize("name", ["llama-3-8b", "mixtral-8x7b", "deepseek-v3", "gpt2", "mamba2-codestral-7b", "gemma2-9b"])
def test_no_operator_is_above_the_ceiling(name: str) -> None:
    """And operators take the seconds that the step's pace gives their layers, forward, without communication."""
    job = Training(bursar.load(name), Plan(), bursar.device("h100-sxm"), length=1024)
    found = layer_roofline.layers(job)
    assert found and all(0 < point.share <= 1 for layer in found for point in layer.points)
    blocks = {id(block): block for stage in job.stages for _, _, block in stage.layers}
    own = sum(point.seconds for layer in found for point in layer.points)
    assert own == pytest.approx(sum(job.paces[key].forward for key in blocks))


def test_a_product_has_the_flops_of_its_shape(capsys: pytest.CaptureFixture[str]) -> None:
    """Llama-3-8B: the gate is 2 · 8192 · 4096 · 14336; it reads its input and its weight and writes its result, 2 bytes each."""
    found = answer(capsys, "roofline llama-3-8b --device h100-sxm --seq 8k")
    (layer,) = found["layers"]
    gate = next(row for row in layer["operators"] if row["path"].endswith("mlp.gate"))
    assert gate["flops"] == 2 * 8192 * 4096 * 14336
    assert gate["bytes"] == 2 * (8192 * 4096 + 4096 * 14336 + 8192 * 14336)
    assert gate["bound"] == "compute" and gate["intensity"] > found["ridge"]
    norm = next(row for row in layer["operators"] if row["path"].endswith("attn.norm"))
    assert norm["bound"] == "memory" and norm["flops"] == 0 < norm["bytes_per_s"] < 3.35e12


def test_tensor_parallelism_shrinks_a_product(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        next(row for row in answer(capsys, f"roofline llama-3-8b --device h100-sxm --seq 8k --tp {tp}")["layers"][0]["operators"]
             if row["path"].endswith("mlp.gate"))
        for tp in (1, 8)
    ]  # fmt: skip
    assert rows[0]["flops"] == 8 * rows[1]["flops"] and rows[1]["intensity"] < rows[0]["intensity"]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_chart_shows_what_the_table_says(lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    payload = answer(capsys, "roofline mixtral-8x7b --device a100-80-sxm --seq 4k")
    (panel,) = roofline.panels(payload, lang)
    dots = [mark for mark in panel.marks if isinstance(mark, Dots)]
    (ceiling,) = [mark for mark in panel.marks if isinstance(mark, Line)]
    counted = [row for row in payload["layers"][0]["operators"] if row["flops"]]
    assert {(mark.x[0], mark.y[0]) for mark in dots} == {(row["intensity"], row["flop_per_s"]) for row in counted}
    assert panel.x_log and panel.y_log and max(ceiling.y) == payload["peak_flop_per_s"]
    assert ceiling.y[0] / ceiling.x[0] == pytest.approx(payload["bandwidth_b_per_s"])
    assert main(["roofline", "mixtral-8x7b", "--device", "a100-80-sxm", "--seq", "4k", "--lang", lang]) == 0
    text = capsys.readouterr().out
    assert all(row["op"] in text for row in payload["layers"][0]["operators"])


def test_a_roofline_without_a_model_has_its_one_dot(capsys: pytest.CaptureFixture[str]) -> None:
    payload = answer(capsys, "roofline --device h100-sxm --flops 1e12 --bytes 1e9 --seconds 0.002")
    (panel,) = roofline.panels(payload, "en")
    (dot,) = [mark for mark in panel.marks if isinstance(mark, Dots)]
    assert (dot.x[0], dot.y[0]) == (1000, 1e12 / 0.002)
    (bare,) = roofline.panels(answer(capsys, "roofline --peak 1e15 --bandwidth 1e12"), "en")
    assert not [mark for mark in bare.marks if isinstance(mark, Dots)]


def test_a_layer_needs_a_device(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["roofline", "llama-3-8b", "--peak", "1e15", "--bandwidth", "1e12"]) == 2
    assert "--device" in capsys.readouterr().err
