"""Predicted beside measured for every rank: what the ledger says, what PyTorch does otherwise and why, what was seen."""

from __future__ import annotations

from typing import Any, NamedTuple

from bursar.measure.distributed import keeping, predicting
from bursar.measure.distributed.keeping import PARTS
from bursar.measure.distributed.predicting import LEDGER
from bursar.training import Training

Payload = dict[str, Any]


class Measured(NamedTuple):
    """What one rank did in a step and holds after it: its place in the mesh; (dimension, collective) → (how many, bytes); bytes by
    part; operators that communicate and are not known."""

    rank: int
    place: dict[str, int]
    collectives: dict[tuple[str, str], tuple[int, int]]
    held: dict[str, int]
    unknown: tuple[str, ...]


def compared(job: Training, found: Measured) -> Payload:
    """One rank."""
    collectives, held = _collectives(job, found), _held(job, found)
    exact = not found.unknown and all(row["exact"] for row in (*collectives, *held))
    return {
        "rank": found.rank,
        "place": dict(found.place),
        "collectives": collectives,
        "memory": held,
        "unknown": list(found.unknown),
        "exact": exact,
    }


def _collectives(job: Training, found: Measured) -> list[Payload]:
    rows: dict[tuple[str, str], Payload] = {}
    for sent in predicting.sent(job, found.place["pipeline"]):
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
        if count or row["count"]:
            answer.append({"dimension": dimension, "collective": collective, **row, **seen})
    return answer


def _held(job: Training, found: Measured) -> list[Payload]:
    rows: dict[str, Payload] = {part: {"bytes": 0, "named": []} for part in PARTS}
    for kept in keeping.kept(job, found.place):
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


def alike(ranks: list[Payload]) -> list[list[int]]:
    """Places in a list of ranks that did and hold the same, together."""
    found: dict[str, list[int]] = {}
    for place, rank in enumerate(ranks):
        found.setdefault(repr([rank["collectives"], rank["memory"], rank["unknown"]]), []).append(place)
    return list(found.values())
