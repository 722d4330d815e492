"""Multipliers that runs were made with are found again from their times, and few runs say little."""

from __future__ import annotations

from dataclasses import replace

import pytest

import bursar
from bursar import Plan, Training
from bursar.calibrate import multipliers
from bursar.machines.devices import band
from bursar.machines.multipliers import Multipliers, scaled, shares

RUNS = [
    (Plan(tensor=tensor, sequence=tensor > 1, data=8 // tensor, zero=zero, launch="graph"), length)
    for tensor in (1, 2, 4, 8) for length in (2048, 16384, 65536) for zero in (1, 3)
]  # fmt: skip


def job(plan: Plan, length: int) -> Training:
    return Training(bursar.load("llama-3-8b"), plan, bursar.device("h100"), length=length, global_batch=8)


@pytest.mark.parametrize("made", [Multipliers(1.3, 1.0, 1.0), Multipliers(1.2, 1.8, 1.0), Multipliers(1.1, 0.8, 1.3)])
def test_what_runs_were_made_with_is_found(made: Multipliers) -> None:
    learned = []
    for plan, length in RUNS:
        run = job(plan, length)
        slower = replace(run, rates=scaled(run.achieved, made)).time().step
        learned.append((shares(run), slower / run.time().step))
    assert multipliers.three(learned) == pytest.approx(made, rel=0.05)


def test_shares_are_of_the_whole_step() -> None:
    """Without the host's launches all of a step scales with the three together."""
    assert sum(shares(job(*RUNS[0]))) == pytest.approx(1, rel=0.02)


def test_one_run_gives_one_multiplier() -> None:
    assert multipliers.one([1.2]) == pytest.approx(1.2)
    assert multipliers.one([1.0, 1.44]) == pytest.approx(1.2)  # the geometric mean


def test_a_single_run_moves_what_governs_it_and_no_other() -> None:
    found = multipliers.three([(Multipliers(1.0, 0.0, 0.0), 1.3)])
    assert found.compute == pytest.approx(1.3, rel=0.01)  # drawn a little towards one
    assert found[1:] == (1.0, 1.0)


def test_more_that_was_measured_never_widens_a_band_upwards() -> None:
    ends = [[end.si for end in band(origin)] for origin in ("uncalibrated", "operators", "run")]
    assert ends[0][1] > ends[1][1] > ends[2][1] > 1
    assert all(fastest < 1 for fastest, _ in ends)
