"""Mutated configs of every family: each must give an exact answer or a refusal, quickly.

Run: python benchmarks/mutated.py [configs, 10000 if not given]. The seed is fixed. The exit status is 1 where anything else came
out; its config is printed.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from random import Random
from typing import Any

import bursar
from bursar import catalog
from bursar.errors import BursarError
from bursar.plan import Plan

COUNT = 10_000
SLOW = 1.0  # seconds; a config.json answers in milliseconds
Values = dict[str, Any]


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": [value]}
    return value


ODD: dict[str, list[Any]] = {
    "negative": [-1, -4096, -(10**30)],
    "zero": [0, 0.0],
    "huge": [10**9, 10**30, 10**400, 1e308],
    "small": [1, 2, 3, 7, 97],
    "wrong type": [None, True, False, 0.5, [], [1, 2], {}, {"a": 1}, ["a"], [None], [[1]]],
    "not a number": [float("nan"), float("inf"), float("-inf")],
    "text": ["", "8", "4096", "silu", "x" * 5000, "\0", "✓\n\x1b[31m"],
    "deep": [nested(50), nested(400)],
}


def mutated(pick: Random, values: Values) -> tuple[str, Values]:
    """One to three changes, and their kinds."""
    values, kinds = dict(values), []
    for _ in range(pick.randint(1, 3)):
        kind = pick.choice(["dropped", "added", "negated", *ODD])
        key = pick.choice(sorted(values)) if values else ""
        kinds.append(kind)
        if kind == "dropped":
            values.pop(key, None)
        elif kind == "added":
            values[pick.choice(["num_memory_tokens", "hidden", "", "\n", "x" * 300])] = pick.choice(ODD[pick.choice(list(ODD))])
        elif kind == "negated":
            value = values.get(key)
            values[key] = (
                not value if isinstance(value, bool) else -value if isinstance(value, (int, float)) else pick.choice([-1, None])
            )
        else:
            values[key] = pick.choice(ODD[kind])
    return ", ".join(kinds), values


def outcome(values: Values) -> str:
    """`exact`, `refused`, or what went wrong."""
    try:
        model = bursar.load(values)
        found = model.parameters()
        kept = model.activations(Plan(), 8).total
        flops = model.flops(8).forward
    except BursarError as refusal:
        return (
            "refused"
            if str(refusal) and "\n" not in str(refusal) and len(str(refusal)) < 1000
            else f"refusal: {str(refusal)[:200]!r}"
        )
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    whole = all(type(number) is int for number in (found.total, found.active, kept, flops))
    parts = 0 < found.active <= found.total == sum(found.components.values())
    return "exact" if whole and parts and kept > 0 and flops > 0 else f"no sum: {found.total}, {found.active}, {kept}, {flops}"


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    pick = Random(count)
    entries = [catalog.entry(name) for name in catalog.names()]
    families: dict[str, list[Any]] = {}
    for entry in entries:
        families.setdefault(entry.values["model_type"], []).append(entry)
    found: Counter[str] = Counter()
    slowest, failed = (0.0, ""), 0
    for _ in range(count):
        family = pick.choice(sorted(families))
        kinds, values = mutated(pick, pick.choice(families[family]).values)
        start = time.perf_counter()
        said = outcome(values)
        seconds = time.perf_counter() - start
        slowest = max(slowest, (seconds, f"{family}: {kinds}"))
        if seconds > SLOW:
            said = f"{seconds:.1f} s"
        found[said if said in ("exact", "refused") else "failed"] += 1
        if said not in ("exact", "refused"):
            failed += 1
            print(f"{family}: {kinds}: {said}\n  {json.dumps(values, default=str)[:3000]}")
    print(
        f"{count:,} configs of {len(families)} families: {found['exact']:,} exact, {found['refused']:,} refused, {failed:,} failed"
    )
    print(f"slowest: {slowest[0]:.3f} s ({slowest[1]})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
