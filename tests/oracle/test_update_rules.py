"""Proves that the update rules are those of torch.optim: ten steps with random gradients in float64 end at the same weights to
rounding, for vectors and matrices, with every hyper-parameter away from its default. Muon of torch.optim iterates in BF16, so it
is compared twice: exactly, with that cast taken out, and as it is, to the rounding of BF16.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bursar.theory.updates import RULES
from bursar.theory.updates.rule import Array

torch = pytest.importorskip("torch", reason="the oracle is PyTorch: pip install torch")

STEPS = 10
SHAPES = [(7,), (6, 5), (4, 9), (3, 4, 5)]
BETAS = {"beta1": 0.8, "beta2": 0.95}
Make = Callable[[list[Any]], Any]

CASES: dict[str, tuple[str, dict[str, Any], Make]] = {
    "sgd": ("sgd", {"lr": 0.1}, lambda w: torch.optim.SGD(w, lr=0.1)),
    "sgd, decay": ("sgd", {"lr": 0.1, "weight_decay": 0.2}, lambda w: torch.optim.SGD(w, lr=0.1, weight_decay=0.2)),
    "momentum": ("momentum", {"lr": 0.1, "momentum": 0.8}, lambda w: torch.optim.SGD(w, lr=0.1, momentum=0.8)),
    "nesterov": (
        "nesterov", {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.2},
        lambda w: torch.optim.SGD(w, lr=0.1, momentum=0.8, nesterov=True, weight_decay=0.2),
    ),
    "rmsprop": (
        "rmsprop", {"lr": 0.1, "decay": 0.9, "eps": 1e-3, "weight_decay": 0.2},
        lambda w: torch.optim.RMSprop(w, lr=0.1, alpha=0.9, eps=1e-3, weight_decay=0.2),
    ),
    "adagrad": (
        "adagrad", {"lr": 0.1, "eps": 1e-3, "weight_decay": 0.2},
        lambda w: torch.optim.Adagrad(w, lr=0.1, eps=1e-3, weight_decay=0.2),
    ),
    "adam": (
        "adam", {"lr": 0.1, "eps": 1e-3, "weight_decay": 0.2, **BETAS},
        lambda w: torch.optim.Adam(w, lr=0.1, eps=1e-3, weight_decay=0.2, betas=(0.8, 0.95)),
    ),
    "adamw": (
        "adamw", {"lr": 0.1, "eps": 1e-3, "weight_decay": 0.2, **BETAS},
        lambda w: torch.optim.AdamW(w, lr=0.1, eps=1e-3, weight_decay=0.2, betas=(0.8, 0.95)),
    ),
    "amsgrad": (
        "amsgrad", {"lr": 0.1, "eps": 1e-3, "weight_decay": 0.2, **BETAS},
        lambda w: torch.optim.Adam(w, lr=0.1, eps=1e-3, weight_decay=0.2, betas=(0.8, 0.95), amsgrad=True),
    ),
    "adafactor": (
        "adafactor", {"lr": 0.1, "decay": -0.7, "eps_rms": 0.01, "clip": 1.1, "weight_decay": 0.2},
        lambda w: torch.optim.Adafactor(w, lr=0.1, beta2_decay=-0.7, eps=(None, 0.01), d=1.1, weight_decay=0.2),
    ),
}  # fmt: skip
DEFAULTS: dict[str, Make] = {
    "sgd": lambda w: torch.optim.SGD(w),
    "momentum": lambda w: torch.optim.SGD(w, momentum=0.9),
    "nesterov": lambda w: torch.optim.SGD(w, momentum=0.9, nesterov=True),
    "rmsprop": lambda w: torch.optim.RMSprop(w),
    "adagrad": lambda w: torch.optim.Adagrad(w),
    "adam": lambda w: torch.optim.Adam(w),
    "adamw": lambda w: torch.optim.AdamW(w),
    "amsgrad": lambda w: torch.optim.Adam(w, amsgrad=True),
    "adafactor": lambda w: torch.optim.Adafactor(w),
}


def drawn(shape: tuple[int, ...]) -> tuple[Array, list[Array]]:
    draw = np.random.default_rng(len(shape) * 100 + shape[0])
    return draw.standard_normal(shape), [draw.standard_normal(shape) * 10.0 ** draw.integers(-4, 2) for _ in range(STEPS)]


def ours(name: str, settings: dict[str, Any], shape: tuple[int, ...]) -> Array:
    theta, gradients = drawn(shape)
    state = RULES[name].start(theta)
    for t, gradient in enumerate(gradients, 1):
        theta, state, _ = RULES[name].step(theta, gradient, state, t, **settings)
    return theta


def theirs(make: Make, shape: tuple[int, ...]) -> Array:
    theta, gradients = drawn(shape)
    weight = torch.nn.Parameter(torch.tensor(theta))
    optimizer = make([weight])
    for gradient in gradients:
        weight.grad = torch.tensor(gradient)
        optimizer.step()
    found: Array = weight.detach().numpy()
    return found


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("case", CASES)
def test_ten_steps_of_torch_optim(case: str, shape: tuple[int, ...]) -> None:
    name, settings, make = CASES[case]
    np.testing.assert_allclose(ours(name, settings, shape), theirs(make, shape), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_defaults_are_those_of_torch_optim(name: str) -> None:
    np.testing.assert_allclose(ours(name, {}, (6, 5)), theirs(DEFAULTS[name], (6, 5)), rtol=1e-12, atol=1e-13)


def one(name: str, settings: dict[str, Any]) -> float:
    """θ = 1 after a step with g = 0.5 and η = 0.1."""
    theta = np.array([1.0])
    return float(RULES[name].step(theta, np.array([0.5]), RULES[name].start(theta), 1, lr=0.1, **settings).theta[0])


def torch_one(make: Make) -> float:
    weight = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    weight.grad = torch.full((1,), 0.5, dtype=torch.float64)
    make([weight]).step()
    return float(weight.item())


@pytest.mark.parametrize(
    ("name", "settings", "make"),
    [
        ("momentum", {}, lambda w: torch.optim.SGD(w, lr=0.1, momentum=0.9)),  # N9.03
        ("adagrad", {"eps": 1e-10}, lambda w: torch.optim.Adagrad(w, lr=0.1)),  # N9.05
        ("adamw", {"weight_decay": 0.01}, lambda w: torch.optim.AdamW(w, lr=0.1, weight_decay=0.01)),  # N9.15
    ],
)
def test_the_steps_of_the_register(name: str, settings: dict[str, Any], make: Make) -> None:
    assert one(name, settings) == pytest.approx(torch_one(make), abs=1e-12)


MUON = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.2}


@pytest.mark.parametrize("shape", [(6, 5), (4, 9), (8, 8)], ids=str)
def test_muon_but_for_its_cast(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    make = lambda w: torch.optim.Muon(w, **MUON)  # noqa: E731
    as_it_is = theirs(make, shape)
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    np.testing.assert_allclose(ours("muon", MUON, shape), theirs(make, shape), rtol=1e-11, atol=1e-12)
    moved = np.linalg.norm(as_it_is - 0.98**STEPS * drawn(shape)[0])
    assert np.linalg.norm(ours("muon", MUON, shape) - as_it_is) < 2**-5 * moved  # 15 products in BF16, 2⁻⁹ each, and some more
