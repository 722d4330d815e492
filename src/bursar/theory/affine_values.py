"""The gradients of one product with a bias in numbers, held against central differences and against every other layout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from bursar.errors import PlanError
from bursar.theory.gradients import ROLES, STORAGES, Affine, affine, of_shapes
from bursar.theory.products import Operand, Term
from bursar.theory.values import Array, largest_difference

Values = Mapping[str, Array]  # by role: weight, input, bias


class Numbers(NamedTuple):
    """Y, the gradient G that reaches it, the loss, and the gradients by role."""

    output: Array
    upstream: Array
    loss: float
    gradients: dict[str, Array]
    finite_difference_error: float
    layouts_agree: bool


def evaluate(term: Term, arrays: Mapping[str, Array]) -> Array:
    """A product of named matrices in numbers."""

    def value(operand: Operand) -> Array:
        found = arrays[operand.name.removesuffix("ᵀ")]
        return found.T if operand.name.endswith("ᵀ") else found

    return value(term.left) @ value(term.right)


def output(of: Affine, values: Values) -> Array:
    made = evaluate(of.forward, {of.storage.letter(role): values[role] for role in ROLES})
    return made + values["bias"] if "bias" in values else made


def gradients(of: Affine, values: Values, upstream: Array) -> dict[str, Array]:
    """By role, from G = dL/dY."""
    arrays = {"G": upstream, **{of.storage.letter(role): values[role] for role in ROLES}}
    found = {role: evaluate(of.gradient(role), arrays) for role in ROLES}
    if "bias" in values:
        spread = of.storage.spread
        found["bias"] = upstream if spread is None else upstream.sum(axis=spread, keepdims=True)
    return found


def numbers(
    storage: str, values: Values, *, target: Array | None = None, upstream: Array | None = None, mean: bool = False
) -> Numbers:
    """Gradients of L = Σ (Y − target)², its mean over all elements with `mean`, or of L = ⟨upstream, Y⟩.

    Raises PlanError where shapes do not fit."""
    of = of_shapes(storage, _shape(values["weight"]), _shape(values["input"]))
    reached = target if target is not None else upstream
    if reached is None or _shape(reached) != of.shape("output"):
        problem = "a loss needs G or a target" if reached is None else f"Y is {of.shape('output')}, not {_shape(reached)}"
        raise PlanError(problem, field="y", valid=f"a {of.shape('output')} matrix")
    if "bias" in values and _shape(values["bias"]) != of.shape("bias"):
        raise PlanError(f"a bias of {_shape(values['bias'])}", field="b", valid=f"a {of.shape('bias')} matrix")
    made = output(of, values)
    share = 1 / made.size if mean else 1
    grad = 2 * (made - target) * share if target is not None else reached

    def loss(at: Values) -> float:
        found = output(of, at)
        return float(np.sum((found - target) ** 2) * share if target is not None else np.sum(found * reached))

    found = gradients(of, values, grad)
    return Numbers(made, grad, loss(values), found, largest_difference(found, loss, values), layouts_agree(of, values, grad))


def layouts_agree(of: Affine, values: Values, upstream: Array) -> bool:
    """Whether every layout's own formulas give these gradients, once operands are turned into it and gradients back."""
    here = gradients(of, values, upstream)
    for name in STORAGES:
        other = affine(name, of.outputs, of.inputs, of.samples)
        turned = {role: _turn(values[role], of, other, role) for role in ROLES}
        there = gradients(other, turned, _turn(upstream, of, other, "output"))
        if not all(_equal(_turn(there[role], other, of, role), here[role]) for role in ROLES):
            return False
    return True


def _turn(array: Array, of: Affine, other: Affine, role: str) -> Array:
    """A matrix from one storage to another: as it is, or transposed."""
    return array if _upright(of, role) is _upright(other, role) else array.T


def _upright(of: Affine, role: str) -> bool:
    """Whether a matrix is stored as Y = W·X has it: (outputs, inputs), (inputs, samples), (outputs, samples)."""
    return bool(of.storage.inner("weight")) if role == "weight" else bool(of.storage.samples)


def _equal(left: Array, right: Array) -> bool:
    if left.dtype == object and right.dtype == object:
        return bool(np.array_equal(left, right))
    return bool(np.allclose(left.astype(float), right.astype(float), rtol=1e-12, atol=1e-12 * max(1.0, float(np.abs(left).max()))))


def _shape(array: Array) -> tuple[int, int]:
    return int(array.shape[0]), int(array.shape[1])
