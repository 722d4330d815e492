"""A torus against "How to Scale Your Model", part 3: gathers over one axis and over all, an all-to-all on a ring."""

from __future__ import annotations

from fractions import Fraction

import pytest

from bursar import Plan, Training, load
from bursar.machines.devices import device
from bursar.machines.network import network
from bursar.machines.torus import hops, spanned

V5E = device("tpu-v5e")  # a pod is a torus of 16 × 16, whose chips have four links


@pytest.mark.parametrize(("ways", "axes"), [(1, 1), (16, 1), (17, 2), (256, 2)])
def test_a_group_has_the_links_of_the_axes_it_spans(ways: int, axes: int) -> None:
    wires = network(V5E, 256)
    assert wires.bandwidth(ways, 1) == pytest.approx(wires.link * axes / 2)


def test_a_cube_of_4_has_a_third_axis() -> None:
    assert [spanned(ways, 64, 3) for ways in (1, 4, 8, 16, 17, 64)] == [1, 1, 2, 2, 3, 3]


def test_an_all_to_all_over_a_ring_takes_a_quarter_of_a_gather() -> None:
    """Of the same array, 16 ranks' bytes, but for the rank's own share: both go to 1 in long rings."""
    wires = network(V5E, 256)
    gather, exchanged = wires.group(16, 1).ring * 16, wires.pairs(16, 1)
    assert exchanged == pytest.approx(gather / 4 * Fraction(16**2 - 1, 16**2) / Fraction(15, 16))


def test_a_byte_stays_where_there_is_one_rank() -> None:
    assert hops(1, 1) == 0


def test_a_plan_over_both_axes_gathers_twice_as_fast() -> None:
    """Weights over 256 chips have both axes; over 16 of them, beside tensor parallelism, one."""
    model = load("llama-3-8b")
    both, one = [
        Training(model, plan, V5E, length=2048, global_batch=256).machine.groups["data"]
        for plan in (Plan(data=256, zero=3), Plan(data=16, tensor=16, zero=3))
    ]
    assert one.ring / both.ring == pytest.approx(2 * Fraction(15, 16) / Fraction(255, 256))
