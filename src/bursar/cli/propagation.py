"""The moments of a network of options and of a live module: what is predicted of every layer, and what is measured."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bursar.cli.init import rule_variance, source_of
from bursar.errors import BursarError, PlanError
from bursar.theory.initialization import schemes
from bursar.theory.initialization.fans import Fans
from bursar.theory.initialization.network import Layer, network

if TYPE_CHECKING:
    from bursar.theory.initialization.measured import Measured
    from bursar.theory.initialization.network import Network
    from bursar.theory.initialization.schemes import Scheme

Options = dict[str, Any]
Payload = dict[str, Any]

WIDTH, DEPTH = 256, 10
MOST_LAYERS = 1000
HOMOGENEOUS = ("linear", "relu", "leaky_relu")  # c·φ(z) = φ(c·z) for c > 0
SECOND_MOMENTS = ("sums", "second_moment", "sum_gradient", "gradient")
MOST_CORRECTION = 0.5  # of a moment by its terms in 1/width
ERRORS = 5.0  # standard errors that a measurement may be off; one in a million is, if it is normal


def propagate(options: Options) -> Payload:
    """Mean and variance of what a network carries forward and backward, layer by layer, predicted and with --samples measured."""
    from bursar.theory.initialization import finite_width, propagation

    rule = schemes.scheme(options["scheme"] or "he")
    name = options["nonlinearity"] or "relu"
    of = _network(rule, name, options)
    draws = options["distribution"] or rule.draws
    limit = propagation.predicted(of)
    wide = finite_width.predicted(of) if of.residual == "none" and draws == "normal" else None
    expands = wide is not None and _expands(wide, limit)
    found = wide if wide is not None and expands else limit
    holds = "every width" if _homogeneous(name, of) else "first order in 1/width" if expands else "large width"
    measured = _measured(of, draws, options)
    checked = () if measured is None or holds == "large width" else SECOND_MOMENTS if holds == "every width" else Layer._fields
    rows = [_row(index, layer, far, measured, checked) for index, (layer, far) in enumerate(zip(found, limit, strict=True))]
    return {
        "scheme": rule.name,
        "nonlinearity": name,
        "sizes": list(of.sizes),
        "residual": of.residual,
        "draws": draws,
        "weight_variances": list(of.variances),
        "branch_variances": list(of.out_variances),
        "holds": holds,
        "layers": rows,
        "forward_factor": limit[-1].second_moment ** (1 / of.depth),
        "backward_factor": limit[0].gradient ** (1 / of.depth),
        **_summary(measured, checked, rows, options),
        "source": source_of("schoenholz-2016"),
    }


def _network(rule: Scheme, name: str, options: Options) -> Network:
    from bursar.theory.initialization.activations import activation

    sizes = _sizes(options)
    pairs = [Fans(*pair) for pair in pairwise(sizes)]
    function = activation(name, options["slope"])
    own = {**options, "nonlinearity": None if options["gain"] else name, "layers": len(pairs)}
    if options["residual"] == "none":
        return network(sizes, tuple([_variance(rule, pair, own) for pair in pairs]), function)
    reads = schemes.SCHEMES[rule.partner or rule.name]
    own = {**own, "layers": len(pairs) / 2, "std": options["std"] or rule.std}  # two branches are a block
    shared = len(pairs) if options["branch_scale"] else 1
    projections = tuple([_variance(rule, Fans(pair.fan_out, pair.fan_in), own) / shared for pair in pairs])
    return network(sizes, tuple([_variance(reads, pair, own) for pair in pairs]), function, options["residual"], projections)


def _variance(rule: Scheme, found: Fans, options: Options) -> float:
    """Xavier's gain is 1 unless one is given; He's is the activation's."""
    own = {**options, "nonlinearity": None} if rule.activation == "linear" else options
    return float(rule_variance(rule, found, own)[0])


def _sizes(options: Options) -> tuple[int, ...]:
    given = options["sizes"]
    if given is not None and (options["width"] or options["layers"]):
        raise PlanError("a network is given by sizes or by width and layers, not both", field="sizes", valid="one of the two")
    sizes = given or (options["width"] or WIDTH,) * ((options["layers"] or DEPTH) + 1)
    if not 2 <= len(sizes) <= MOST_LAYERS + 1:
        raise PlanError(f"a network of {len(sizes) - 1} layers", field="layers", value=len(sizes) - 1, valid=f"1 to {MOST_LAYERS}")
    return tuple(sizes)


