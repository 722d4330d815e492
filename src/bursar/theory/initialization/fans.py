"""Fan-in and fan-out of a weight, by how it is stored.

Fan-in is how many inputs one output sums; fan-out how many outputs one input reaches. A kernel's positions count in both. A
convolution reaches all of them where its stride is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from bursar.dims import Dim, product, split
from bursar.errors import PlanError


class Fans(NamedTuple):
    """Inputs that an output sums, outputs that an input reaches."""

    fan_in: Dim
    fan_out: Dim


class Storage(NamedTuple):
    """How a weight lies in memory: the order of its axes, whose convention that is, and its fans from (shape, groups)."""

    axes: str
    of: str
    fans: Callable[[tuple[Dim, ...], Dim], Fans]


def _torch(shape: tuple[Dim, ...], groups: Dim) -> Fans:
    """(out, in / groups, *kernel): an input reaches the outputs of its own group."""
    out, in_of_group, *kernel = shape
    places = product(tuple(kernel))
    return Fans(in_of_group * places, split(out, groups, "outputs", "groups") * places)


def _transposed(shape: tuple[Dim, ...], groups: Dim) -> Fans:
    """(in, out / groups, *kernel)."""
    fan_out, fan_in = _torch(shape, groups)
    return Fans(fan_in, fan_out)


def _rows(shape: tuple[Dim, ...], groups: Dim) -> Fans:
    """(*kernel, in / groups, out)."""
    *kernel, in_of_group, out = shape
    return _torch((out, in_of_group, *kernel), groups)


def _embedding(shape: tuple[Dim, ...], groups: Dim) -> Fans:
    """(vocabulary, width): a token takes one row, so an output sums one input; that input reaches the width."""
    return Fans(1, shape[1])


STORAGES: Mapping[str, Storage] = {
    "torch": Storage("(out, in / groups, *kernel)", "torch.nn.Linear, Conv1d, Conv2d, Conv3d", _torch),
    "rows": Storage("(*kernel, in / groups, out)", "x @ w, flax.linen.Dense and Conv, Keras, Conv1D of transformers", _rows),
    "transposed": Storage("(in, out / groups, *kernel)", "torch.nn.ConvTranspose1d, 2d, 3d", _transposed),
    "embedding": Storage("(vocabulary, width)", "torch.nn.Embedding, flax.linen.Embed", _embedding),
}


def fans(shape: tuple[Dim, ...], storage: str = "torch", groups: Dim = 1) -> Fans:
    """The fans of a stored weight of `shape`; PlanError where it has too few axes, or where groups do not divide its outputs."""
    if len(shape) < 2 or (storage == "embedding" and len(shape) != 2):
        axes = STORAGES[storage].axes
        raise PlanError(f"a weight of shape {_times(shape)} has no fan-in and fan-out", field="shape", value=shape, valid=axes)
    return STORAGES[storage].fans(shape, groups)


def torch_fans(shape: tuple[Dim, ...]) -> Fans:
    """What torch.nn.init counts, whatever the weight is for: axis 1 is in, axis 0 is out.

    Right for Linear and Conv. It swaps the fans of what is stored otherwise, and counts the outputs of all groups."""
    if len(shape) < 2:
        said = f"torch.nn.init finds no fans of a weight of shape {_times(shape)}"
        raise PlanError(said, field="shape", value=shape, valid="two axes or more")
    return _torch(shape, 1)


def _times(shape: tuple[Dim, ...]) -> str:
    return "x".join([str(size) for size in shape])
