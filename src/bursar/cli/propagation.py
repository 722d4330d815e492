"""The answer of `bursar init propagate`: a network from options, what is predicted of its layers, and what is measured."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bursar.cli.init import rule_variance, source_of
from bursar.errors import PlanError
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


def answer(options: Options) -> Payload:
    """Every layer with its predicted moments; with samples also the measured ones, their standard errors and whether they agree."""
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
    rows = [_row(index, layer, wide, measured, checked) for index, (layer, wide) in enumerate(zip(found, limit, strict=True))]
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
