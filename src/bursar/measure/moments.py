"""The moments of a live module at its initialization: what every weighted layer gets, makes and passes back.

Each layer's weights are independent of what it gets, so the mean over such weights is known from what it gets alone: the second
moment of its outputs is fan_in · E w² · E x² + E b², and that of the gradient it passes back is fan_out · E w² · E g². One draw of
weights departs from that mean by about √(2/outputs) of it, and backward by √(2/inputs). Fans are those of the layer as it runs: the
mean number of inputs that an output of a convolution sums, with its stride, its padding and its edges, and of outputs of an input.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from bursar.errors import BursarError
from bursar.measure.tracing import outputs_of
from bursar.theory.initialization.fans import Fans

KINDS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class Seen(NamedTuple):
    """Mean and second moment of a tensor's elements."""

    mean: float
    second_moment: float


class Layer(NamedTuple):
    """A weighted layer: its place, its fans, its (inputs, outputs) but for positions, the mean and the standard deviation of its
    weights, the second moment of its bias, and what was seen of its input, its output and the gradients of both; None where no
    gradient is asked for."""

    path: str
    kind: str
    shape: tuple[int, ...]
    found: Fans
    channels: tuple[int, int]
    weight_mean: float
    weight_std: float
    bias_second_moment: float
    input: Seen
    output: Seen
    output_gradient: Seen | None
    input_gradient: Seen | None

    @property
    def weight_second_moment(self) -> float:
        return self.weight_std**2 + self.weight_mean**2

    @property
    def predicted_output(self) -> float:
        """The second moment of the outputs, from that of the inputs."""
        return float(self.found.fan_in) * self.weight_second_moment * self.input.second_moment + self.bias_second_moment

    @property
    def predicted_gradient(self) -> float | None:
        """The second moment of the gradient that is passed back, from that of the one that arrives."""
        arrives = self.output_gradient
        return None if arrives is None else float(self.found.fan_out) * self.weight_second_moment * arrives.second_moment

    @property
    def spread(self) -> tuple[float, float]:
        """Relative standard deviation of outputs and of gradients over draws of the weights."""
        inputs, outputs = self.channels
        return math.sqrt(2 / outputs), math.sqrt(2 / inputs)


def _seen(tensor: torch.Tensor) -> Seen:
    values = tensor.detach().double()
    return Seen(float(values.mean()), float(values.square().mean()))


def moments(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], seed: int = 0) -> tuple[Layer, ...]:
    """One forward and one backward pass, from a gradient of N(0, 1) at the outputs. The module and its gradients are left as they
    were; a layer that runs more than once is listed for its last run. Layers are in the order in which they ran."""
    if any(parameter.is_meta for parameter in module.parameters()):
        raise BursarError("a module on the meta device has no values", field="on", value="meta", valid="--on cpu")
    found: dict[str, dict[str, Any]] = {}
    inputs: list[torch.Tensor] = []
    layers = {path: part for path, part in module.named_modules() if isinstance(part, KINDS)}
    if not layers:
        raise BursarError("the module has no Linear and no convolution", field="target", valid="a module with weighted layers")
    handles = [handle for path, part in layers.items() for handle in _watch(part, path, found, inputs)]
    try:
        _passes(module, args, kwargs, seed, inputs)
    finally:
        for handle in handles:
            handle.remove()
    return tuple([_layer(path, layers[path], seen) for path, seen in found.items() if "output" in seen])


def _watch(part: nn.Module, path: str, found: dict[str, dict[str, Any]], inputs: list[torch.Tensor]) -> list[Any]:
    """Hooks that note what a layer gets and makes. Its input is handed on as a view of its own, so that the gradient is this
    layer's and not that of all that read the same tensor; its output as a copy, which may be changed in place."""
    counting = _counting(part)

    def note(name: str) -> Callable[[torch.Tensor], None]:
        return lambda gradient: found[path].update({name: _seen(gradient)})

    def before(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        if not given:  # called by keyword: it is left alone
            return given
        x = given[0].view_as(given[0]) if given[0].requires_grad else given[0].detach().requires_grad_()
        found.pop(path, None)
        found[path] = {"input": _seen(x), "fans": _fans(counting, x)}
        x.register_hook(note("input_gradient"))
        inputs.append(x)
        return (x, *given[1:])

    def after(_: nn.Module, __: tuple[Any, ...], y: torch.Tensor) -> torch.Tensor:
        if path not in found:
            return y
        found[path]["output"] = _seen(y)
        y.register_hook(note("output_gradient"))
        return y.clone()

    return [part.register_forward_pre_hook(before), part.register_forward_hook(after)]


def _counting(part: nn.Module) -> nn.Module:
    """The same layer with weights of 1 and no bias: an output is the number of its inputs that are 1."""
    ones = copy.deepcopy(part)
    for name, parameter in ones.named_parameters():
        nn.init.constant_(parameter, 1.0 if name == "weight" else 0.0)
    return ones


def _fans(counting: nn.Module, x: torch.Tensor) -> Fans:
    """Connections of one sample, over its outputs and over its inputs."""
    sample = torch.ones_like(x[:1])
    with torch.no_grad():
        made = counting(sample).double()
    return Fans(float(made.mean()), float(made.sum()) / sample.numel())


def _passes(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], seed: int, inputs: list[torch.Tensor]) -> None:
    """Forward, then back to what every layer got."""
    with torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(seed)
        roots = [root for root in outputs_of(module(*args, **kwargs)) if root.requires_grad and root.is_floating_point()]
        if roots and inputs:
            torch.autograd.grad(roots, inputs, [torch.randn_like(root) for root in roots], allow_unused=True)


def _layer(path: str, part: nn.Module, seen: Mapping[str, Any]) -> Layer:
    weight, bias = part.get_parameter("weight").detach().double(), getattr(part, "bias", None)
    shape = tuple(weight.shape)
    return Layer(
        path,
        type(part).__name__,
        shape,
        seen["fans"],
        (shape[1] * int(getattr(part, "groups", 1)), shape[0]),
        float(weight.mean()),
        float(weight.std(correction=0)),
        0.0 if bias is None else _seen(bias).second_moment,
        seen["input"],
        seen["output"],
        seen.get("output_gradient"),
        seen.get("input_gradient"),
    )
