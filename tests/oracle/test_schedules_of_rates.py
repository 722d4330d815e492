"""Proves that learning-rate schedules are those of transformers and torch.optim, at every update of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bursar.theory.schedules import Length, schedule

torch = pytest.importorskip("torch", reason="the oracle is PyTorch: pip install torch")
transformers = pytest.importorskip("transformers", reason="the oracle is transformers: pip install transformers")

T, W, D = 200, 30, 50
CASES: dict[str, tuple[str, Length, float, Callable[[Any], Any]]] = {
    "constant": ("constant", Length(T, W), 0.0, lambda o: transformers.get_constant_schedule_with_warmup(o, W)),
    "linear": ("linear", Length(T, W), 0.0, lambda o: transformers.get_linear_schedule_with_warmup(o, W, T)),
    "cosine": ("cosine", Length(T, W), 0.0, lambda o: transformers.get_cosine_schedule_with_warmup(o, W, T)),
    "cosine to a tenth": (
        "cosine", Length(T, W), 0.1,
        lambda o: transformers.optimization.get_cosine_with_min_lr_schedule_with_warmup(o, W, T, min_lr_rate=0.1),
    ),
    "cosine of torch": ("cosine", Length(T), 0.1, lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T, eta_min=0.1)),
    "linear of torch": (
        "linear", Length(T), 0.1, lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.1, total_iters=T)
    ),
    "inverse-sqrt": ("inverse-sqrt", Length(T, W), 0.0, lambda o: transformers.get_inverse_sqrt_schedule(o, W)),
    "wsd": (
        "wsd", Length(T, W, D), 0.0,
        lambda o: transformers.get_wsd_schedule(o, W, D, num_stable_steps=T - W - D, decay_type="linear"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_rate(case: str) -> None:
    name, length, floor, make = CASES[case]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs, rates = make(optimizer), []
    for _ in range(T + 1):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    assert [schedule(name).at(t, length, floor) for t in range(T + 1)] == pytest.approx(rates, rel=1e-9, abs=1e-12)
