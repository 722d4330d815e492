"""What an optimizer of PyTorch keeps after one step, and what the parameters of a module are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch

from bursar.errors import BursarError, UnknownNameError
from bursar.measure.tracing import outputs_of

OPTIMIZERS: Mapping[str, Callable[..., Any]] = {
    "sgd": torch.optim.SGD,
    "momentum": partial(torch.optim.SGD, momentum=0.9),
    "nesterov": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "amsgrad": partial(torch.optim.AdamW, amsgrad=True),
}


class State(NamedTuple):
    """A state of an optimizer over all parameters: elements and bytes. Counters of steps have one element a parameter."""

    name: str
    elements: int
    bytes: int


def states(module: torch.nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], name: str) -> tuple[State, ...]:
    """Takes one step of an optimizer at a learning rate of zero, which leaves the parameters as they are, and counts its states.
    Gradients are left as they were."""
    if name not in OPTIMIZERS:
        raise UnknownNameError("optimizer_states", name, OPTIMIZERS)
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if not trained:
        raise BursarError("no parameter of the module is trained", field="optimizer_states", valid="a module with gradients")
    before = [parameter.grad for parameter in trained]
    optimizer = OPTIMIZERS[name](trained, lr=0.0)
    try:
        sum([root.sum() for root in outputs_of(module(*args, **kwargs))]).backward()
        optimizer.step()
    finally:
        for parameter, gradient in zip(trained, before, strict=True):
            parameter.grad = gradient
    found: dict[str, list[torch.Tensor]] = {}
    for kept in optimizer.state.values():
        for key, value in kept.items():
            if isinstance(value, torch.Tensor):
                found.setdefault(key, []).append(value)
    return tuple(
        State(key, sum(v.numel() for v in all_), sum(v.numel() * v.element_size() for v in all_)) for key, all_ in found.items()
    )


class Values(NamedTuple):
    """What a parameter holds: the mean, the standard deviation and the largest magnitude of its elements."""

    path: str
    mean: float
    std: float
    largest: float


def values(module: torch.nn.Module) -> tuple[Values, ...]:
    """Every parameter of a module as it was initialized. On the meta device there is nothing to see."""
    named = [(path, parameter.detach().double()) for path, parameter in module.named_parameters()]
    if any(tensor.is_meta for _, tensor in named):
        raise BursarError("parameters on the meta device have no values", field="on", value="meta", valid="--on cpu")
    return tuple(Values(path, float(w.mean()), float(w.std(correction=0)), float(w.abs().max())) for path, w in named)
