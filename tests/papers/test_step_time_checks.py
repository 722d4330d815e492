"""Proves that the terms of a step's time give numbers worked out by hand from their formulas: products, attention, collectives,
traffic, and what schedules wait for and hold.
"""

from __future__ import annotations

from fractions import Fraction

import pytest

from bursar.machines.network import Network
from bursar.machines.roofline import Roofline
from bursar.parallel.schedules import SCHEDULES, Passes, in_flight

OTHERS = ("narrow", "grouped", "attention_head", "attention_backward", "attention_older", "scan", "permute", "loss")
NOTHING = dict.fromkeys(OTHERS, 1.0)
MIB = 2**20


def roof(**rates: float) -> Roofline:
    usual = {"matmul": 1.0, "attention": 1.0, "attention_length": 0.0, "memory": 1.0, "overhead": 0.0}
    return Roofline(**{**NOTHING, **usual, **rates})


def test_a_product() -> None:
    """8192³ at 0.77 of 989 TFLOP/s, and a kernel's 4 µs."""
    seconds = roof(matmul=0.77 * 989e12, overhead=4e-6).compute(2 * 8192**3)
    assert seconds == pytest.approx(1.447819e-3, rel=1e-6)


def test_causal_attention() -> None:
    """32 heads of 128, 8,192 tokens, half of the square: 2·2·(8192²/2)·32·128 FLOP at 560 TFLOP/s · s / (s + 1200)."""
    rates = roof(attention=560e12, attention_length=1200.0)
    assert rates.attend(2 * 8192**2 * 32 * 128, 8192, 128) == pytest.approx(1.125512e-3, rel=1e-6)


def test_attention_of_smaller_heads_is_slower() -> None:
    """d / (d + 30) of its limit: 64 runs at (64/94) / (128/158) of 128."""
    rates = roof(attention=500e12, attention_head=30.0)
    assert rates.attend(10**12, 4096, 128) / rates.attend(10**12, 4096, 64) == pytest.approx(64 / 94 / (128 / 158))
    assert rates.attend(10**12, 4096, 128) == pytest.approx(1e12 / 500e12)  # the rate is stated at 128


@pytest.mark.parametrize(("kind", "seconds"), [("all_reduce", 3.218196e-4), ("all_gather", 2.073376e-4)])
def test_a_collective_of_64_mib_over_eight_ranks(kind: str, seconds: float) -> None:
    """All-reduce: 20.93 µs, 490.06 GB/s, S₀ 4.18 MiB; all-gather: 12.79 µs, 341.4 GB/s, 1.10 MiB."""
    wires = Network(
        link=341.4e9, link_latency=12.79e-6, link_small=1.10 * MIB, domain=8, port=50e9, port_latency=50e-6,
        switch=490.06e9, switch_latency=20.93e-6, switch_small=4.18 * MIB,
    )  # fmt: skip
    assert wires.group(8, 1).seconds(kind, 64 * MIB) == pytest.approx(seconds, rel=1e-6)


def test_the_switch_adds_within_a_domain_of_more_than_four() -> None:
    """Beyond it, or among few ranks, an all-reduce is a scatter and a gather; gathers never see the switch."""
    wires = Network(link=300e9, link_latency=0.0, domain=8, port=50e9, port_latency=0.0, switch=450e9)
    for ways, speed in ((8, 450e9), (4, 300e9), (16, 300e9)):
        assert wires.group(ways, 1).seconds("all_reduce", 10**9) == pytest.approx(2 * (ways - 1) / ways * 1e9 / speed)
        assert wires.group(ways, 1).seconds("all_gather", 10**9) == pytest.approx((ways - 1) / ways * 1e9 / 300e9)


def test_an_optimizer_step() -> None:
    """8.03e9 parameters, 34 bytes each, at 0.85 of 3.35 TB/s."""
    assert roof(memory=0.85 * 3.35e12).traffic(8.03e9, 34) == pytest.approx(9.588060e-2, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "p", "v", "m", "makespan"), [("1f1b", 8, 1, 32, 117), ("interleaved", 8, 3, 32, 103), ("interleaved", 4, 2, 8, 28.5)]
)
def test_a_makespan(name: str, p: int, v: int, m: int, makespan: float) -> None:
    """F = 1 and B = 2 of a rank, a v-th of each chunk: m (F + B) and what the schedule waits for."""
    kind = SCHEDULES[name]
    chunks = kind.chunks(v)
    passes = Passes(Fraction(1, chunks), Fraction(2, chunks), 0)
    assert 3 * m + kind.idle(passes, p, chunks, m) == makespan


@pytest.mark.parametrize(("name", "idle"), [("1f1b", 21), ("zb-h1", 7), ("zb-h2", 0)])
def test_what_eight_ranks_wait_for(name: str, idle: int) -> None:
    """F = B = W = 1."""
    kind = SCHEDULES[name]
    assert kind.idle(Passes(1, 1, 1), 8, kind.chunks(1), 32) == idle


@pytest.mark.parametrize(
    ("name", "p", "v", "first", "last"), [("1f1b", 8, 1, 8, 1), ("interleaved", 8, 3, 31, 17), ("interleaved", 4, 2, 11, 5)]
)
def test_passes_in_flight(name: str, p: int, v: int, first: int, last: int) -> None:
    """The most chunks' passes that the first and the last rank hold: 31/3 = 10.33 and 17/3 = 5.67 of a rank's, 5.5 and 2.5."""
    for rank, held in ((0, first), (p - 1, last)):
        moments = in_flight(name, rank, p, v, 32)
        assert max(sum(flight.whole for flight in moment) for moment in moments) == held
