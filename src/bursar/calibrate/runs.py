"""Runs that were measured: a job by the options of the command line, and the time of its step in one of the field's measures.

A table is a CSV or a JSON list of objects: `model`, options by their names (`tp`, `micro_batch`, `global_batch`, `device`, …), one
measure of `MEASURES`. What a row leaves out is the option's default, but for the length, the batch and the devices, which every row
says. Models and devices of a row are those of the catalogs: a table opens no file.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bursar import jobs
from bursar.catalog import names as catalogued
from bursar.errors import BursarError, PlanError, UnknownNameError, shown
from bursar.machines.clusters import cluster
from bursar.machines.devices import Device, device
from bursar.model import Model, load
from bursar.options import OPTIONS, switch
from bursar.own import check, is_file
from bursar.plan import CLI_NAMES
from bursar.questions import conventions
from bursar.step import Step
from bursar.training import Training

LARGEST = 8 * 2**20  # bytes of a table
MOST_ROWS = 1000
OF_JOB = ("seq", "global_batch", "global_batch_tokens", "mask", "device", "devices", "nodes", "cluster", *CLI_NAMES.values())
OF_ROW = ("model", "name", "note", "source", "convention")
TRUE, FALSE = ("true", "yes", "1"), ("false", "no", "0")
SLOWEST = math.e**2  # measured over predicted time that multipliers can say, and its inverse


class Run(NamedTuple):
    """A job and the seconds that its step took."""

    name: str
    job: Training
    step_s: float

    @property
    def ratio(self) -> float:
        """Measured over predicted time."""
        return float(self.step_s / self.job.time().step)


def _tokens(job: Training) -> float:
    return float(job.global_batch * job.length)


def _flops(job: Training, model: Model, convention: str | None) -> float:
    if convention is None:
        raise PlanError("TFLOP/s are counted by a convention", field="convention", valid=tuple(conventions.CONVENTIONS))
    step = Step(job.global_batch, job.length, 0, job.mask)
    return float(sum(conventions.train_flops(model, step, convention).values()))


# seconds of a step from a value, its job and model, and the convention that counts FLOPs
MEASURES: Mapping[str, Callable[[float, Training, Model, str | None], float]] = {
    "step_s": lambda value, job, model, name: value,
    "samples_per_s": lambda value, job, model, name: job.global_batch / value,
    "tokens_per_s": lambda value, job, model, name: _tokens(job) / value,
    "tokens_per_s_per_device": lambda value, job, model, name: _tokens(job) / value / job.plan.devices,
    "tflops_per_device": lambda value, job, model, name: _flops(job, model, name) / (value * 1e12 * job.plan.devices),
}
DIFFER: Mapping[str, Callable[[Training], Any]] = {
    "seq": lambda job: job.length,
    "devices": lambda job: job.plan.devices,
    "tp": lambda job: job.plan.tensor,
    "pp": lambda job: job.plan.pipeline,
}


def run(name: str, model: Model, options: dict[str, Any], at: Device, measures: str, value: float) -> Run:
    """One run. Raises PlanError where its measured time is none that a calibration could say."""
    job, _ = jobs.training(model, options, at)
    found = Run(name, job, MEASURES[measures](value, job, model, options.get("convention")))
    if not 1 / SLOWEST <= found.ratio <= SLOWEST:
        raise PlanError(
            f"{found.step_s:.4g} s is {found.ratio:.3g} times the predicted {job.time().step:.4g} s: other units or another job?",
            field=measures, value=value, where=name, valid=f"{1 / SLOWEST:.2f} to {SLOWEST:.1f} times",
        )  # fmt: skip
    return found


def is_table(path: str) -> bool:
    """Whether a file is a table of runs by its name, and no log."""
    return path.lower().endswith((".csv", ".json"))


def read(path: str | Path, model: str | None = None, at: str | None = None) -> tuple[Run, ...]:
    """The runs of a table; rows that name no model or device are of the given ones.

    Raises PlanError with the row for a column that is no option, a value that does not fit, a measure that is missing.
    """
    place = Path(path)
    rows = [row for row in _rows(place) if any(value not in (None, "") for value in row.values())]
    if not rows:
        raise PlanError(f"{place.name} holds no runs", field="file", value=str(place), valid="rows of runs")
    models: dict[str, Model] = {}
    found = []
    for number, row in enumerate(rows, 1):
        where = f"{place.name}, run {number}"
        try:
            found.append(_run(row, where, models, model, at))
        except BursarError as error:
            raise PlanError(
                str(error.problem), field=error.field, value=error.value, valid=error.valid, where=error.where or where
            ) from None
    return tuple(found)


def _rows(place: Path) -> list[dict[str, Any]]:
    """The rows of a file as they are written."""
    try:
        check(place, LARGEST, "runs as .csv or .json, or a log")
        text = place.read_text(encoding="utf-8-sig")
        found = _of_json(text) if place.suffix.lower() == ".json" else list(csv.DictReader(text.splitlines(), strict=True))
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        text = " ".join(str(error).split())[:200]
        raise PlanError(
            f"cannot read {shown(str(place))}: {text}", field="file", value=str(place), valid="CSV or JSON in UTF-8"
        ) from None
    if len(found) > MOST_ROWS:
        raise PlanError(f"{place.name} has {len(found)} rows", field="file", value=len(found), valid=f"at most {MOST_ROWS}")
    return [{str(key).strip().replace("-", "_"): value for key, value in row.items()} for row in found]


def _of_json(text: str) -> list[dict[str, Any]]:
    found = json.loads(text)
    rows = found.get("runs") if isinstance(found, dict) else found
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("no list of runs")
    return rows


def _run(row: Mapping[str, Any], where: str, models: dict[str, Model], model: str | None, at: str | None) -> Run:
    given = {key: value for key, value in row.items() if value is not None and value != ""}
    known = (*OF_ROW, *OF_JOB, *MEASURES)
    if unknown := [key for key in given if key not in known]:
        raise UnknownNameError("column", unknown[0], known)
    measures = [key for key in MEASURES if key in given]
    if len(measures) != 1:
        raise PlanError(
            f"a run has {' and '.join(measures) or 'no measure'}",
            field="columns",
            value=measures,
            valid=f"one of {', '.join(MEASURES)}",
        )
    options = asked(given)
    says(options)
    named = str(given.get("model") or model or "")
    if "model" in given and named not in catalogued():
        raise UnknownNameError("model", named, catalogued())
    if not named:
        raise PlanError("a run names no model", field="model", valid="a column model, or a MODEL beside the file")
    if named not in models:
        models[named] = load(named)
    return run(
        str(given.get("name", where)),
        models[named],
        options,
        _device(given, options, at),
        measures[0],
        _positive(given[measures[0]], measures[0]),
    )


def asked(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a job from texts by name; what is not given has its default."""
    found = {name: OPTIONS[name].value(_switched(name, given.get(name))) for name in OF_JOB}
    if (name := given.get("convention")) is not None:
        found["convention"] = conventions.convention(str(name)).name
    return found


