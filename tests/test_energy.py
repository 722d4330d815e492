"""Proves the energy and carbon of a run against published ones, and that every power, PUE and grid has its source."""

from __future__ import annotations

import pytest

from bursar.cli import main
from bursar.errors import BursarError
from bursar.facts import Fact
from bursar.machines import devices
from bursar.machines.clusters import cluster
from bursar.questions import energy
from tests.command import answer


@pytest.mark.parametrize(("hours", "mwh", "tonnes"), [
    (82_432, 36, 14), (135_168, 59, 23), (530_432, 233, 90), (1_022_362, 449, 173),
])  # fmt: skip
def test_llama_s_own_table(hours: int, mwh: int, tonnes: int) -> None:
    """arXiv:2302.13971, table 15: 7B, 13B, 33B and 65B at 400 W, a PUE of 1.1, 0.385 kg per kWh, in whole numbers."""
    pue, grid = energy.named("pue", "llama").si, energy.named("grid", "llama").si
    found = energy.energy_kwh(hours, 400, pue)
    assert found / 1000 == pytest.approx(mwh, abs=1) and energy.co2_kg(found, grid) / 1000 == pytest.approx(tonnes, abs=1)


def test_every_number_has_a_source() -> None:
    facts = energy.facts()
    for table in ("node", "pue", "grid"):
        assert facts[table] and all(isinstance(fact, Fact) and fact.source.title for fact in facts[table].values())
    assert all(1 <= fact.si <= 2 for fact in facts["pue"].values()) and all(0 < fact.si < 1 for fact in facts["grid"].values())


def test_a_node_that_is_measured() -> None:
    """8 H100 of 700 W in a node rated 10.2 kW, 76 % of which it draws: 969 W for each; without a node's power, TDP times 1.82."""
    alone, sources = energy.watts(devices.device("h100-sxm")) or (0.0, ())
    there, _ = energy.watts(cluster("dgx-h100").placed()) or (0.0, ())
    assert there == pytest.approx(10_200 / 8 * 0.76) and alone == pytest.approx(there, rel=0.002)
    assert 700 < there < 8_480 / 8  # arXiv:2412.08602: at most 8.4 kW
    assert len(sources) == 3


def test_a_run_draws_what_its_hours_do(capsys: pytest.CaptureFixture[str]) -> None:
    line = "time llama-3-8b --cluster dgx-h100 --nodes 1 --zero 3 --tokens 1T"
    found = answer(capsys, line)
    assert found["energy_kwh"] == pytest.approx(found["wall_device_hours"] * 969 * 1.56 / 1000)
    assert found["co2_kg"] == pytest.approx(found["energy_kwh"] * 0.481) and found["energy"]["sources"]
    clean = answer(capsys, line + " --pue 1.1 --grid france")
    assert clean["energy_kwh"] / found["energy_kwh"] == pytest.approx(1.1 / 1.56)
    assert clean["co2_kg"] == pytest.approx(clean["energy_kwh"] * 0.056)
    assert answer(capsys, line + " --grid 0.2")["energy"]["kg_per_kwh"] == 0.2


def test_a_power_that_is_not_known_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    unknown = next(name for name in devices.names() if devices.device(name).power is None)
    found = answer(capsys, f"time llama-3.2-1b --device {unknown} --devices 4 --zero 3 --tokens 1B")
    assert found["energy_kwh"] is None and found["co2_kg"] is None and found["goodput"] > 0.9
    assert main(["time", "llama-3.2-1b", "--device", unknown, "--devices", "4", "--zero", "3", "--tokens", "1B"]) == 0
    assert "is not known" in capsys.readouterr().out


@pytest.mark.parametrize(("kind", "text", "said"), [
    ("pue", "0.5", "1 to 10"), ("pue", "cheap", "unknown pue"), ("grid", "atlantis", "unknown grid"), ("grid", "-1", "0 to 10"),
    ("pue", "nan", "1 to 10"), ("grid", "inf", "0 to 10"),
])  # fmt: skip
def test_what_no_building_or_grid_has_is_refused(kind: str, text: str, said: str) -> None:
    with pytest.raises(BursarError, match=said):
        energy.named(kind, text)
