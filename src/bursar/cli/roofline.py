"""What bounds an operation, or every operator of a model's layers, on a device: products or memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bursar.cli import budget
from bursar.cli.asked import Options, Payload, assumed, device_of, model_of
from bursar.errors import PlanError

if TYPE_CHECKING:
    from bursar.questions.layer_roofline import Layer


def roofline(options: Options) -> Payload:
    """What bounds an operation on a device, products or memory, and the least time; of a MODEL, every operator of its layers."""
    found = budget.roofline(options)
    if not options["model"]:
        return found
    from bursar import jobs
    from bursar.questions import layer_roofline

    device = device_of(options)
    if device is None:
        raise PlanError("the operators of a layer need a device", field="device", valid="--device NAME")
    alone = {"global_batch": None, "global_batch_tokens": None}
    training, _ = jobs.training(model_of(options), {**options, **alone}, device)
    return {
        **found,
        "model": options["model"],
        "seq": training.length,
        "micro_batch": training.plan.micro_batch,
        "layers": [_layer(layer) for layer in layer_roofline.layers(training)],
        **assumed(options),
    }


def _layer(layer: Layer) -> Payload:
    return {
        "kind": layer.kind,
        "operators": [
            {
                "path": point.path,
                "op": point.op,
                "flops": point.flops,
                "bytes": point.bytes,
                "intensity": point.flops / point.bytes,
                "seconds": point.seconds,
                "flop_per_s": point.flops / point.seconds,
                "bytes_per_s": point.bytes / point.seconds,
                "share": point.share,
                "bound": "compute" if point.compute_s >= point.memory_s else "memory",
            }
            for point in layer.points
        ],
    }
