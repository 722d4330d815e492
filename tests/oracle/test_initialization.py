"""Proves initialization against torch.nn.init and torch modules: gains, fans, the standard deviation or the limit that every
function draws with, what trunc_normal_ leaves, and the moments of real modules, forward and backward by autograd.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import init

from bursar.cli import main
from bursar.errors import BursarError
from bursar.measure.moments import Layer, moments
from bursar.theory.initialization import activations, finite_width, gains, propagation
from bursar.theory.initialization.fans import Fans, fans, torch_fans
from bursar.theory.initialization.lint import lint
from bursar.theory.initialization.network import Network
from bursar.theory.initialization.schemes import SCHEMES
from bursar.theory.initialization.truncation import truncated

SHAPE = (600, 200)  # (out, in): 120,000 weights, so the std of a sample is known to 1/√240,000 = 0.2 %
SPREAD = 4 / math.sqrt(2 * 600 * 200)
MODULES: dict[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity, "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "gelu": nn.GELU, "gelu_tanh": lambda: nn.GELU("tanh"),
    "silu": nn.SiLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "softplus": nn.Softplus, "elu": nn.ELU, "selu": nn.SELU,
    "mish": nn.Mish,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("name", gains.CUSTOMARY)
def test_gains(name: str) -> None:
    assert gains.gain(name) == pytest.approx(init.calculate_gain(name), rel=1e-12)
    if name == "leaky_relu":
        assert gains.gain(name, 0.3) == pytest.approx(init.calculate_gain(name, 0.3), rel=1e-12)


@pytest.mark.parametrize(
    ("module", "layout", "groups"),
    [
        (nn.Linear(7, 5), "torch", 1),
        (nn.Conv1d(6, 4, 3), "torch", 1),
        (nn.Conv2d(3, 16, 5), "torch", 1),
        (nn.Conv3d(2, 5, (1, 2, 3)), "torch", 1),
        (nn.Conv2d(8, 12, 3, groups=4), "torch", 4),
        (nn.ConvTranspose2d(8, 12, 3), "transposed", 1),
    ],
)
def test_fans(module: Any, layout: str, groups: int) -> None:
    """torch counts axis 1 as in and axis 0 as out; an output sums as many inputs as it has a gradient of."""
    counted = init._calculate_fan_in_and_fan_out(module.weight)
    assert torch_fans(tuple(module.weight.shape)) == counted
    found = fans(tuple(module.weight.shape), layout, groups)
    assert found == _of_a_step(module)
    assert (found == counted) == (layout == "torch" and groups == 1)


def _of_a_step(module: Any) -> Fans:
    """Inputs that reach the output in the middle, and outputs that the input in the middle reaches."""
    nn.init.ones_(module.weight)
    space = (9,) * (module.weight.dim() - 2)
    x = torch.ones(1, module.weight.shape[1] if isinstance(module, nn.Linear) else module.in_channels, *space, requires_grad=True)
    y = module(x)
    middle = (0, 0, *[size // 2 for size in y.shape[2:]])
    (reached,) = torch.autograd.grad(y[middle], x, retain_graph=True)
    outputs = 0
    for direction in torch.eye(y.numel()).reshape(-1, *y.shape):
        (gradient,) = torch.autograd.grad(y, x, direction, retain_graph=True)
        outputs += int(gradient[(0, 0, *[size // 2 for size in x.shape[2:]])] != 0)
    return Fans(int((reached != 0).sum()), outputs)


@pytest.mark.parametrize(
    ("scheme", "function", "values"),
    [
        ("xavier", lambda w: init.xavier_uniform_(w), {"gain_squared": 1}),
        ("xavier", lambda w: init.xavier_normal_(w, gain=5 / 3), {"gain_squared": 25 / 9}),
        ("he", lambda w: init.kaiming_uniform_(w, nonlinearity="relu"), {"gain_squared": 2, "fan": SHAPE[1]}),
        ("he", lambda w: init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"), {"gain_squared": 2, "fan": SHAPE[0]}),
        ("he", lambda w: init.kaiming_normal_(w, a=0.5), {"gain_squared": 2 / 1.25, "fan": SHAPE[1]}),
        ("torch-linear", lambda w: init.kaiming_uniform_(w, a=math.sqrt(5)), {}),
        ("orthogonal", lambda w: init.orthogonal_(w, gain=2.0), {"gain_squared": 4}),
        ("normal", lambda w: init.normal_(w, std=0.02), {"std": 0.02}),
    ],
)
def test_a_rule_is_what_torch_draws(scheme: str, function: Callable[[Any], Any], values: dict[str, float]) -> None:
    """Its standard deviation within what a sample of 120,000 tells; of a uniform distribution its limit, which the largest of so
    many weights comes within 1e-4 of."""
    rule = SCHEMES[scheme]
    given = {"fan_in": SHAPE[1], "fan_out": SHAPE[0], **values}
    variance = float(rule.variance(**{key: given[key] for key in rule.takes}))
    weight = function(torch.empty(SHAPE, dtype=torch.float64))
    assert float(weight.square().mean()) == pytest.approx(variance, rel=2 * SPREAD)
    if weight.abs().max() < 1.75 * math.sqrt(variance):  # no normal sample of this size is so narrow
        assert float(weight.abs().max()) == pytest.approx(math.sqrt(3 * variance), rel=1e-3)
    if scheme == "orthogonal":
        assert float(weight.square().mean()) == pytest.approx(variance, rel=1e-12)


def test_a_module_starts_as_the_rule_says() -> None:
    """nn.Linear and nn.Conv2d, without a call of torch.nn.init."""
    for module in (nn.Linear(512, 300), nn.Conv2d(32, 64, 4)):
        found = fans(tuple(module.weight.shape))
        limit = math.sqrt(3 * SCHEMES["torch-linear"].variance(fan_in=found.fan_in))
        assert limit == pytest.approx(1 / math.sqrt(512))
        assert limit * 0.999 < float(module.weight.detach().abs().max()) <= limit


@pytest.mark.parametrize(("std", "a", "b"), [(1.0, -3.0, 3.0), (1.0, -2.0, 2.0), (0.02, -0.02, 0.05), (1 / 128, -3.0, 3.0)])
def test_trunc_normal(std: float, a: float, b: float) -> None:
    """a and b are values. 400,000 weights: their mean is known to std/√n, their std to 1/√(2n) of itself."""
    n = 400_000
    weight = init.trunc_normal_(torch.empty(n, dtype=torch.float64), std=std, a=a, b=b)
    expected = truncated(std, a, b)
    assert float(weight.mean()) == pytest.approx(expected.mean, abs=4 * expected.std / math.sqrt(n))
    assert float(weight.std()) == pytest.approx(expected.std, rel=4 / math.sqrt(2 * n))
    assert a <= float(weight.min()) and float(weight.max()) <= b


def test_bounds_of_384_sigmas_cut_nothing() -> None:
    """The largest of 524,288 weights of std 1/128 is beyond 3/128, where the call was meant to cut."""
    weight = init.trunc_normal_(torch.empty(32, 16384), std=1 / 128, a=-3, b=3)
    assert float(weight.abs().max()) > 3 / 128


@pytest.mark.parametrize("name", MODULES)
def test_activations(name: str) -> None:
    """Values and derivatives, by autograd in float64."""
    z = torch.linspace(-8, 8, 400, dtype=torch.float64, requires_grad=True)  # of an even number: no kink is met
    values = MODULES[name]()(z)
    (slopes,) = torch.autograd.grad(values.sum(), z)
    of = activations.activation(name)
    points = z.detach().numpy()
    assert of.value(points) == pytest.approx(values.detach().numpy(), abs=1e-12)
    assert of.slope(points) == pytest.approx(slopes.numpy(), abs=1e-12)


CALLS = (
    ("nn.init.xavier_uniform_(w)", lambda w: init.xavier_uniform_(w)),
    ("nn.init.kaiming_normal_(w, mode='fan_out')", lambda w: init.kaiming_normal_(w, mode="fan_out")),
    ("nn.init.kaiming_uniform_(w, a=0.3)", lambda w: init.kaiming_uniform_(w, a=0.3)),
    ("nn.init.kaiming_uniform_(w, a=0.3, nonlinearity='relu')", lambda w: init.kaiming_uniform_(w, a=0.3, nonlinearity="relu")),
    ("nn.init.trunc_normal_(w, std=0.7)", lambda w: init.trunc_normal_(w, std=0.7)),
    ("w.normal_(0.5, 0.1)", lambda w: w.normal_(0.5, 0.1)),
    ("w.uniform_(-0.1, 0.3)", lambda w: w.uniform_(-0.1, 0.3)),
    ("nn.init.orthogonal_(w, gain=3)", lambda w: init.orthogonal_(w, gain=3)),
)


@pytest.mark.parametrize(("text", "call"), CALLS, ids=[text for text, _ in CALLS])
def test_lint_says_what_a_call_draws(text: str, call: Callable[[Any], Any]) -> None:
    drawn = lint(text, shape=SHAPE)[0].drawn
    assert drawn is not None
    weight = call(torch.empty(SHAPE, dtype=torch.float64))
    assert float(weight.mean()) == pytest.approx(drawn.mean, abs=4 * math.sqrt(drawn.variance / weight.numel()))
    assert float(weight.var()) == pytest.approx(drawn.variance, rel=2 * SPREAD)


def test_torch_refuses_fans_of_one_axis_and_ignores_a_slope() -> None:
    """As the findings `one_axis` and `slope_ignored` say."""
    with pytest.raises(ValueError, match="in and fan out can not be computed"):
        init.xavier_uniform_(torch.empty(5))
    torch.manual_seed(1)
    with_slope = init.kaiming_uniform_(torch.empty(9, 9), a=0.7, nonlinearity="relu")
    torch.manual_seed(1)
    assert torch.equal(with_slope, init.kaiming_uniform_(torch.empty(9, 9), nonlinearity="relu"))


@pytest.mark.parametrize(("name", "width", "depth", "networks"), [("relu", 64, 4, 60), ("tanh", 64, 3, 60), ("gelu", 64, 2, 60)])
def test_modules_carry_what_is_predicted(name: str, width: int, depth: int, networks: int) -> None:
    """100,000 inputs through torch modules of normal weights, gradients by autograd: within 4 standard errors, which are the spread
    of the means of networks over √networks."""
    square = gains.exact_gain_squared(name)
    network = Network((width,) * (depth + 1), (square / width,) * depth, activations.activation(name))
    rows = np.array(
        [_moments(name, width, depth, math.sqrt(square / width), math.ceil(100_000 / networks)) for _ in range(networks)]
    )
    means, errors = rows.mean(axis=0), rows.std(axis=0, ddof=1) / math.sqrt(networks)
    predicted = finite_width.predicted(network)
    for index, layer in enumerate(predicted):
        expected = (layer.sums, layer.mean, layer.second_moment, layer.gradient)
        assert (np.abs(means[index] - expected) < 4 * errors[index]).all(), (index, means[index], expected, errors[index])
    limit = propagation.predicted(network)
    assert limit[0].sums == pytest.approx(predicted[0].sums)


def _moments(name: str, width: int, depth: int, std: float, inputs: int) -> list[list[float]]:
    """Of one module: second moments of sums and of what follows, and of the gradient with respect to a layer's input."""
    layers = [nn.Linear(width, width, bias=False, dtype=torch.float64) for _ in range(depth)]
    x = torch.randn(inputs, width, dtype=torch.float64, requires_grad=True)
    entering, found = [x], []
    for layer in layers:
        init.normal_(layer.weight, std=std)
        sums = layer(entering[-1])
        entering.append(MODULES[name]()(sums))
        y, after = sums.detach(), entering[-1].detach()
        found.append([float(y.square().mean()), float(after.mean()), float(after.square().mean())])
    gradients = torch.autograd.grad(entering[-1], entering[:-1], torch.randn(inputs, width, dtype=torch.float64))
    return [[*row, float(gradient.square().mean())] for row, gradient in zip(found, gradients, strict=True)]


