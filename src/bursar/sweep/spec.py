"""What a sweep asks: models × devices × counts × lengths × batches, read from a TOML file and cut into chunks.

A chunk is named by the hash of what it asks, its models' configs and devices included: the same question has the same name, so
that a sweep which was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from bursar import own
from bursar.errors import PlanError, UnknownNameError, shown
from bursar.machines.devices import device
from bursar.model import load
from bursar.options import OPTIONS, values

MAX_BYTES = 2**20
MOST = 10**6  # points of a sweep
CHUNK = 8  # points that are searched, and written, together
AXES = {"models": "model", "devices": "device", "counts": "devices", "lengths": "seq", "batches": "global_batch"}
TOKENS = "batches_tokens"
# options that are one for all points
SHARED = ("precision", "grad_dtype", "optimizer", "state_dtype", "optimizer_step", "kernels", "mask", "fix", "also")


class Point(NamedTuple):
    """One question: a model on so many devices, with a length and a global batch, in sequences or in tokens."""

    model: str
    device: str
    devices: int
    seq: int
    global_batch: int | None
    global_batch_tokens: int | None


class Spec(NamedTuple):
    """A sweep: its points in order, and what they share."""

    points: tuple[Point, ...]
    options: Mapping[str, Any]


class Chunk(NamedTuple):
    """Points that are answered together, named by the hash of what they ask."""

    key: str
    points: tuple[Point, ...]
    options: Mapping[str, Any]


def read(path: str) -> Spec:
    """A spec from its file."""
    return of(own.table(Path(path), MAX_BYTES))


def of(found: Mapping[str, Any]) -> Spec:
    """A spec from its tables; every name and number is checked before anything is searched."""
    for key in found:
        if key not in (*AXES, TOKENS, "options"):
            raise UnknownNameError("key of a sweep", str(key), (*AXES, TOKENS, "options"))
    if ("batches" in found) == (TOKENS in found):
        raise PlanError("a sweep has batches or batches_tokens", field="batches", valid="one of the two")
    axes = [_axis(found, key, option) for key, option in AXES.items() if key != "batches"]
    batches = _axis(found, "batches", "global_batch") if "batches" in found else _axis(found, TOKENS, "global_batch_tokens")
    count = len(batches)
    for axis in axes:
        count *= len(axis)
    if count > MOST:
        raise PlanError(f"{count:,} points", field="spec", value=count, valid=f"at most {MOST:,}")
    for name in axes[0]:
        load(name)
    for name in axes[1]:
        device(name)
    pairs = [(batch, None) if "batches" in found else (None, batch) for batch in batches]
    return Spec(tuple(Point(*rest, *pair) for *rest, pair in product(*axes, pairs)), _options(found.get("options", {})))


def _axis(found: Mapping[str, Any], key: str, option: str) -> tuple[Any, ...]:
    """The values of an axis, each as the command line would read it, each once."""
    given = found.get(key)
    if not isinstance(given, list) or not given or not all(isinstance(value, (str, int)) for value in given):
        raise PlanError(f"{key}={shown(given)}", field=key, value=given, valid="a list of at least one")
    read = [str(value) if option == "model" else OPTIONS[option].value(value) for value in given]
    if len(set(read)) < len(read):
        raise PlanError(f"{key} has a value twice", field=key, value=given, valid="every value once")
    return tuple(read)


def _options(given: Any) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise PlanError(f"options={shown(given)}", field="options", value=given, valid="a table")
    for key in given:
        if key not in SHARED:
            raise UnknownNameError("option of a sweep", str(key), SHARED)
    return values({name: given.get(name) for name in SHARED})


def chunks(spec: Spec) -> Iterator[Chunk]:
    """The points, some at a time. Their name holds what their answers depend on."""
    seen = {name: _digest(load(name).published.values) for name in {point.model for point in spec.points}}
    made = {name: _digest(repr(device(name))) for name in {point.device for point in spec.points}}
    for start in range(0, len(spec.points), CHUNK):
        points = spec.points[start : start + CHUNK]
        asked = [[*point, seen[point.model], made[point.device]] for point in points]
        yield Chunk(_digest([version("bursar"), dict(spec.options), asked]), points, spec.options)


def name(found: Sequence[Chunk]) -> str:
    """The name of a sweep: that of all its chunks."""
    return _digest([chunk.key for chunk in found])


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]
