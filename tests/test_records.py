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
from bursar.measure.distributed import recording

ALL = {record["id"]: record for record in records.records()}
RANKS = {name: record for name, record in ALL.items() if recording.RANKS in record["measured"]}
STEPS = {name: record for name, record in ALL.items() if name not in RANKS}


@pytest.mark.parametrize("name", ALL)
def test_a_record_says_where_and_when(name: str) -> None:
    record = ALL[name]
    assert set(records.KEYS) == set(record)
    assert record["machine"]["device"] and record["machine"]["torch"] and len(record["date"]) == len("2026-01-01")


@pytest.mark.parametrize("name", STEPS)
def test_a_step_of_one_device_is_predicted_again(name: str) -> None:
    measured = STEPS[name]["measured"]
    assert set(records.EXACT) <= set(measured) and measured["step_s"] > 0
    assert all(found.agrees for found in records.compared(STEPS[name]))


@pytest.mark.parametrize("name", RANKS)
def test_a_step_of_several_ranks_is_predicted_again(name: str) -> None:
    """Every collective and every byte that a rank holds; one call or byte more of any of them would not agree."""
    record = RANKS[name]
    assert all(found.agrees for found in recording.replayed(record))
    for part in ("weights", "gradients", "optimizer_state"):
        other = json.loads(json.dumps(record))
        other["measured"]["ranks"][0]["held"][part] += 1
        assert [found.quantity for found in recording.replayed(other) if not found.agrees] == [part]
    for number, row in enumerate(record["measured"]["ranks"][0]["collectives"]):
        other = json.loads(json.dumps(record))
        other["measured"]["ranks"][0]["collectives"][number]["count"] += 1
        (wrong,) = [found for found in recording.replayed(other) if not found.agrees]
        assert wrong.quantity == "count" and wrong.where.split()[1:] == [row["dimension"], row["collective"]]


@pytest.mark.parametrize("quantity", records.EXACT)
def test_another_measurement_would_not_agree(quantity: str) -> None:
    record = next(iter(STEPS.values()))
    other = {**record, "measured": {**record["measured"], quantity: record["measured"][quantity] - 20}}
    assert [found.quantity for found in records.compared(other) if not found.agrees] == [quantity]


def test_the_check_replays_them(capsys: Any) -> None:
    assert main(["check", "--measured", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    ranks = sum(1 for record in RANKS.values() for _ in recording.replayed(record))
    assert len(found["check"]) == len(STEPS) * len(records.EXACT) + ranks and len({row["id"] for row in found["check"]}) == len(
        found["check"]
    )
    assert {row["verdict"] for row in found["check"]} == {"reproduced"}
    assert found["groups"]["measured"]["reproduced"] == len(found["check"])
    assert main(["check", "--measured", "--lang", "zh"]) == 0
    assert "模块的参数量" in capsys.readouterr().out


def test_the_check_fails_with_a_record_that_differs(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    record = next(iter(STEPS.values()))
    wrong = {**record, "measured": {**record["measured"], "params": 1}}
    monkeypatch.setattr(records, "records", lambda: (wrong,))
    assert main(["check", "--measured", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["failed"] == 1


def test_a_record_that_cannot_be_written(tmp_path: Any) -> None:
    with pytest.raises(BursarError, match="cannot write"):
        records.write(str(tmp_path / "no" / "record.json"), {})