# ── a live module ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Shared(nn.Module):
    """Two layers that read one tensor, an activation in place, and a convolution with stride, padding and groups."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(400, 300), nn.Linear(400, 300)
        self.act = nn.ReLU(inplace=True)
        self.conv = nn.Conv1d(300, 100, 5, stride=2, padding=2, groups=2, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        both = self.act(self.left(x)) + self.right(x)
        return self.conv(both.transpose(1, 2))


def test_a_live_module_is_what_its_weights_predict() -> None:
    """Of weights drawn once, outputs are within 4 spreads of √(2/outputs), gradients within 4 of √(2/inputs)."""
    module, x = Shared(), torch.randn(40, 24, 400, requires_grad=True)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    layers = {layer.path: layer for layer in moments(module, (x,), {})}
    assert list(layers) == ["left", "right", "conv"]
    for layer in layers.values():
        forward, backward = layer.spread
        assert layer.output.second_moment == pytest.approx(layer.predicted_output, rel=4 * forward)
        assert layer.input_gradient and layer.predicted_gradient
        assert layer.input_gradient.second_moment == pytest.approx(layer.predicted_gradient, rel=4 * backward)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def test_the_gradient_of_a_layer_is_its_own() -> None:
    """`left` and `right` read one tensor, whose gradient is the sum of theirs; each is seen alone, by the chain rule."""
    module, x = Shared(), torch.randn(4, 24, 400, requires_grad=True)
    found = {layer.path: layer for layer in moments(module, (x,), {}, seed=7)}
    torch.manual_seed(7)
    left, right = module.left(x), module.right(x)
    left.retain_grad(), right.retain_grad()
    out = module.conv((torch.relu(left) + right).transpose(1, 2))
    out.backward(torch.randn_like(out))
    for path, made in (("left", left), ("right", right)):
        seen: Layer = found[path]
        assert made.grad is not None and seen.output_gradient and seen.input_gradient
        assert seen.output_gradient.second_moment == pytest.approx(float(made.grad.square().mean()), rel=1e-5)
        passed = made.grad @ module.get_submodule(path).get_parameter("weight")
        assert seen.input_gradient.second_moment == pytest.approx(float(passed.detach().square().mean()), rel=1e-5)


def test_fans_of_a_layer_as_it_runs() -> None:
    """30 positions, 5 taps, stride 2, padding 2: 15 outputs, of which the first misses two taps and the last one. So an output sums
    (15·5 − 3)/15 · 100 inputs, and an input reaches (15·5 − 3)/30 · 50 outputs."""
    conv = nn.Conv1d(200, 100, 5, stride=2, padding=2, groups=2)
    (layer,) = moments(conv, (torch.randn(2, 200, 30),), {})
    assert layer.found == pytest.approx(((75 - 3) / 15 * 100, (75 - 3) / 30 * 50))


def test_a_module_that_cannot_be_measured() -> None:
    with torch.device("meta"):
        module = nn.Linear(3, 3)
    with pytest.raises(BursarError, match="meta"):
        moments(module, (torch.ones(1, 3, device="meta"),), {})
    with pytest.raises(BursarError, match="no Linear"):
        moments(nn.ReLU(), (torch.ones(3),), {})


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_verb(lang: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "made.py"
    file.write_text(
        "import torch\nfrom torch import nn\n\ndef make():\n    torch.manual_seed(0)\n"
        "    return nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 8)), (torch.randn(500, 64),)\n",
        encoding="utf-8",
    )
    assert main(["init", "module", f"{file}:make", "--json"]) == 0
    first, last = json.loads(capsys.readouterr().out)["layers"]
    # nn.Linear keeps a third and adds a bias of variance 1/(3·64)
    assert first["second_moment"] == pytest.approx(1 / 3 + 1 / 192, rel=0.05)
    assert first["gradient"] == pytest.approx(64 * first["weight_std"] ** 2 * first["output_gradient"], rel=1e-3)
    assert abs(last["off"]["second_moment"]) < 4 and abs(last["off"]["gradient"]) < 4
    assert main(["init", "module", f"{file}:make", "--lang", lang]) == 0
    assert "0" in capsys.readouterr().out
