"""Proves the faces of a trace: JSON, the tree to a depth, HTML that closes what it opens, a notebook's display, both languages, and
what a target may do wrong.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from bursar.cli import main
from bursar.measure import trace
from tests.measure.pages import read

VIT = str(Path(__file__).parents[2] / "examples" / "vision_transformer.py") + ":make"


def test_a_trace_as_json_and_as_a_tree(capsys: Any, tmp_path: Path) -> None:
    """The contract's keys, a part for every module, MACs beside FLOPs; a page of the same figures."""
    assert main(["trace", VIT, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["measured"].keys() == {"params", "forward_flops", "backward_flops", "saved_bytes"}
    assert found["forward_macs"] * 2 == found["measured"]["forward_flops"] == sum(found["by_operator"].values())
    assert found["measured"]["saved_bytes"] == sum(item["bytes"] for item in found["saved"])
    whole = found["modules"][0]
    assert (whole["path"], whole["forward"], whole["saved"]) == (
        ".", found["measured"]["forward_flops"], found["measured"]["saved_bytes"],
    )  # fmt: skip
    highest = found["peaks"]["forward"]["temporary"]["bytes"]
    assert whole["temporary"] == highest == max(row["temporary"] for row in found["modules"])
    page = tmp_path / "page.html"
    assert main(["trace", VIT, "--depth", "1", "--html", str(page), "--lang", "zh"]) == 0
    printed, written = capsys.readouterr().out, read(page.read_text(encoding="utf-8"))
    for text in (printed, written):
        assert "self_attn:" not in text and "layers: ModuleList" in text
        assert f"{found['measured']['forward_flops']:,}" in text and "前向 FLOP" in text and "反向传播：" in text


def test_a_notebook_shows_the_tree() -> None:
    found = trace(torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh()), torch.zeros(2, 3))
    text = read(found._repr_html_())
    assert "0: Linear" in text and f"{2 * 2 * 3 * 5}" in text
    assert repr(found) == "Trace of Sequential on cpu: 20 parameters, 60 FLOP forward, 60 backward, 64 bytes kept"


TARGETS = """
import torch
def nothing():
    return None
def raises():
    raise ValueError("boom")
class Unknown(torch.nn.Module):
    def forward(self, x):
        return torch.linalg.inv(x)
def unknown():
    return Unknown(), torch.eye(3)
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing", "it returned NoneType"),
        ("raises", "ValueError: boom ("),
        ("absent", "has no function absent"),
        ("unknown", "no formula for aten.linalg_inv_ex (1 call)"),
    ],
)
def test_what_a_target_does_wrong(name: str, words: str, capsys: Any, tmp_path: Path) -> None:
    (tmp_path / "targets.py").write_text(TARGETS)
    assert main(["trace", f"{tmp_path / 'targets.py'}:{name}", "--on", "cpu", "--strict"]) == 2
    found = capsys.readouterr()
    assert words in found.err and "Traceback" not in found.err and len(found.err.splitlines()) <= 2


@pytest.mark.parametrize("text", ["import nothere", "def f(:"])
def test_a_file_that_cannot_be_imported(text: str, capsys: Any, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(text)
    assert main(["trace", f"{tmp_path / 'broken.py'}:f"]) == 2
    assert "internal" not in (found := capsys.readouterr().err) and "broken.py" in found
