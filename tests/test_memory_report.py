"""What `bursar memory` says beside the table: where the peak is, the step as a timeline and a picture, and what would help.

Rows add up to their totals, the highest row is the peak, a picture is well-formed and as high as its rows, and every knob says
either what it does to the plan, by reading the changed plan itself, or why it cannot be turned.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bursar import Plan, Training, device, load
from bursar.cli import main
from bursar.questions import whatif
from bursar.report import chart, plot
from bursar.report.words import say

PARTS = tuple(chart.PARTS)
PIPELINE = ["llama-3-70b", "--device", "h100", "--devices", "64", "--tp", "8", "--sp", "--pp", "4", "--seq", "8k"]


def answer(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    assert main(["memory", *options, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_timeline_of_the_worst_stage(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, *PIPELINE, "--timeline")
    assert found["timeline_stage"] == 0  # it has most micro-batches in flight
    rows = found["timeline"]
    assert all(row["total"] == sum(row[part] for part in PARTS) for row in rows)
    assert max(row["total"] for row in rows) == found["peak"]
    assert [row["phase"] for row in rows[:2]] == ["forward", "forward"]
    assert (rows[-1]["phase"], rows[-1]["activations"]) == ("optimizer", 0)


def test_activations_grow_forward_and_fall_backward(capsys: pytest.CaptureFixture[str]) -> None:
    rows = answer(capsys, "llama-3-8b", "--seq", "1k", "--timeline")["timeline"]
    forward, backward = ([row["activations"] for row in rows if row["phase"] == phase] for phase in ("forward", "backward"))
    assert forward == sorted(forward)
    assert backward == sorted(backward, reverse=True)
    assert len(forward) == len(backward) == 1 + 32 + 1  # embedding, layers, head with the loss


def test_every_stage_says_where_its_peak_is(capsys: pytest.CaptureFixture[str]) -> None:
    moments = answer(capsys, *PIPELINE)["moments"]
    assert [moment["stage"] for moment in moments] == [0, 1, 2, 3]
    assert [moment["moment"] for moment in moments] == 3 * ["backward of layers.19"] + ["loss"]
    (moment,) = answer(capsys, "llama-3-8b", "--kernels", "sdpa", "--seq", "8k", "--recompute", "full")["moments"]
    assert moment["moment"] == "loss"


def test_lazy_gradients_are_not_there_at_the_loss(capsys: pytest.CaptureFixture[str]) -> None:
    job = ["llama-3-8b", "--kernels", "sdpa", "--seq", "8k", "--recompute", "full"]
    lazy, ready = (answer(capsys, *job, "--grad-buffer", how) for how in ("lazy", "allocated"))
    assert lazy["stages"][0]["gradients"] < ready["stages"][0]["gradients"] == 2 * 8_030_261_248


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_picture(lang: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its words are in the file: of every part that the first stage has, which is all but logits."""
    file = tmp_path / "step.svg"
    assert main(["memory", *PIPELINE, "--chart", str(file), "--lang", lang]) == 0
    words = {"".join(node.itertext()).strip() for node in ElementTree.fromstring(file.read_text(encoding="utf-8")).iter()}
    assert {say(part, lang).rstrip("*") for part in PARTS} - words == {say("logits", lang)}
    assert "█" in capsys.readouterr().out


def test_a_picture_shows_the_ledger_s_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """Each part lies on the parts below it, and the highest one ends at the total, at every moment."""
    rows = answer(capsys, *PIPELINE, "--timeline")["timeline"]
    stack = [mark for mark in chart.panel(rows, "", "en").marks if isinstance(mark, plot.Steps)]
    assert all(upper.low == lower.high for lower, upper in pairwise(stack))
    assert stack[-1].high == pytest.approx([row["total"] / 2**30 for row in rows])


def test_a_picture_of_another_kind_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "llama-3-8b", "--chart", "step.jpg"]) == 2
    assert ".svg or .png" in capsys.readouterr().err


def test_a_png_without_its_library_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["memory", "llama-3-8b", "--chart", str(tmp_path / "step.png")]) == 2
    assert "bursar[plot]" in capsys.readouterr().err


def test_what_if_reads_the_changed_plan() -> None:
    plan = Plan(tensor=8, sequence=True, pipeline=4, data=2, zero=1, grad_dtype="fp32")
    job = Training(load("llama-3-70b"), plan, device("h100-sxm"), length=8192, global_batch=64)
    found = {outcome.knob: outcome for outcome in whatif.outcomes(job)}
    assert set(found) == {knob.name for knob in whatif.KNOBS}
    full = Training(job.model, replace(plan, recompute="full"), job.device, length=8192, global_batch=64)
    assert found["recompute full"].peak == full.peak()
    assert found["recompute full"].saved == job.peak() - full.peak() > 0
    assert found["recompute full"].slower_s == full.seconds.step - job.seconds.step > 0
    assert found["gradients in bf16"].saved == job.held[0].gradient * 2  # four bytes become two
    assert found["sp"].why_not == "it is so already"
    assert "micro_batch=1" in (found["micro-batch ÷ 2"].why_not or "")


def test_what_cannot_be_turned_comes_last_with_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    rows = answer(capsys, "llama-3-8b", "--seq", "1k", "--what-if")["what_if"]
    valid = [row["why_not"] is None for row in rows]
    assert valid == sorted(valid, reverse=True)
    saved = [row["saved"] for row in rows if row["why_not"] is None]
    assert saved == sorted(saved, reverse=True)
    assert all(row["why_not"] for row in rows if row["peak"] is None)