def _homogeneous(name: str, network: Network) -> bool:
    """Second moments are then linear in each other, and so exact."""
    return name in HOMOGENEOUS and network.residual != "norm"


def _expands(found: tuple[Layer, ...], limit: tuple[Layer, ...]) -> bool:
    """Whether the terms in 1/width are small beside what they are added to: depth/width is small enough."""
    pairs = [(getattr(a, key), getattr(b, key)) for a, b in zip(found, limit, strict=True) for key in SECOND_MOMENTS]
    return all(abs(value - wide) <= MOST_CORRECTION * wide for value, wide in pairs)


def _measured(network: Network, draws: str, options: Options) -> Measured | None:
    if options["samples"] is None:
        return None
    from bursar.theory.initialization.measured import measured

    return measured(network, draws, options["samples"], options["networks"], options["seed"])


def _row(index: int, layer: Layer, limit: Layer, measured: Measured | None, checked: tuple[str, ...]) -> Payload:
    row: Payload = {"layer": index + 1, **layer._asdict(), "variance": layer.variance, "limit": limit._asdict()}
    if measured is None:
        return row
    found, errors = measured.layers[index], measured.errors[index]
    row["measured"] = {**found._asdict(), "variance": found.variance}
    row["standard_error"] = errors._asdict()
    row["off"] = {key: _off(key, layer, limit, found, errors) for key in Layer._fields}
    row["agrees"] = all(abs(row["off"][key]) <= ERRORS for key in checked) if checked else None
    return row


def _off(key: str, layer: Layer, limit: Layer, found: Layer, errors: Layer) -> float:
    """How many standard errors the measurement is off. What is left out of the prediction, about the square of its relative term in
    1/width, is added to the error."""
    predicted, wide, error = (float(getattr(of, key)) for of in (layer, limit, errors))
    rest = (predicted - wide) ** 2 / abs(predicted) if predicted else 0.0
    spread = math.hypot(error, rest)
    return (float(getattr(found, key)) - predicted) / spread if spread else 0.0


def _summary(measured: Measured | None, checked: tuple[str, ...], rows: list[Payload], options: Options) -> Payload:
    if measured is None:
        return {"agrees": None}
    used = {"networks": options["networks"], "samples": options["samples"], "seed": options["seed"]}
    return {**used, "agrees": all(row["agrees"] for row in rows) if checked else None}


def module(options: Options) -> Payload:
    """Moments of every layer of a live module, forward and backward, and what its weights predict (TARGET as in `bursar trace`)."""
    try:
        from bursar.measure import moments, target
    except ImportError:
        raise BursarError("measuring needs PyTorch", field="target", valid="pip install 'bursar[torch]'") from None
    # what has no values cannot be measured, so `meta` stands for the CPU here
    made = target.make(options["target"], "cpu" if options["on"] == "meta" else options["on"])
    found = moments.moments(made.module, made.args, made.kwargs, options["seed"])
    return {
        "target": options["target"],
        "module": type(made.module).__name__,
        "seed": options["seed"],
        "layers": [_measured_layer(index, layer) for index, layer in enumerate(found)],
    }


def _measured_layer(index: int, layer: Any) -> Payload:
    forward, backward = layer.spread
    gradient, passed = layer.predicted_gradient, layer.input_gradient
    return {
        "layer": index + 1,
        "path": layer.path,
        "kind": layer.kind,
        "shape": list(layer.shape),
        "fan_in": layer.found.fan_in,
        "fan_out": layer.found.fan_out,
        "weight_std": layer.weight_std,
        "gain": layer.found.fan_in * layer.weight_second_moment,
        "input": layer.input._asdict(),
        "second_moment": layer.predicted_output,
        "output_gradient": layer.output_gradient.second_moment if layer.output_gradient else None,
        "gradient": gradient if passed else None,
        "measured": {
            "mean": layer.output.mean,
            "second_moment": layer.output.second_moment,
            "gradient": passed.second_moment if passed else None,
        },
        "spread": {"second_moment": forward, "gradient": backward},
        "off": {
            "second_moment": _spreads(layer.output.second_moment, layer.predicted_output, forward),
            "gradient": _spreads(passed.second_moment, gradient, backward) if passed and gradient else None,
        },
    }


def _spreads(found: float, predicted: float, spread: float) -> float | None:
    return (found / predicted - 1) / spread if predicted else None
