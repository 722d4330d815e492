"""The steps of torch.optim with given gradients, beside those of our update rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from bursar.errors import PlanError
from bursar.theory.updates.rule import Array

DECAYED = {"lr": "lr", "weight_decay": "weight_decay"}
MOMENTS = {**DECAYED, "eps": "eps"}


class Twin(NamedTuple):
    """An optimizer of torch.optim, the arguments that make it the one of our name, and its names of our settings."""

    make: Callable[..., torch.optim.Optimizer]
    fixed: Mapping[str, Any]
    names: Mapping[str, str]


TWINS: Mapping[str, Twin] = {
    "sgd": Twin(torch.optim.SGD, {}, DECAYED),
    "momentum": Twin(torch.optim.SGD, {}, {**DECAYED, "momentum": "momentum"}),
    "nesterov": Twin(torch.optim.SGD, {"nesterov": True}, {**DECAYED, "momentum": "momentum"}),
    "rmsprop": Twin(torch.optim.RMSprop, {}, {**MOMENTS, "decay": "alpha"}),
    "adagrad": Twin(torch.optim.Adagrad, {}, MOMENTS),
    "adam": Twin(torch.optim.Adam, {}, MOMENTS),
    "adamw": Twin(torch.optim.AdamW, {}, MOMENTS),
    "amsgrad": Twin(torch.optim.Adam, {"amsgrad": True}, MOMENTS),
    "adafactor": Twin(torch.optim.Adafactor, {}, {**DECAYED, "decay": "beta2_decay", "clip": "d"}),
    "muon": Twin(torch.optim.Muon, {}, {**MOMENTS, "momentum": "momentum"}),
}


def stepped(name: str, theta: Array, gradients: Sequence[Array], settings: Mapping[str, Any]) -> Array:
    """The weight after steps of torch.optim in float64, with all settings of our rule that it has. Raises PlanError where
    torch.optim has no such optimizer, or not for a weight of this shape."""
    if name not in TWINS:
        raise PlanError(f"torch.optim has no {name}", field="torch", value=name, valid=TWINS)
    if name == "muon" and theta.ndim != 2:
        raise PlanError("torch.optim's muon takes matrices", field="theta", value=theta.tolist(), valid="a matrix")
    weight = torch.nn.Parameter(torch.tensor(theta))
    optimizer = _made(TWINS[name], weight, settings)
    for gradient in gradients:
        weight.grad = torch.tensor(gradient)
        optimizer.step()
    found: Array = weight.detach().numpy().astype(np.float64)
    return found


def _made(twin: Twin, weight: torch.nn.Parameter, settings: Mapping[str, Any]) -> torch.optim.Optimizer:
    given = {theirs: settings[ours] for ours, theirs in twin.names.items()}
    if "beta1" in settings:
        given["betas"] = (settings["beta1"], settings["beta2"])
    if "eps_rms" in settings:
        given["eps"] = (settings["eps"], settings["eps_rms"])
    try:
        return twin.make([weight], **twin.fixed, **given)
    except ValueError as error:
        raise PlanError(f"torch.optim refuses: {error}", field="torch") from None


def departures(name: str, settings: Mapping[str, Any]) -> list[str]:
    """What our step was asked to do otherwise than torch.optim does."""
    asked = {
        "eps_inside": settings.get("eps_inside", False),
        "no_bias_correction": not settings.get("bias_correction", True),
        "momentum_average": settings.get("momentum_form") == "average",
        "bf16_iterations": name == "muon",
    }
    return [departure for departure, so in asked.items() if so]