def says(options: Mapping[str, Any]) -> None:
    """Refuses a job that leaves open what no default stands for."""
    if options["seq"] is None:
        raise PlanError("a run says its length", field="seq", valid="seq")
    if options["global_batch"] is None and options["global_batch_tokens"] is None:
        raise PlanError("a run says its batch", field="global_batch", valid="global_batch, or global_batch_tokens")
    if all(options[name] is None for name in ("devices", "nodes", "dp")):
        raise PlanError("a run says its devices", field="devices", valid="devices, nodes, or dp")


def _switched(name: str, value: Any) -> Any:
    """A switch as a table writes it: true or false; anything else as text, a list with commas."""
    if value is None:
        return None
    if not switch(OPTIONS[name]):
        return ",".join(map(str, value)) if isinstance(value, list) else str(value)
    word = str(value).strip().lower()
    if word not in (*TRUE, *FALSE):
        raise PlanError(f"{name}={shown(value)}", field=name, value=value, valid="true or false")
    return word in TRUE


def _device(given: Mapping[str, Any], options: Mapping[str, Any], at: str | None) -> Device:
    for name in ("device", "cluster"):
        if name in given and is_file(str(given[name])):
            raise PlanError(
                f"{name}={shown(given[name])}",
                field=name,
                value=given[name],
                valid=f"a {name} of the catalog; or leave it out, and give --device",
            )
    named = options["device"] or at
    if options["cluster"]:
        return cluster(options["cluster"]).placed(named)
    if named is None:
        raise PlanError("a run names no device", field="device", valid="a column device, or --device NAME")
    return device(named)


def _positive(given: Any, name: str) -> float:
    try:
        value = float(str(given))
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise PlanError(f"{name}={shown(given)}", field=name, value=given, valid="a number above zero")
    return value


def ranges(found: Sequence[Run]) -> Iterator[tuple[str, int, int]]:
    """The least and the most of what runs differ in."""
    for name, of in DIFFER.items():
        values = [int(of(one.job)) for one in found]
        yield name, min(values), max(values)
