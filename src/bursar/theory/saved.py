"""Which tensors an operation must keep for its backward pass: those that its backward formula reads, found by running it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from bursar.errors import UnknownNameError
from bursar.theory.operations import OPERATIONS, SAMPLE, Operation, Tensors
from bursar.theory.values import Array, largest_difference


class Table(Mapping[str, Array]):
    """The tensors of a forward pass, and a note of which were taken."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = dict(tensors)
        self.taken: dict[str, None] = {}

    def __getitem__(self, name: str) -> Array:
        self.taken[name] = None
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


class Saved(NamedTuple):
    """What backward reads and what it does not, of all tensors that the forward pass met, and the largest difference of its
    gradients from central differences."""

    keeps: tuple[str, ...]
    drops: tuple[str, ...]
    finite_difference_error: float


def operation(name: str) -> Operation:
    """An operation by name."""
    if name not in OPERATIONS:
        raise UnknownNameError("operation", name, OPERATIONS)
    return OPERATIONS[name]


def saved(of: Operation, seed: int = SAMPLE) -> Saved:
    """Runs the operation on random numbers, takes its gradients from the kept tensors alone, and holds them against differences
    of L = ⟨G, y⟩."""
    random = np.random.default_rng(seed)
    inputs = {name: random.standard_normal(shape) for name, shape in of.inputs.items()}
    given = {name: draw(random) for name, draw in of.given.items()}
    met = of.forward({**inputs, **given})
    upstream = random.standard_normal(met["y"].shape)
    noted = Table(met)
    of.backward(upstream, noted)
    kept = {name: met[name] for name in met if name in noted.taken}
    gradients = of.backward(upstream, kept)  # nothing else is there

    def loss(at: Tensors) -> float:
        return float(np.sum(of.forward({**at, **given})["y"] * upstream))

    drops = tuple([name for name in met if name not in kept])
    return Saved(tuple(kept), drops, largest_difference(gradients, loss, inputs))
