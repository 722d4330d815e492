"""Descent along the gradient or its moving average: SGD, momentum, Nesterov's momentum, LARS, Lion.

`weight_decay` of SGD and of the momentum rules is the L2 penalty's λθ, added to the gradient as in torch.optim.
"""

from __future__ import annotations

import numpy as np

from bursar.errors import PlanError
from bursar.theory.updates.rule import Array, State, Stepped, norm

FORMS = ("classical", "average")


def sgd(theta: Array, gradient: Array, state: State, t: int, *, lr: float = 0.001, weight_decay: float = 0.0) -> Stepped:
    """θ ← θ − ηg."""
    update = gradient + weight_decay * theta
    return Stepped(theta - lr * update, state, {"update": update})


def momentum(
    theta: Array, gradient: Array, state: State, t: int, *, lr: float = 0.001, momentum: float = 0.9, weight_decay: float = 0.0,
    momentum_form: str = "classical",
) -> Stepped:  # fmt: skip
    """v ← γv + g (Polyak, PyTorch), or as a moving average v ← γv + (1−γ)g, whose steps are 1 − γ as long; θ ← θ − ηv."""
    v = _velocity(theta, gradient, state, momentum, weight_decay, momentum_form)
    return Stepped(theta - lr * v, {"momentum": v}, {"update": v})


def nesterov(
    theta: Array, gradient: Array, state: State, t: int, *, lr: float = 0.001, momentum: float = 0.9, weight_decay: float = 0.0
) -> Stepped:
    """v ← γv + g; θ ← θ − η(g + γv), the form whose gradients are taken where the weight is (Sutskever et al., PyTorch)."""
    v = _velocity(theta, gradient, state, momentum, weight_decay, "classical")
    update = gradient + weight_decay * theta + momentum * v
    return Stepped(theta - lr * update, {"momentum": v}, {"update": update})


def _velocity(theta: Array, gradient: Array, state: State, decay: float, weight_decay: float, form: str) -> Array:
    if form not in FORMS:
        raise PlanError(f"momentum_form={form}", field="momentum_form", value=form, valid=FORMS)
    share = 1.0 if form == "classical" else 1 - decay
    v: Array = decay * state["momentum"] + share * (gradient + weight_decay * theta)
    return v


def lars(
    theta: Array, gradient: Array, state: State, t: int, *, lr: float = 1.0, momentum: float = 0.9, weight_decay: float = 0.0005,
    trust: float = 0.001,
) -> Stepped:  # fmt: skip
    """v ← γv + η·κ‖θ‖/(‖g‖ + λ‖θ‖)·(g + λθ); θ ← θ − v, with trust coefficient κ (arXiv:1708.03888, algorithm 1)."""
    size, slope = norm(theta), norm(gradient)
    ratio = trust * size / (slope + weight_decay * size) if size > 0 and slope > 0 else 1.0
    v = momentum * state["momentum"] + lr * ratio * (gradient + weight_decay * theta)
    return Stepped(theta - v, {"momentum": v}, {"trust_ratio": ratio, "update": v})


def lion(
    theta: Array, gradient: Array, state: State, t: int, *, lr: float = 1e-4, beta1: float = 0.9, beta2: float = 0.99,
    weight_decay: float = 0.0,
) -> Stepped:  # fmt: skip
    """θ ← θ − η(sign(β₁m + (1−β₁)g) + λθ); m ← β₂m + (1−β₂)g (arXiv:2302.06675, program 1)."""
    m = state["exp_avg"]
    update = np.sign(beta1 * m + (1 - beta1) * gradient) + weight_decay * theta
    return Stepped(theta - lr * update, {"exp_avg": beta2 * m + (1 - beta2) * gradient}, {"update": update})
