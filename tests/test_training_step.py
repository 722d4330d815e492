"""Proves what a training step needs beside an update rule: learning-rate schedules at their joints, and weights kept in narrow
formats, where updates are lost without a master copy and gradients vanish without a loss scale.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from bursar.errors import PlanError
from bursar.facts import sources
from bursar.theory import mixed_precision as mixed
from bursar.theory.mixed_precision import WAYS
from bursar.theory.schedules import SCHEDULES, Length, schedule


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_warms_up_to_its_peak_and_falls_to_its_floor(name: str) -> None:
    length = Length(1000, 100, 200 if name == "wsd" else 0)
    rates = [schedule(name).at(t, length, 0.1) for t in range(1001)]
    assert rates[:101] == pytest.approx([t / 100 for t in range(101)])
    assert all(later <= rate for rate, later in pairwise(rates[100:]))
    expected = {"constant": 1.0, "inverse-sqrt": 0.1 + 0.9 * math.sqrt(0.1)}  # √(100/1000)
    assert rates[-1] == pytest.approx(expected.get(name, 0.1))
    assert SCHEDULES[name].source in sources()


def test_half_way() -> None:
    """A cosine and a line are at half their height in the middle, WSD in the middle of its decay, the root after four warm-ups."""
    plain = Length(1000, 0)
    assert schedule("cosine").at(500, plain) == pytest.approx(0.5) and schedule("linear").at(500, plain) == 0.5
    assert schedule("wsd").at(900, Length(1000, 0, 200)) == 0.5
    assert schedule("inverse-sqrt").at(400, Length(1000, 100)) == 0.5
    assert schedule("cosine").at(250, plain) == pytest.approx((1 + math.cos(math.pi / 4)) / 2)


def test_a_warm_up_must_fit() -> None:
    with pytest.raises(PlanError, match="a warm-up of 900 and a decay of 200 in 1000 updates"):
        schedule("wsd").at(0, Length(1000, 900, 200))


RUNS = {name: mixed.train(way, mixed.regression(), 200, 0.01) for name, way in WAYS.items()}


def test_a_master_copy_saves_the_updates() -> None:
    """The start differs from the solution by a tenth, an update is a hundredth of that and less: below half of BF16's spacing near
    1, 2⁻⁸, all are lost. With a master copy, stochastic rounding or compensation the loss follows FP32's."""
    fp32, bf16 = RUNS["fp32"], RUNS["bf16"]
    assert bf16.lost > 0.99 and bf16.final > 0.9
    for name in ("bf16-master", "bf16-stochastic", "bf16-kahan"):
        assert RUNS[name].final < 4 * fp32.final
    assert RUNS["bf16-master"].lost < 0.01


def test_a_loss_scale_saves_the_gradients() -> None:
    """Gradients of some 0.1 times 2⁻²⁴ are below half of FP16's least number, 2⁻²⁵; times 2¹⁶ they are not."""
    assert RUNS["fp16-tiny"].losses[0] == RUNS["fp16-tiny"].final and RUNS["fp16-tiny"].lost == 1
    assert RUNS["fp16-tiny-scaled"].final == pytest.approx(RUNS["fp32"].final, rel=0.1)


def test_without_rounding_it_is_gradient_descent() -> None:
    problem, w = mixed.regression(3), mixed.regression(3).start
    for _ in range(20):
        w = w - 0.01 * problem.gradient(w)
    run = mixed.train(mixed.Way("exact", "fp64"), problem, 20, 0.01)
    assert run.final == pytest.approx(problem.loss(w) / problem.loss(problem.start), rel=1e-12)
    step = 1e-6 * np.eye(len(w))[0]
    slope = (problem.loss(w + step) - problem.loss(w - step)) / 2e-6
    assert problem.gradient(w)[0] == pytest.approx(slope, rel=1e-6)
