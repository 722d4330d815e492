"""Maximal update parametrization: how initialization, multiplier and learning rate go with width, for each class of weights.

The two forms are of the paper's tables 3 and 8; the second lets input and output share one embedding. They train alike: a form goes
over into another where a weight's multiplier takes a factor θ, its standard deviation 1/θ, and its learning rate 1/θ² under SGD and
1/θ under Adam (the paper's lemma J.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from bursar.dims import Dim


class Scales(NamedTuple):
    """Factors on what was tuned at the base width."""

    init_variance: Dim
    multiplier: Dim
    sgd_rate: Dim
    adam_rate: Dim


class Widening(NamedTuple):
    """Fan-in and fan-out over those of the base model, as far as they grow with the width."""

    fan_in: Dim
    fan_out: Dim


# standard parametrization knows no width but in its initialization
STANDARD: Mapping[str, Callable[[Widening], Scales]] = {
    "input": lambda w: Scales(1 / w.fan_in, 1, 1, 1),
    "hidden": lambda w: Scales(1 / w.fan_in, 1, 1, 1),
    "output": lambda w: Scales(1 / w.fan_in, 1, 1, 1),
}
TABLE_3: Mapping[str, Callable[[Widening], Scales]] = {
    "input": lambda w: Scales(1 / w.fan_in, 1, w.fan_out, 1),
    "hidden": lambda w: Scales(1 / w.fan_in, 1, 1, 1 / w.fan_in),
    "output": lambda w: Scales(1 / w.fan_in**2, 1, 1 / w.fan_in, 1 / w.fan_in),
}
TABLE_8: Mapping[str, Callable[[Widening], Scales]] = {
    "input": lambda w: Scales(1 / w.fan_in, 1, w.fan_out, 1),
    "hidden": lambda w: Scales(1 / w.fan_in, 1, 1, 1 / w.fan_in),
    "output": lambda w: Scales(1, 1 / w.fan_in, w.fan_in, 1),
}
FORMS: Mapping[str, Mapping[str, Callable[[Widening], Scales]]] = {"standard": STANDARD, "table 3": TABLE_3, "table 8": TABLE_8}


def widening(of: str, ratio: Dim) -> Widening:
    """What grows with the width, for a class: inputs and vocabularies do not; biases and gains of norms go with the inputs."""
    return {"input": Widening(1, ratio), "hidden": Widening(ratio, ratio), "output": Widening(ratio, 1)}[of]


def scales(form: str, of: str, ratio: Dim) -> Scales:
    """The factors of a class of weights where the width is `ratio` times that of the base model."""
    return FORMS[form][of](widening(of, ratio))


def logit_scale(head_dim: Dim, base_head_dim: Dim) -> Dim:
    """What q·k is multiplied by: 1/d instead of 1/√d, with the base model's 1/√d kept at its own width."""
    return base_head_dim**0.5 / head_dim
