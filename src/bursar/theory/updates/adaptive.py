"""Steps divided by the root of squared gradients, element by element: AdaGrad, RMSProp, Adam and its kin, LAMB.

`eps_inside` puts ε under the root: the denominator is then at least √ε and not ε. `weight_decay` of AdaGrad, RMSProp, Adam and
AMSGrad is the L2 penalty's λθ, added to the gradient; AdamW takes it off the weight.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bursar.theory.updates.rule import Array, State, Stepped, norm, root


def adagrad(
    theta: Array, gradient: Array, state: State, t: int, *, lr: float = 0.01, eps: float = 1e-10, eps_inside: bool = False,
    weight_decay: float = 0.0,
) -> Stepped:  # fmt: skip
    """c ← c + g²; θ ← θ − ηg/(√c + ε)."""
    g = gradient + weight_decay * theta
    total = state["sum"] + g * g
    denominator = root(total, eps, eps_inside)
    update = g / denominator
    return Stepped(theta - lr * update, {"sum": total}, {"denominator": denominator, "update": update})


def rmsprop(
    theta: Array, gradient: Array, state: State, t: int, *, lr: float = 0.01, decay: float = 0.99, eps: float = 1e-8,
    eps_inside: bool = False, weight_decay: float = 0.0,
) -> Stepped:  # fmt: skip
    """E ← ρE + (1−ρ)g²; θ ← θ − ηg/(√E + ε)."""
    g = gradient + weight_decay * theta
    average = decay * state["square_avg"] + (1 - decay) * g * g
    denominator = root(average, eps, eps_inside)
    update = g / denominator
    return Stepped(theta - lr * update, {"square_avg": average}, {"denominator": denominator, "update": update})


class Moments(NamedTuple):
    """The moving averages of the gradient and of its square, as kept and with their bias taken off."""

    first: Array
    second: Array
    corrected_first: Array
    corrected_second: Array
    bias1: float
    bias2: float

    @property
    def state(self) -> dict[str, Array]:
        return {"exp_avg": self.first, "exp_avg_sq": self.second}

    def update(self, eps: float, inside: bool = False) -> tuple[Array, dict[str, Array | float]]:
        """m̂/(√v̂ + ε), and the quantities on the way."""
        denominator = root(self.corrected_second, eps, inside)
        update = self.corrected_first / denominator
        biases: dict[str, Array | float] = {"bias1": self.bias1, "bias2": self.bias2}
        return update, {
            **biases, "m_hat": self.corrected_first, "v_hat": self.corrected_second, "denominator": denominator, "update": update
        }  # fmt: skip


def moments(gradient: Array, state: State, t: int, beta1: float, beta2: float, correct: bool = True) -> Moments:
    """m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g². Both start at zero: for gradients that do not change, m is 1 − β₁ᵗ of the gradient
    after t steps, by which it is divided."""
    m = beta1 * state["exp_avg"] + (1 - beta1) * gradient
    v = beta2 * state["exp_avg_sq"] + (1 - beta2) * gradient * gradient
    bias1, bias2 = 1 - beta1**t, 1 - beta2**t
    return Moments(m, v, m / bias1 if correct else m, v / bias2 if correct else v, bias1, bias2)


def adam(
    theta: Array, gradient: Array, state: State, t: int, *, lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999,
    eps: float = 1e-8, eps_inside: bool = False, bias_correction: bool = True, weight_decay: float = 0.0,
) -> Stepped:  # fmt: skip
    """θ ← θ − η·m̂/(√v̂ + ε) (arXiv:1412.6980, algorithm 1)."""
    found = moments(gradient + weight_decay * theta, state, t, beta1, beta2, bias_correction)
    update, trace = found.update(eps, eps_inside)
    return Stepped(theta - lr * update, found.state, trace)


def adamw(
    theta: Array, gradient: Array, state: State, t: int, *, lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999,
    eps: float = 1e-8, eps_inside: bool = False, bias_correction: bool = True, weight_decay: float = 0.01,
) -> Stepped:  # fmt: skip
    """θ ← (1 − ηλ)θ − η·m̂/(√v̂ + ε) (arXiv:1711.05101, algorithm 2)."""
    found = moments(gradient, state, t, beta1, beta2, bias_correction)
    update, trace = found.update(eps, eps_inside)
    return Stepped((1 - lr * weight_decay) * theta - lr * update, found.state, trace)


def amsgrad(
    theta: Array, gradient: Array, state: State, t: int, *, lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999,
    eps: float = 1e-8, weight_decay: float = 0.0,
) -> Stepped:  # fmt: skip
    """v̄ ← max(v̄, v); θ ← θ − η·m̂/(√(v̄/(1−β₂ᵗ)) + ε), the form of PyTorch with bias correction."""
    found = moments(gradient + weight_decay * theta, state, t, beta1, beta2)
    largest = np.maximum(state["max_exp_avg_sq"], found.second)
    update, trace = found._replace(corrected_second=largest / found.bias2).update(eps)
    return Stepped(theta - lr * update, {**found.state, "max_exp_avg_sq": largest}, trace)


def lamb(
    theta: Array, gradient: Array, state: State, t: int, *, lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999,
    eps: float = 1e-6, weight_decay: float = 0.01,
) -> Stepped:  # fmt: skip
    """u ← m̂/(√v̂ + ε) + λθ; θ ← θ − η·‖θ‖/‖u‖·u, norms of the whole weight (arXiv:1904.00962, algorithm 2)."""
    found = moments(gradient, state, t, beta1, beta2)
    adapted, trace = found.update(eps)
    update = adapted + weight_decay * theta
    size, length = norm(theta), norm(update)
    ratio = size / length if size > 0 and length > 0 else 1.0
    return Stepped(theta - lr * ratio * update, found.state, {**trace, "update": update, "trust_ratio": ratio})


def sophia(
    theta: Array, gradient: Array, state: State, t: int, *, lr: float = 1e-4, beta1: float = 0.96, beta2: float = 0.99,
    gamma: float = 0.01, eps: float = 1e-12, weight_decay: float = 0.1, curvature: Array | None = None,
) -> Stepped:  # fmt: skip
    """h ← β₂h + (1−β₂)ĥ in steps that estimate the Hessian's diagonal ĥ, and else as it was; θ ← (1−ηλ)θ − η·clip(m/max(γh, ε), 1)
    (arXiv:2305.14342, algorithm 3)."""
    m = beta1 * state["exp_avg"] + (1 - beta1) * gradient
    h = state["hessian"] if curvature is None else beta2 * state["hessian"] + (1 - beta2) * curvature
    denominator = np.maximum(gamma * h, eps)
    update = np.clip(m / denominator, -1, 1)
    theta = (1 - lr * weight_decay) * theta - lr * update
    return Stepped(theta, {"exp_avg": m, "hessian": h}, {"denominator": denominator, "update": update})


def schedule_free(
    theta: Array, gradient: Array, state: State, t: int, *, lr: float = 0.0025, beta1: float = 0.9, beta2: float = 0.999,
    eps: float = 1e-8, weight_decay: float = 0.0,
) -> Stepped:  # fmt: skip
    """z ← z − η(g/(√v̂ + ε) + λy); x ← (1−c)x + cz with c = 1/t; θ = y = (1−β₁)z + β₁x (arXiv:2405.15682, algorithm 1, without
    warm-up). The average x, which is the result of training, follows from y and z."""
    v = beta2 * state["exp_avg_sq"] + (1 - beta2) * gradient * gradient
    denominator = np.sqrt(v / (1 - beta2**t)) + eps
    update = gradient / denominator + weight_decay * theta
    x = (theta - (1 - beta1) * state["z"]) / beta1
    z = state["z"] - lr * update
    x = (1 - 1 / t) * x + z / t
    return Stepped((1 - beta1) * z + beta1 * x, {"z": z, "exp_avg_sq": v}, {"denominator": denominator, "update": update, "x": x})


def start_schedule_free(theta: Array) -> State:
    """z starts at the weight itself."""
    return {"z": theta.copy(), "exp_avg_sq": np.zeros_like(theta)}
