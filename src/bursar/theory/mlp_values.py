"""Back-propagation of a multi-layer perceptron in numbers, held against central differences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from bursar.errors import PlanError
from bursar.theory.functions import Function, function
from bursar.theory.mlp import Mlp
from bursar.theory.values import Array, largest_difference


class Passed(NamedTuple):
    """What a forward pass makes: h_1 … h_n before the activations, z_0 = x, z_1, … z_n after them."""

    before: tuple[Array, ...]
    after: tuple[Array, ...]


class Numbers(NamedTuple):
    """The prediction, the loss, and its gradients by the names of weights and input."""

    output: Array
    loss: float
    gradients: dict[str, Array]
    finite_difference_error: float


def mlp_of(x: Array, weights: tuple[Array, ...], target: Array) -> Mlp:
    """The sizes of a perceptron by its matrices. Raises PlanError where they do not fit."""
    widths = [x.shape[1]]
    for index, weight in enumerate(weights, 1):
        if weight.shape[0] != widths[-1]:
            raise PlanError(f"w{index} is {weight.shape}", field="w", value=weight.shape, valid=f"{widths[-1]} rows")
        widths.append(weight.shape[1])
    if target.shape != (x.shape[0], widths[-1]):
        raise PlanError(f"y is {target.shape}", field="y", value=target.shape, valid=f"{(x.shape[0], widths[-1])}")
    return Mlp(x.shape[0], tuple(widths))


def forward(x: Array, weights: tuple[Array, ...], act: Function) -> Passed:
    before: list[Array] = []
    after = [x]
    for weight in weights:
        before.append(after[-1] @ weight)
        after.append(act.value(before[-1]))
    return Passed(tuple(before), tuple(after))


def backward(passed: Passed, weights: tuple[Array, ...], act: Function, error: Array) -> dict[str, Array]:
    """Gradients of all weights and of x, from dL/dz_n; each product once, from the last layer to the first."""
    found: dict[str, Array] = {}
    for index in range(len(weights), 0, -1):
        slope = act.derivative(passed.after[index] if act.of == "y" else passed.before[index - 1])
        reached = error * slope
        found[f"w{index}"] = passed.after[index - 1].T @ reached
        error = reached @ weights[index - 1].T
    return {**dict(reversed(found.items())), "x": error}


def numbers(x: Array, weights: tuple[Array, ...], target: Array, *, activation: str = "identity", mean: bool = False) -> Numbers:
    """Gradients of L = Σ (ŷ − y)², or of its mean over all elements with `mean`. With a mean 1/(B·M_n) stands in dL/dŷ, and
    nowhere else. Raises PlanError where matrices do not fit."""
    _ = mlp_of(x, weights, target)
    act = function(activation)
    if act.name not in ("identity", "relu"):
        x, weights = x.astype(np.float64), tuple([weight.astype(np.float64) for weight in weights])
    passed = forward(x, weights, act)
    share = 1 / passed.after[-1].size if mean else 1

    def loss(at: Mapping[str, Array]) -> float:
        made = forward(at["x"], tuple([at[f"w{index}"] for index in range(1, len(weights) + 1)]), act).after[-1]
        return float(np.sum((made - target) ** 2) * share)

    at = {"x": x, **{f"w{index}": weight for index, weight in enumerate(weights, 1)}}
    found = backward(passed, weights, act, 2 * (passed.after[-1] - target) * share)
    return Numbers(passed.after[-1], loss(at), found, largest_difference(found, loss, at))
