"""A record of a distributed step: what every rank did and held, and how that is predicted again without PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bursar.measure import records
from bursar.measure.distributed.comparing import Measured, alike, compared
from bursar.measure.records import Compared
from bursar.model import Model, load
from bursar.plan import Plan
from bursar.training import Training

Record = dict[str, Any]
RANKS = "ranks"  # what a record of a distributed step has measured


def record(model: Model, job: Training, ranks: list[Measured], backend: str) -> Record:
    """What is asked of a step, and what its ranks did."""
    unlike = {field.name: getattr(job.plan, field.name) for field in fields(Plan) if getattr(job.plan, field.name) != field.default}
    return {
        "config": model.published.values,
        "job": {"seq": job.length, "global_batch": job.global_batch, "backend": backend, "plan": unlike},
        "measured": {RANKS: [_written(rank) for rank in ranks]},
    }


def write(place: str, found: Record, device: str) -> None:
    """One record with the machine of this rank and the day, into a file."""
    import torch

    from bursar.measure.machines import described

    day = datetime.now(UTC).date().isoformat()
    records.write(place, {"id": Path(place).stem, "date": day, "machine": described(torch.device(device)), **found})


def _written(rank: Measured) -> Record:
    collectives = [
        {"dimension": dimension, "collective": collective, "count": count, "bytes": bytes_}
        for (dimension, collective), (count, bytes_) in sorted(rank.collectives.items())
    ]
    return {"rank": rank.rank, "place": rank.place, "collectives": collectives, "held": rank.held, "unknown": list(rank.unknown)}


def _read(row: Record) -> Measured:
    collectives = {(one["dimension"], one["collective"]): (one["count"], one["bytes"]) for one in row["collectives"]}
    return Measured(row["rank"], row["place"], collectives, row["held"], tuple(row["unknown"]))


def replayed(record: Mapping[str, Any]) -> Iterator[Compared]:
    """Every quantity of a record, asked again; ranks that did and hold the same are asked once."""
    asked = record["job"]
    job = Training(
        load(record["config"]).architecture, Plan(**asked["plan"]), length=asked["seq"], global_batch=asked["global_batch"]
    )
    ranks = [compared(job, _read(row)) for row in record["measured"][RANKS]]
    for places in alike(ranks):
        first, of = ranks[places[0]], ",".join(str(ranks[place]["rank"]) for place in places)
        for row in first["collectives"]:
            where = f"{of} {row['dimension']} {row['collective']}"
            for quantity, unit, seen in (("count", "1", "measured_count"), ("bytes", "B", "measured_bytes")):
                yield Compared(quantity, unit, row[seen], row[quantity], row[seen] == row[quantity], where)
        for row in first["memory"]:
            yield Compared(row["part"], "B", row["measured_bytes"], row["bytes"], row["exact"], of)
