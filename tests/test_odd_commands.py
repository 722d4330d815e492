"""Proves that a command line with odd words, numbers and files is answered or refused in a line, never with a traceback: a sample
of what `benchmarks/odd_commands.py` runs by the thousand."""

from __future__ import annotations

import pytest
from benchmarks.odd_commands import FINE, leaves, outcomes

from bursar.cli.table import VERBS

HEAVY = ("find", "check", "plan", "advise", "sweep", "verify", "trace", "profile", "calibrate", "scaling", "numerics", "optimizer")


def test_odd_command_lines_are_answered_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BURSAR_DEBUG", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    light = [name for name in VERBS if name not in HEAVY]
    count = 3 * sum(path[0] in light for path, _ in leaves(VERBS))
    found = list(outcomes(count, 7, light))
    assert not [(said, line) for said, line in found if said not in FINE]
    assert {said for said, _ in found} == set(FINE)
