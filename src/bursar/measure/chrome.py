"""A profile as a Chrome trace (chrome://tracing, ui.perfetto.dev): operators as spans of their pass, memory as a counter."""

from __future__ import annotations

from typing import Any

from bursar.measure.profile import Profile
from bursar.measure.tracked import CATEGORIES

PHASES = ("forward", "backward", "optimizer")


def chrome(found: Profile) -> dict[str, Any]:
    """The object of the JSON file; times are microseconds of the tracked step."""
    zero = found.rows[0].began
    events: list[dict[str, Any]] = [
        {"ph": "M", "name": "thread_name", "pid": 0, "tid": at, "args": {"name": phase}} for at, phase in enumerate(PHASES)
    ]
    for at, row in enumerate(found.rows):
        began = (row.began - zero) * 1e6
        told = {"module": row.module, "flops": row.flops, "bytes": row.moved}
        span = {"ph": "X", "name": row.operator, "pid": 0, "tid": PHASES.index(row.phase), "ts": began, "dur": row.seconds * 1e6}
        after = {"ph": "C", "name": "memory", "pid": 0, "ts": began + row.seconds * 1e6}
        events += [{**span, "args": told}, {**after, "args": dict(zip(CATEGORIES, row.bytes, strict=True))}]
        if found.moments:
            events.append({**after, "name": "allocator", "args": found.moments[at]._asdict()})
    return {"traceEvents": events, "displayTimeUnit": "ms"}
