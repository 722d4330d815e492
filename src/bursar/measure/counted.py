"""What a meter counts of what it is given: the architecture of a model, and the dense peak of the device that it runs on."""

from __future__ import annotations

import json
from typing import Any

import torch

from bursar.errors import BursarError
from bursar.machines.devices import Device
from bursar.machines.devices import device as device_named
from bursar.measure import machines
from bursar.model import Model, load
from bursar.precision import recipe
from bursar.training import Training
from bursar.tree import Architecture

DTYPES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}


def architecture(given: Any, config: Any, job: Training | None) -> Architecture | None:
    """What is counted; None for a module that has no config.

    Raises BursarError where a module has other parameters than its config says, or some that are not trained."""
    if config is not None:
        return _read(config).architecture
    if job is not None:
        return job.architecture
    if not isinstance(given, torch.nn.Module):
        return _read(given).architecture
    own: Any = getattr(given, "config", None)
    if not hasattr(own, "to_json_string"):
        return None
    found = load(json.loads(own.to_json_string()))  # a config.json as transformers writes it
    steering = sum(tensor.numel() for name, tensor in given.named_buffers() if name.endswith("e_score_correction_bias"))
    here = sum(parameter.numel() for parameter in given.parameters()) + steering
    if here != found.params() or not all(parameter.requires_grad for parameter in given.parameters()):
        raise BursarError(
            f"{type(given).__name__} has {here:,} parameters, its config {found.params():,}, or some are frozen", field="model",
            valid="config=MODEL, a bursar Model of what is trained (Model.tuned(plan)), or job=",
        )  # fmt: skip
    return found.architecture


def _read(given: Any) -> Model:
    if isinstance(given, (str, dict)):
        return load(given)
    if isinstance(given, Model):
        return given
    raise BursarError(
        f"no meter for {type(given).__name__}", field="model", valid="a module, a Model, a config, a name of the catalog"
    )


def peak(
    module: torch.nn.Module | None, at: torch.device, job: Training | None, device: str | Device | None, precision: str | None
) -> float | None:
    """FLOP/s of one device at its dense peak; None on a CPU, which the catalog has no peak of.

    Raises BursarError for a GPU that is none of the catalog, and where the dtype that runs is not known."""
    named = device_named(device) if isinstance(device, str) else device
    found = named or (job and job.device) or machines.here(at)
    if found is None:
        return None
    chosen = recipe(precision) if precision else job.plan.recipe if job else recipe(_dtype(module))
    return found.peak(chosen.compute).si


def _dtype(module: torch.nn.Module | None) -> str:
    """The precision of a module's parameters."""
    dtype = next((parameter.dtype for parameter in module.parameters()), None) if module else None
    if dtype not in DTYPES:
        raise BursarError("the dtype that runs is not known", field="precision", value=dtype, valid="precision=NAME or peak=FLOP/s")
    return DTYPES[dtype]
