"""Replayed step times of published runs stay within what the report prints. The tables are beside the project, not in it."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = Path(__file__).parents[2] / "shared" / "data" / "published"
sys.path.insert(0, str(ROOT))

from benchmarks.published_runs import NVIDIA, read  # noqa: E402
from benchmarks.timed import Unread  # noqa: E402
from benchmarks.timed.statistics import Timed, after_three, errors, left_out_once, timed  # noqa: E402

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the published tables are not beside the project")

# source → rows at least, and at most: mean error of uncalibrated times, size of the bias
BANDS = {
    "megatron-bridge": (120, 0.11, 0.06),
    "dgxc": (95, 0.10, 0.06),
    "nemo": (15, 0.14, 0.09),
    "simumax": (20, 0.16, 0.16),
    "internevo": (50, 0.23, 0.23),
    "vtrain, one node": (300, 0.13, 0.05),
    "vtrain, cluster": (35, 0.15, 0.15),
    "llm-foundry, a100": (35, 0.15, 0.15),
    "llm-foundry, h100": (60, 0.25, 0.25),
    "bigscience": (45, 0.22, 0.22),
}


@lru_cache(maxsize=1)
def replayed() -> tuple[list[Timed], list[Unread]]:
    rows, unread = read(FOLDER)
    return [timed(row) for row in rows if not row.source.startswith("nanotron")], unread


def of(*sources: str) -> list[Timed]:
    return [row for row in replayed()[0] if row.row.source in sources]


@pytest.mark.parametrize("source", BANDS)
def test_a_source_stays_in_its_band(source: str) -> None:
    least, mean, bias = BANDS[source]
    found = errors([row.ratio for row in of(source)], "uncalibrated")
    assert found.rows >= least
    assert found.mean <= mean
    assert abs(found.bias) <= bias


def test_nvidias_runs_of_the_last_two_years() -> None:
    """Uncalibrated: no constant is taken from them."""
    found = errors([row.ratio for row in of(*NVIDIA)], "uncalibrated")
    assert found.rows >= 250
    assert found.mean <= 0.10
    assert abs(found.bias) <= 0.05
    assert found.inside >= 0.9


def test_one_multiplier_and_three_are_better() -> None:
    rows = of(*NVIDIA)
    plain = errors([row.ratio for row in rows], "uncalibrated")
    one, three = errors(left_out_once(rows), "run"), errors(after_three(rows), "run")
    assert plain.mean > one.mean > three.mean
    assert min(one.inside, three.inside) >= 0.85


def test_a_row_that_is_left_out_says_why() -> None:
    assert all(row.reason for row in replayed()[1])
