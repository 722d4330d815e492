"""Proves that the table of counters (docs/counters.md) is true of a trace: its truths are arithmetic, its rows of ours are them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("transformers")

from benchmarks.counters import LLAMA, PARAMS, TRUTH, Case, ours

PAGE = (Path(__file__).parents[2] / "docs" / "counters.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("model", TRUTH)
def test_a_trace_counts_the_truth(model: str) -> None:
    """On meta, both passes: register of the peers, 88,315,265,024 FLOPs and 55,321,088 parameters of the Llama."""
    assert (LLAMA, PARAMS["llama"]) == (88_315_265_024, 55_321_088)
    assert ours(Case(model, device="meta", both=True)) == (PARAMS[model], 3 * TRUTH[model])


def test_every_row_of_ours_is_the_truth() -> None:
    """One case is refused, by PyTorch and by us: transformers asks a mask on the meta device for its values."""
    rows = re.findall(r"^\| bursar trace \|.*$", PAGE, flags=re.MULTILINE)
    assert len(rows) == 11
    assert [row.split("|")[-2].strip() for row in rows if "TraceError" not in row] == ["1.0000"] * 10
    assert [row.split("|")[3].strip() for row in rows if "TraceError" in row] == ["llama, meta, sdpa, forward, no cache"]
