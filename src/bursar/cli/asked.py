"""What verbs share: a model, a device and adapters as they were asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

Options = dict[str, Any]
Payload = dict[str, Any]

if TYPE_CHECKING:
    from bursar.machines.devices import Device
    from bursar.model import Model
    from bursar.tree import Architecture


def model_of(options: Options) -> Model:
    from bursar.model import load

    return load(
        options["model"],
        mtp=options.get("mtp", False),
        dropout=options.get("dropout"),
        as_family=options.get("as_family"),
        changes=options.get("set") or (),
    )


def tuned(options: Options) -> Model:
    """The model with its adapters and frozen weights."""
    from bursar import jobs
    from bursar.plan import Plan

    return model_of(options).tuned(Plan(**jobs.tuning(options)))


def trainable(architecture: Architecture) -> int:
    """Parameters that are trained."""
    return sum(times * sum(block.trained) for _, times, block in architecture.parts())


def assumed(options: Options) -> Payload:
    """Which family was assumed and which keys of the config were changed, if any."""
    family = options.get("as_family")
    changes = dict(options.get("set") or ())
    return {**({"assumed": f"read as family {family}"} if family else {}), **({"set": changes} if changes else {})}


def device_of(options: Options) -> Device | None:
    from bursar.machines.devices import device

    if options.get("cluster"):
        from bursar.machines.clusters import cluster

        found = cluster(options["cluster"]).placed(options["device"])
    elif options["device"]:
        found = device(options["device"])
    else:
        return None
    if path := options.get("calibration"):
        from bursar.calibrate.file import applied

        return applied(found, path)
    return found
