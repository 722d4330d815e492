"""The formulas by operator."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

import torch
from torch.utils.flop_counter import flop_registry


class Flops(NamedTuple):
    """FLOPs of one call: what the model asks for, and what its kernel computes a second time."""

    model: int
    again: int = 0


Formula: TypeAlias = Callable[..., int | Flops]
F = TypeVar("F", bound=Formula)
FORMULAS: dict[Any, Formula] = {}


def counts(*operators: Any) -> Callable[[F], F]:
    """Registers the FLOPs of operators: a function of the operator's own arguments and, as `out`, what it returned.

    An operator is a packet such as `torch.ops.aten.mm` or `torch.ops.my_library.my_op`."""

    def register(formula: F) -> F:
        FORMULAS.update(dict.fromkeys(operators, formula))
        return formula

    return register


def has_formula(operator: Any) -> bool:
    return operator in FORMULAS or operator in flop_registry


def flops_of(operator: Any, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> Flops | None:
    """The FLOPs of a call, None where the operator has no formula, or one of its tensors is not dense."""
    if not all(_dense(value) for value in (*args, *kwargs.values())):
        return None
    named = {key: value for key, value in kwargs.items() if key != "out"}  # a tensor to write to
    if operator in FORMULAS:
        found = FORMULAS[operator](*args, **named, out=out)
        return found if isinstance(found, Flops) else Flops(int(found))
    if operator in flop_registry:
        return Flops(int(flop_registry[operator](*args, **named, out_val=out)))
    return None


def _dense(value: Any) -> bool:
    return not isinstance(value, torch.Tensor) or value.layout == torch.strided


def size(shape: Sequence[int]) -> int:
    """Elements of a shape."""
    return math.prod(int(length) for length in shape)
