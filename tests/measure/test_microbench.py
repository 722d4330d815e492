"""The micro-benchmark measures this machine's CPU in seconds, its fits find constants that seconds were made with, and its file is
a device that a time can be predicted on.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import bursar
from bursar import Plan, Training
from bursar.calibrate import device_file
from bursar.calibrate.device_file import Measured, Number
from bursar.errors import BursarError
from bursar.machines.devices import OWN, Rates, rates_of
from bursar.measure import fits, microbench, timing

NEEDED = {
    "peak.fp32", "peak.bf16", "memory.capacity", "memory.bandwidth", "link.bandwidth", "link.domain", "node.devices",
    "rates.matmul", "rates.memory", "rates.attention", "rates.attention_length", "rates.attention_backward", "rates.loss",
    "rates.permute", "rates.overhead",
}  # fmt: skip


@pytest.fixture(scope="module")
def found() -> Measured:
    small = microbench.QUICK._replace(
        tokens=64, hidden=128, inner=192, elements=2**16, lengths=(32, 64, 128), vocab=256, least=0.002
    )
    before, microbench.QUICK = microbench.QUICK, small
    try:
        made = microbench.measured("cpu", quick=True)
    finally:
        microbench.QUICK = before
    assert made is not None
    return made


def test_a_cpu_is_measured_and_is_a_device(found: Measured, tmp_path: Path) -> None:
    assert NEEDED <= found.numbers.keys() <= OWN.keys()
    assert all(
        number.value > 0 for key, number in found.numbers.items() if key not in ("rates.attention_length", "rates.attention_head")
    )
    assert 0 < found.numbers["rates.matmul"].value <= 1  # over the best product of them
    (tmp_path / "mine.toml").write_text(device_file.text(found), encoding="utf-8")
    made = bursar.device(str(tmp_path / "mine.toml"))
    achieved = rates_of(made)
    assert made.name == found.texts["name"] and achieved.origin == "operators"
    assert made.peak("bf16").si == pytest.approx(found.numbers["peak.bf16"].value * 1e12, rel=1e-5)
    for key, number in found.numbers.items():
        if key.startswith("rates."):
            assert getattr(achieved, key.removeprefix("rates.")).value == pytest.approx(number.value, rel=1e-5)
    assert achieved.matmul.source.as_of == found.date and "torch" in achieved.matmul.source.title
    step = Training(bursar.load("llama-3-8b"), Plan(), made, length=128).time().step
    assert step > 0


def test_a_device_of_the_catalog_keeps_what_was_not_measured(tmp_path: Path) -> None:
    numbers = {"rates.matmul": Number(0.7, "1", "made up for a test"), "rates.overhead": Number(3, "us", "")}
    made = Measured(
        {"name": 'H200 "of a test"', "like": "h200"}, {k: v for k, v in numbers.items() if v.note}, "2026-11-21", "torch 2"
    )
    (tmp_path / "mine.toml").write_text(device_file.text(made), encoding="utf-8")
    device, kin = bursar.device(str(tmp_path / "mine.toml")), bursar.device("h200")
    achieved, before = rates_of(device), rates_of(kin)
    assert isinstance(achieved, Rates)
    assert (achieved.matmul.value, achieved.link) == (0.7, before.link)
    assert device.name == 'H200 "of a test"' and device.memory == kin.memory


def test_attention_saturates_as_it_was_made_to() -> None:
    lengths = (1024, 2048, 4096, 8192)
    rates = [555e12 * s / (s + 1205) for s in lengths]  # H100's fit of aiconfigurator's table
    assert fits.saturation(lengths, rates) == pytest.approx((555e12, 1205))
    assert fits.saturation((1, 2), (5.0, 4.0)) == (4.5, 0.0)  # nothing rises: the mean


def test_collectives_are_what_they_were_made_of() -> None:
    """An all-gather of eight H100: α 12.8 µs, 7/8 of the size at 341 GB/s, S₀ 1.1 MiB."""
    sizes = [2**power for power in (20, 22, 24, 26, 28)]
    each = 7 / 8 / 341e9
    taken = [12.8e-6 + each * (size + (1.1 * 2**20 * size) ** 0.5) for size in sizes]
    latency, slope, root = fits.collective(sizes, taken)
    assert (latency, slope, (root / slope) ** 2) == pytest.approx((12.8e-6, each, 1.1 * 2**20), rel=1e-6)
    straight = fits.collective(sizes, [each * size for size in sizes])
    assert straight == pytest.approx((0, each, 0), rel=1e-6, abs=1e-9)
    with pytest.raises(BursarError, match="no bandwidth"):
        fits.collective(sizes, [1.0] * 5)


def test_work_is_timed_as_often_as_it_takes() -> None:
    calls = []
    taken = timing.seconds(lambda: calls.append(1), torch.device("cpu"), 0.005)
    assert taken * len(calls) >= 0.005 > taken


def test_work_on_a_gpu_is_timed_by_events_with_a_cold_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three runs to warm up; five to see how long one takes, 4 ms; then as many as 40 ms ask for, ten. Before each the cache is
    flushed, outside of its two events; nothing is read before all are done. One run that was disturbed does not count."""
    log: list[str] = []

    class Event:
        made = 0

        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing
            Event.made += 1
            self.pair = (Event.made - 1) // 2

        def record(self) -> None:
            log.append("event")

        def elapsed_time(self, ended: Event) -> float:
            assert log[-1] == "synchronize" and ended.pair == self.pair
            return 90.0 if self.pair == 7 else 4.0

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: log.append("synchronize"))
    taken = timing.on_gpu(lambda: log.append("work"), lambda: log.append("flush"), 0.04)
    assert taken == pytest.approx(0.004)
    run = ["flush", "event", "work", "event"]
    assert log == ["work"] * 3 + run * 5 + ["synchronize"] + run * 10 + ["synchronize"]


@pytest.mark.parametrize("on", ["meta", "tpu", *([] if torch.cuda.is_available() else ["cuda"])])
def test_what_is_not_there_is_not_measured(on: str) -> None:
    with pytest.raises(BursarError, match="nothing is measured"):
        microbench.measured(on)


def test_ranks_of_several_nodes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(BursarError, match="within a node"):
        microbench.measured("cpu", quick=True)
