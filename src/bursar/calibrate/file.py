"""A calibration as a TOML file, and a device at its rates.

The multipliers are over the achieved rates that they were fitted beside; beside others the file is refused, since what was learned
would count twice.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, replace
from itertools import product
from typing import NamedTuple

from bursar import own
from bursar.calibrate.fit import doubt
from bursar.errors import PlanError, shown
from bursar.facts import Fact
from bursar.machines.devices import Device, Rates, rates_of
from bursar.machines.multipliers import Multipliers, scaled
from bursar.own import Key

PAIRS = tuple([f"{one}_{other}" for one, other in product(Multipliers._fields, repeat=2)])
KEYS = {
    "device": Key(), "beside": Key(), "runs": Key(("1",)), "scope": Key(),
    **{f"multipliers.{name}": Key(("1",)) for name in Multipliers._fields},
    "band.fastest": Key(("1",)), "band.slowest": Key(("1",)),
    "governed.jobs": Key(("1",)), **{f"governed.{name}": Key(("1",), zero=True) for name in PAIRS},
}  # fmt: skip


class Calibration(NamedTuple):
    """Multipliers of a device's achieved rates (named by a digest of them), measured over predicted time of further runs, the runs
    that they are from, their jobs, and what the multipliers govern of these (`fit.Fit`)."""

    device: str
    beside: str
    multipliers: Multipliers
    fastest: float
    slowest: float
    runs: int
    scope: str
    jobs: int
    governed: tuple[float, ...]


def digest(achieved: Rates) -> str:
    """A name for the numbers of some rates."""
    facts = [(field.name, value.si) for field in fields(achieved) if isinstance(value := getattr(achieved, field.name), Fact)]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def text(found: Calibration, date: str) -> str:
    """The file of a calibration."""
    numbers = "\n".join([f"{name} = {value:.6g}" for name, value in found.multipliers._asdict().items()])
    runs = f"{found.runs} run{'s' if found.runs > 1 else ''}"
    governed = "\n".join([f"{name} = {value:.6g}" for name, value in zip(PAIRS, found.governed, strict=True)])
    return (
        f"# seconds over those at the achieved rates of {found.device}; bursar time --calibration FILE\n"
        f"source = {_quoted(f'{runs}: {found.scope}')}\nas_of = {_quoted(date)}\n"
        f"device = {_quoted(found.device)}\nbeside = {_quoted(found.beside)}\n"
        f"runs = {found.runs}\nscope = {_quoted(found.scope)}\n\n"
        f"[multipliers]\n{numbers}\n\n"
        f"[band]\n# measured over predicted step time, nine of ten between\n"
        f"fastest = {found.fastest:.4f}\nslowest = {found.slowest:.4f}\n\n"
        f"[governed]\n# of a step, by two multipliers, one times the other; over all jobs: others are less sure\n"
        f"jobs = {found.jobs}\n{governed}\n"
    )


def _quoted(value: str) -> str:
    """A basic string of TOML, of at most as many characters as are read back."""
    return json.dumps("".join([letter for letter in value if letter.isprintable()])[: own.LONGEST], ensure_ascii=False)


def applied(device: Device, path: str) -> Device:
    """The device at the rates that a file's runs ask for. Raises FactError for a file that breaks its format, PlanError for one of
    another device or beside other rates."""
    found = own.read(path, KEYS)
    if missing := [key for key in KEYS if key not in found]:
        raise PlanError(
            f"{shown(path)} has no {', '.join(missing)}", field=missing[0], valid="a file of bursar calibrate --out FILE"
        )
    if found["device"] not in (device.id, device.kin):
        raise PlanError(
            f"{shown(path)} is of {found['device']}", field="calibration", value=device.id, valid=f"--device {found['device']}"
        )
    achieved = rates_of(device)
    if found["beside"] != digest(achieved):
        raise PlanError(
            f"{shown(path)} was fitted beside other achieved rates of {device.id}", field="calibration", value=path,
            valid="bursar calibrate, once more",
        )  # fmt: skip
    by = Multipliers(*[found[f"multipliers.{name}"].si for name in Multipliers._fields])
    left = doubt([found[f"governed.{name}"].si for name in PAIRS], found["governed.jobs"].si)
    rates = replace(scaled(achieved, by), origin="run", band=(found["band.fastest"], found["band.slowest"]), doubt=left)
    return replace(device, rates=rates)
