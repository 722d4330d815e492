"""What a point of a sweep answers: the fastest plan that fits, or why there is none, as a row of one table."""

from __future__ import annotations

from typing import Any

from bursar import planner
from bursar.errors import BursarError
from bursar.machines.devices import device
from bursar.machines.multipliers import band_for
from bursar.model import load
from bursar.sweep.spec import Chunk, Point

Row = dict[str, Any]

# column → its type; every row has them all, and what a row has no value for is null
COLUMNS: dict[str, type] = {
    "chunk": str, "model": str, "device": str, "devices": int, "seq": int, "global_batch": int, "global_batch_tokens": int,
    "status": str, "why": str, "tp": int, "sp": bool, "cp": int, "ep": int, "etp": int, "pp": int, "schedule": str, "vp": int,
    "dp": int, "zero": int, "micro_batch": int, "recompute": str, "precision": str, "optimizer": str, "peak": int,
    "device_memory": int, "step_s": float, "step_s_low": float, "step_s_high": float, "tokens_per_s": float,
    "tokens_per_s_per_device": float, "mfu": float, "searched": int, "feasible": int,
}  # fmt: skip
PLAN = ("tp", "sp", "cp", "ep", "etp", "pp", "schedule", "vp", "dp", "zero", "micro_batch", "recompute", "precision", "optimizer")
FITS, TOO_LARGE, REFUSED = "fits", "too large", "refused"


def rows(chunk: Chunk) -> list[Row]:
    """The rows of a chunk, in order."""
    return [{**dict.fromkeys(COLUMNS), "chunk": chunk.key, **_row(point, chunk.options)} for point in chunk.points]


def _row(point: Point, options: Any) -> Row:
    asked = point._asdict()
    try:
        return {**asked, **_searched(point, {**options, **asked, "nodes": None})}
    except BursarError as error:
        return {**asked, "status": REFUSED, "why": str(error)}


def _searched(point: Point, options: dict[str, Any]) -> Row:
    where = device(point.device)
    space, batch = planner.space_of(load(point.model), options, where)
    found = planner.best_of(space, keep=1)
    row: Row = {
        "global_batch": batch.sequences, "global_batch_tokens": batch.tokens, "device_memory": int(where.memory.si),
        "searched": int(found.searched), "feasible": int(found.feasible),
    }  # fmt: skip
    if not found.best:
        return {**row, "status": TOO_LARGE, "why": "no plan fits", "peak": int(found.leanest.peak)}
    best = found.best[0]
    step, tokens = float(best.step_s), batch.tokens
    fastest, slowest = band_for(space.training(best.plan))
    plan = best.plan.options()
    return {
        **row,
        "status": FITS,
        **{name: plan[name] for name in PLAN},
        "peak": int(best.peak),
        "step_s": step,
        "step_s_low": step * fastest.si,
        "step_s_high": step * slowest.si,
        "tokens_per_s": tokens / step,
        "tokens_per_s_per_device": tokens / step / point.devices,
        "mfu": float(best.utilization),
    }
