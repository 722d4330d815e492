"""The answer of `bursar init propagate`: a network from options, what is predicted of its layers, and what is measured."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bursar.cli.init import rule_variance
from bursar.errors import PlanError
from bursar.theory.initialization import schemes
from bursar.theory.initialization.fans import Fans

if TYPE_CHECKING:
    from bursar.theory.initialization.measured import Measured
    from bursar.theory.initialization.network import Layer, Network
    from bursar.theory.initialization.schemes import Scheme

Options = dict[str, Any]
Payload = dict[str, Any]

WIDTH, DEPTH = 256, 10
MOST_LAYERS = 1000
HOMOGENEOUS = ("linear", "relu", "leaky_relu")  # c·φ(z) = φ(c·z) for c > 0
SECOND_MOMENTS = ("sums", "second_moment", "sum_gradient", "gradient")
ERRORS = 5.0  # standard errors that a measurement may be off; one in a million is, if it is normal


def answer(options: Options) -> Payload:
    """Every layer with its predicted moments; with samples also the measured ones, their standard errors and whether they agree."""
    from bursar.theory.initialization import finite_width, propagation

    rule = schemes.scheme(options["scheme"] or "he")
    name = options["nonlinearity"] or "relu"
    network = _network(rule, name, options)
    limit = propagation.predicted(network)
    holds = _holds(rule, name, network)
    found = finite_width.predicted(network) if network.residual == "none" and rule.draws == "normal" else limit
    measured = _measured(network, rule, options)
    checked = () if measured is None or holds == "large width" else SECOND_MOMENTS if holds == "every width" else MOMENTS
    rows = [_row(index, layer, wide, measured, checked) for index, (layer, wide) in enumerate(zip(found, limit, strict=True))]
    return {
        "scheme": rule.name,
        "nonlinearity": name,
        "sizes": list(network.sizes),
        "residual": network.residual,
        "draws": rule.draws,
        "weight_variances": list(network.variances),
        "branch_variances": list(network.out_variances),
        "holds": holds,
        "layers": rows,
        "forward_factor": (found[-1].second_moment) ** (1 / network.depth),
        "backward_factor": (found[0].gradient) ** (1 / network.depth),
        **_summary(measured, checked, rows, options),
    }


MOMENTS = ("sums", "mean", "second_moment", "sum_gradient", "gradient")


def _network(rule: Scheme, name: str, options: Options) -> Network:
    from bursar.theory.initialization.activations import activation
    from bursar.theory.initialization.network import network

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


def _holds(rule: Scheme, name: str, network: Network) -> str:
    """How far the second moments are right."""
    if name in HOMOGENEOUS and network.residual != "norm":
        return "every width"
    return "first order in 1/width" if network.residual == "none" and rule.draws == "normal" else "large width"


def _measured(network: Network, rule: Scheme, options: Options) -> Measured | None:
    if options["samples"] is None:
        return None
    from bursar.theory.initialization.measured import measured

    return measured(network, rule.draws, options["samples"], options["networks"], options["seed"])


def _row(index: int, layer: Layer, limit: Layer, measured: Measured | None, checked: tuple[str, ...]) -> Payload:
    row: Payload = {"layer": index + 1, **layer._asdict(), "variance": layer.variance, "limit": limit._asdict()}
    if measured is None:
        return row
    found, errors = measured.layers[index], measured.errors[index]
    row["measured"] = {**found._asdict(), "variance": found.variance}
    row["standard_error"] = errors._asdict()
    row["off"] = {key: _off(key, layer, limit, found, errors) for key in MOMENTS}
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
