"""Energy of a run and what its grid emits: devices, the node around them, the data centre around that."""

from __future__ import annotations

from typing import Any, NamedTuple

from bursar.dims import Dim
from bursar.errors import PlanError, UnknownNameError
from bursar.facts import Fact, Source, table
from bursar.formula import formula
from bursar.machines.devices import Device

GIVEN = "as given"


@formula("energy of a run", "kWh", "llama")
def energy_kwh(device_hours: Dim, watts: Dim, pue: Dim) -> Dim:
    """Device-hours × power × PUE (arXiv:2302.13971, section 6)."""
    return device_hours * watts * pue / 1000


@formula("carbon dioxide of a run", "kg", "llama")
def co2_kg(kwh: Dim, kg_per_kwh: Dim) -> Dim:
    """What a grid emits for that energy."""
    return kwh * kg_per_kwh


class Energy(NamedTuple):
    """What a run draws. `watts` are those of a device with its share of the node."""

    energy_kwh: float
    co2_kg: float
    watts: float
    pue: float
    kg_per_kwh: float
    sources: tuple[str, ...]


def facts() -> dict[str, Any]:
    """Nodes, data centres and grids."""
    return table("energy.toml")


def named(kind: str, text: str) -> Fact:
    """A PUE ("pue") or a grid ("grid") by its name, or by its number, in kg per kWh."""
    table: dict[str, Fact] = facts()[kind]
    if text in table:
        return table[text]
    try:
        value = float(text)
    except ValueError:
        raise UnknownNameError(kind, text, table) from None
    lowest, unit = (1.0, "1") if kind == "pue" else (0.0, "kg/kWh")
    if not lowest <= value <= 10:
        raise PlanError(f"{kind}={text}", field=kind, value=value, valid=f"{lowest:g} to 10, or one of {', '.join(sorted(table))}")
    return Fact(value, unit, Source(GIVEN, "2026"))


def watts(device: Device) -> tuple[float, tuple[str, ...]] | None:
    """What a device draws while it trains, with its share of its node, and the sources; None where its power is not known."""
    load: Fact = facts()["node"]["load"]
    if device.node_power is not None:
        return device.node_power.si / device.node.si * load.si, (device.node_power.source.title, load.source.title)
    if device.power is None:
        return None
    rated: Fact = facts()["node"]["rated"]
    return device.power.si * rated.si * load.si, (device.power.source.title, rated.source.title, load.source.title)


def of_run(device: Device, device_hours: float, pue: str, grid: str) -> Energy | None:
    """The energy of so many device-hours; None where the power of the device is not known."""
    drawn = watts(device)
    if drawn is None:
        return None
    power, sources = drawn
    building, emits = named("pue", pue), named("grid", grid)
    energy = energy_kwh(device_hours, power, building.si)
    titles = tuple(dict.fromkeys([*sources, *[fact.source.title for fact in (building, emits) if fact.source.title != GIVEN]]))
    return Energy(energy, co2_kg(energy, emits.si), power, building.si, emits.si, titles)
