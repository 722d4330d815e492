"""Predicted beside measured for every rank: what the ledger says, what PyTorch does otherwise and why, what was seen."""

from __future__ import annotations

from typing import Any

from bursar.measure.distributed import predicting
from bursar.measure.distributed.predicting import LEDGER
from bursar.measure.distributed.running import Measured
from bursar.training import Training

Payload = dict[str, Any]
PARTS = ("weights", "gradients", "optimizer_state")


def compared(job: Training, index: int, found: Measured) -> Payload:
    """One rank at a place of the pipeline."""
    collectives, held = _collectives(job, index, found), _held(job, index, found)
    exact = not found.unknown and all(row["exact"] for row in (*collectives, *held))
    return {
        "rank": found.rank,
        "place": dict(found.place),
        "collectives": collectives,
        "memory": held,
        "unknown": list(found.unknown),
        "exact": exact,
    }


def _collectives(job: Training, index: int, found: Measured) -> list[Payload]:
    rows: dict[tuple[str, str], Payload] = {}
    for sent in predicting.sent(job, index):
        row = rows.setdefault((sent.dimension, sent.collective), _empty())
        row["count"], row["bytes"] = row["count"] + sent.calls, row["bytes"] + sent.bytes
        if sent.cause != LEDGER:
            _named(row, sent.cause, count=sent.calls, bytes=sent.bytes)
    for key in found.collectives:
        rows.setdefault(key, _empty())
    answer = []
    for (dimension, collective), row in sorted(rows.items()):
        count, size = found.collectives.get((dimension, collective), (0, 0))
        seen = {"measured_count": count, "measured_bytes": size, "exact": (count, size) == (row["count"], row["bytes"])}
        answer.append({"dimension": dimension, "collective": collective, **row, **seen})
    return answer


def _held(job: Training, index: int, found: Measured) -> list[Payload]:
    rows: dict[str, Payload] = {part: {"bytes": 0, "named": []} for part in PARTS}
    for kept in predicting.kept(job, index):
        rows[kept.part]["bytes"] += kept.bytes
        if kept.cause != LEDGER:
            _named(rows[kept.part], kept.cause, bytes=kept.bytes)
    return [
        {"part": part, **row, "measured_bytes": found.held[part], "exact": found.held[part] == row["bytes"]}
        for part, row in rows.items()
    ]


def _empty() -> Payload:
    return {"count": 0, "bytes": 0, "named": []}


def _named(row: Payload, cause: str, **values: int) -> None:
    """Adds to a row's difference of that cause."""
    for known in row["named"]:
        if known["cause"] == cause:
            known.update({name: known[name] + value for name, value in values.items()})
            return
    row["named"].append({"cause": cause, **values})
