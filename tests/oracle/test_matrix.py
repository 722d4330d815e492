"""Proves matrix calculus against PyTorch: gradients of a product in its own layout, of a perceptron and of every single operation
equal autograd's, FLOPs equal FlopCounterMode's, and what an operation keeps is what autograd saves for it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from bursar.theory import affine_values, gradients, mlp_values
from bursar.theory.convolution import convolution
from bursar.theory.mlp import Mlp
from bursar.theory.operations import EPS, OPERATIONS, P
from bursar.theory.products import Product
from bursar.theory.saved import saved

CLOSE = {"rtol": 1e-10, "atol": 1e-12}  # both compute in float64

Tensor = torch.Tensor
Tensors = dict[str, Tensor]


def tensors(arrays: dict[str, Any]) -> Tensors:
    """Float arrays as leaves that want a gradient, whole numbers as they are."""
    return {name: torch.tensor(array, requires_grad=np.asarray(array).dtype.kind == "f") for name, array in arrays.items()}


def flops(run: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


# ── products ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_torch_storage_is_torch_s() -> None:
    """A Linear of 3 outputs and 5 inputs on 4 samples, with its bias, under a mean squared error."""
    random = np.random.default_rng(0)
    of = gradients.affine("torch", 3, 5, 4)
    values = {role: random.standard_normal(of.shape(role)) for role in ("weight", "input", "bias")}
    target = random.standard_normal(of.shape("output"))
    ours = affine_values.numbers("torch", values, target=target, mean=True)
    t = tensors(values)
    loss = functional.mse_loss(functional.linear(t["input"], t["weight"], t["bias"][0]), torch.tensor(target))
    loss.backward()
    assert ours.loss == pytest.approx(loss.item(), rel=1e-12)
    for role, found in ours.gradients.items():
        np.testing.assert_allclose(found, t[role].grad, **CLOSE)


@pytest.mark.parametrize("widths", [(32, 128, 128, 10), (7, 5), (4, 4, 4, 1)])
def test_flops_of_a_perceptron_are_the_counter_s(widths: tuple[int, ...]) -> None:
    layers = torch.nn.Sequential(*[torch.nn.Linear(a, b, bias=False) for a, b in pairwise(widths)])
    for wanted in (False, True):
        x = torch.randn(64, widths[0], requires_grad=wanted)
        total = flops(lambda x=x: layers(x).sum().backward())
        of = Mlp(64, widths)
        assert total == of.forward() + (of.backward_with_input() if wanted else of.backward())


def test_each_gradient_of_a_convolution_costs_what_it_does() -> None:
    x, weight = (torch.empty(shape, device="meta", requires_grad=True) for shape in ((8, 3, 24, 24), (6, 3, 7, 7)))
    forward = convolution(tuple(x.shape), tuple(weight.shape), (2,), (3,)).flops()
    assert flops(lambda: functional.conv2d(x, weight, stride=2, padding=3).sum().backward()) == 3 * forward


def test_flops_of_a_product_are_the_counter_s() -> None:
    a, b = torch.empty(16_384, 32_768, device="meta"), torch.empty(32_768, 8_192, device="meta")
    assert flops(lambda: a @ b) == Product(16_384, 32_768, 8_192).flops()


@pytest.mark.parametrize(
    ("x", "weight", "settings"),
    [
        ((8, 3, 224, 224), (64, 3, 7, 7), {"stride": (2,), "padding": (3,)}),
        ((2, 6, 33), (4, 3, 5), {"stride": (3,), "padding": (2,), "dilation": (2,), "groups": 2}),
        ((2, 4, 9, 11), (8, 4, 3, 2), {"stride": (2, 1), "padding": (0, 1), "dilation": (1, 3)}),
        ((1, 2, 5, 6, 7), (3, 2, 2, 3, 4), {}),
    ],
)
def test_a_convolution_is_torch_s(x: tuple[int, ...], weight: tuple[int, ...], settings: dict[str, Any]) -> None:
    ours = convolution(x, weight, **settings)
    run = {3: functional.conv1d, 4: functional.conv2d, 5: functional.conv3d}[len(x)]
    given = {key: value if key == "groups" or len(value) > 1 else value[0] for key, value in settings.items()}
    made: list[Tensor] = []
    total = flops(lambda: made.append(run(torch.empty(x, device="meta"), torch.empty(weight, device="meta"), **given)))
    assert made[0].shape == ours.output
    assert total == ours.flops()


# ── the perceptron ───────────────────────────────────────────────────────────────────────────────────────────────────────

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "relu": functional.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": functional.gelu,
    "silu": functional.silu,
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("mean", [False, True])
def test_back_propagation_is_autograd_s(activation: str, mean: bool) -> None:
    random = np.random.default_rng(1)
    widths = (5, 7, 6, 3)
    x, target = random.standard_normal((4, 5)), random.standard_normal((4, 3))
    weights = tuple(random.standard_normal(pair) for pair in pairwise(widths))
    ours = mlp_values.numbers(x, weights, target, activation=activation, mean=mean)
    t = tensors({"x": x, **{f"w{index}": weight for index, weight in enumerate(weights, 1)}})
    z = t["x"]
    for index in range(1, len(widths)):
        z = ACTIVATIONS[activation](z @ t[f"w{index}"])
    functional.mse_loss(z, torch.tensor(target), reduction="mean" if mean else "sum").backward()
    for name, found in ours.gradients.items():
        np.testing.assert_allclose(found, t[name].grad, **CLOSE)


# ── single operations ────────────────────────────────────────────────────────────────────────────────────────────────────


def attention(t: Tensors) -> Tensor:
    weights = torch.softmax(t["Q"] @ t["K"].mT / t["Q"].shape[-1] ** 0.5, dim=-1)
    return (weights * t["mask"].detach() / (1 - P) if "mask" in t else weights) @ t["V"]


def rms_norm(t: Tensors) -> Tensor:
    return functional.rms_norm(t["x"], t["γ"].shape, t["γ"], EPS)


THEIRS: dict[str, Callable[[Tensors], Tensor]] = {
    "product": lambda t: t["x"] @ t["w"],
    "bias": lambda t: t["x"] + t["b"],
    "residual": lambda t: t["x"] + t["f"],
    **{name: lambda t, run=run: run(t["x"]) for name, run in ACTIVATIONS.items() if name != "identity"},
    "swiglu": lambda t: functional.silu(t["gate"]) * t["up"],
    "softmax": lambda t: torch.softmax(t["x"], dim=-1),
    "dropout": lambda t: t["x"] * t["mask"].detach() / (1 - P),
    "layernorm": lambda t: functional.layer_norm(t["x"], t["γ"].shape, t["γ"], t["β"], EPS),
    "rmsnorm": rms_norm,
    "attention": attention,
    "attention-dropout": attention,
    "flash-attention": lambda t: functional.scaled_dot_product_attention(t["Q"], t["K"], t["V"]),
    "cross-entropy": lambda t: functional.cross_entropy(t["z"], t["labels"][:, 0], reduction="none")[:, None],
    "embedding": lambda t: functional.embedding(t["ids"], t["table"]),
}


def test_every_operation_has_torch_s() -> None:
    assert set(THEIRS) == set(OPERATIONS)


@pytest.mark.parametrize("name", THEIRS)
def test_the_gradients_of_an_operation_are_autograd_s(name: str) -> None:
    operation, random = OPERATIONS[name], np.random.default_rng(2)
    arrays = {key: random.standard_normal(shape) for key, shape in operation.inputs.items()}
    arrays |= {key: draw(random) for key, draw in operation.given.items()}
    met = operation.forward(arrays)
    upstream = random.standard_normal(met["y"].shape)
    ours = operation.backward(upstream, met)
    t = tensors(arrays)
    made = THEIRS[name](t)
    np.testing.assert_allclose(met["y"], made.detach(), **CLOSE)
    made.backward(torch.tensor(upstream))
    assert set(ours) == set(operation.inputs)
    for key, found in ours.items():
        np.testing.assert_allclose(found, t[key].grad, **CLOSE)


# operations that are one node of autograd's graph; a mask is multiplied with there, and dropout's own is drawn inside
ONE_NODE = (
    "product", "bias", "residual", "relu", "tanh", "sigmoid", "gelu", "silu", "softmax", "layernorm", "embedding",
)  # fmt: skip


@pytest.mark.parametrize("name", ONE_NODE)
def test_what_is_kept_is_what_autograd_saves(name: str) -> None:
    """The tensors that autograd saves hold the same numbers as those kept here, one for one."""
    operation, random = OPERATIONS[name], np.random.default_rng(3)
    arrays = {key: random.standard_normal(shape) for key, shape in operation.inputs.items()}
    arrays |= {key: draw(random) for key, draw in operation.given.items()}
    met = operation.forward(arrays)
    theirs: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: theirs.append(tensor.detach().clone()), lambda packed: packed):
        THEIRS[name](tensors(arrays))
    ours = [np.asarray(met[key]).ravel() for key in saved(operation).keeps]
    if name == "layernorm":  # β is handed to the backward node for its shape alone
        theirs = [tensor for tensor in theirs if not np.array_equal(tensor, met["β"])]
    found = sorted([tensor.numpy().ravel().tolist() for tensor in theirs])
    assert len(found) == len(ours)
    for left, right in zip(found, sorted(array.tolist() for array in ours), strict=True):
        np.testing.assert_allclose(left, right, **CLOSE)
