"""Proves that recorded measurements are whole, and that every exact quantity of them is predicted again, offline; that a record
which was measured otherwise fails the check.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from bursar.cli import main
from bursar.errors import BursarError
from bursar.measure import records

ALL = {record["id"]: record for record in records.records()}


@pytest.mark.parametrize("name", ALL)
def test_a_record_says_where_and_when(name: str) -> None:
    record = ALL[name]
    assert set(records.KEYS) == set(record)
    assert record["machine"]["device"] and record["machine"]["torch"] and len(record["date"]) == len("2026-01-01")
    assert set(records.EXACT) <= set(record["measured"])
    assert record["measured"]["step_s"] > 0


@pytest.mark.parametrize("name", ALL)
def test_a_record_is_predicted_again(name: str) -> None:
    assert all(found.agrees for found in records.compared(ALL[name]))


@pytest.mark.parametrize("quantity", records.EXACT)
def test_another_measurement_would_not_agree(quantity: str) -> None:
    record = next(iter(ALL.values()))
    other = {**record, "measured": {**record["measured"], quantity: record["measured"][quantity] - 20}}
    assert [found.quantity for found in records.compared(other) if not found.agrees] == [quantity]


def test_the_check_replays_them(capsys: Any) -> None:
    assert main(["check", "--measured", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["check"]) == len(ALL) * len(records.EXACT)
    assert {row["verdict"] for row in found["check"]} == {"reproduced"}
    assert found["groups"]["measured"]["reproduced"] == len(found["check"])
    assert main(["check", "--measured", "--lang", "zh"]) == 0
    assert "模块的参数量" in capsys.readouterr().out


def test_the_check_fails_with_a_record_that_differs(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    record = next(iter(ALL.values()))
    wrong = {**record, "measured": {**record["measured"], "params": 1}}
    monkeypatch.setattr(records, "records", lambda: (wrong,))
    assert main(["check", "--measured", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["failed"] == 1


def test_a_record_that_cannot_be_written(tmp_path: Any) -> None:
    with pytest.raises(BursarError, match="cannot write"):
        records.write(str(tmp_path / "no" / "record.json"), {})
