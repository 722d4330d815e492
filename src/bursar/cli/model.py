"""What a model is: its parameters, FLOPs, cache, and what autograd keeps of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bursar.cli.asked import Options, Payload, assumed, model_of, trainable, tuned

if TYPE_CHECKING:
    from bursar.model import Model
    from bursar.plan import Plan


def _per(total: int, count: int) -> int | float:
    """total / count, an int where it comes out whole."""
    return total // count if total % count == 0 else total / count


def params(options: Options) -> Payload:
    """Parameters, exact: total, active, and every part."""
    model = tuned(options)
    found = model.parameters()
    return {
        "model": model.name,
        "total": found.total,
        "active": found.active,
        "trainable": trainable(model.architecture),
        "embedding": found.embedding,
        "head": found.head,
        "groups": found.groups,
        "layers": [layer._asdict() for layer in found.layers],
        "components": found.components,
        "source": model.published.source,
        "published": model.published.figures,
        **_checkpoint(model, options),
        **assumed(options),
    }


def _checkpoint(model: Model, options: Options) -> Payload:
    """What the checkpoint holds, and where that is not what the config says."""
    place = options.get("checkpoint")
    if not place:
        return {}
    from bursar import checkpoints

    stored = checkpoints.read(place)
    found = checkpoints.reconcile(model.architecture, stored)
    return {
        "checkpoint": {"total": stored.total, "bytes": stored.bytes, "tensors": len(stored.tensors)},
        "reconciled": found.by,
        "missing": found.missing,
        "extra": found.extra,
        "shapes": found.shapes,
        "difference": stored.total - model.parameters().total,
    }


def flops(options: Options) -> Payload:
    """Model FLOPs of a batch: forward, backward, training, per token and by kind."""
    from bursar.report.words import say

    model = tuned(options)
    step = model.step(options["seq"], options["batch"], options["mask"], past=options["past"])
    found = model.flops(step.queries, options["batch"], options["mask"], past=options["past"])
    return {
        "model": model.name,
        "seq": step.queries,
        "batch": options["batch"],
        "past": options["past"],
        "forward": found.forward,
        "backward": found.backward,
        "train": found.train,
        "forward_per_token": _per(found.forward, step.tokens),
        "train_per_token": _per(found.train, step.tokens),
        "by_kind": found.by_kind,
        "mask": options["mask"],
        "convention": say("flops_convention", "en", mask=options["mask"]),
        **_by_length(model, options),
        **assumed(options),
    }


def _by_length(model: Model, options: Options) -> Payload:
    """Forward FLOPs of one sequence by kind, at lengths that double, for a picture of where the attention core takes over."""
    if not options["chart"]:
        return {}
    longest = model.architecture.max_length or 2**18
    lengths = [2**power for power in range(5, 19) if min(512, longest) <= 2**power <= longest]
    return {"by_length": [{"seq": seq, "by_kind": model.flops(seq, 1, options["mask"]).by_kind} for seq in lengths]}


def kv(options: Options) -> Payload:
    """KV cache: elements and bytes per token, and of a batch at its length."""
    model = model_of(options)
    length = model.length(options["seq"])
    found = model.kv(length, options["batch"], options["kv_dtype"])
    asked = {"seq": length, "batch": options["batch"], "kv_dtype": options["kv_dtype"]}
    return {"model": model.name, **asked, **found._asdict(), **assumed(options)}


def activations(options: Options) -> Payload:
    """Bytes that autograd keeps for one micro-batch, by layer and tensor."""
    from bursar import jobs

    model = model_of(options)
    plan = jobs.plan(
        {**options, **dict.fromkeys(("pp", "dp", "vp"), 1), **dict.fromkeys(("schedule", "layout", "devices", "nodes"))}
    )
    length = model.length(options["seq"])
    found = model.activations(plan, length, options["mask"])
    return {
        "model": model.name,
        "seq": length,
        "micro_batch": plan.micro_batch,
        "kernels": plan.kernels,
        "precision": plan.precision,
        "recompute": plan.recompute,
        "tp": plan.tensor,
        "sp": plan.sequence,
        "layers": [vars(layer) for layer in found.layers],
        "shared": found.shared,
        "embedding": found.embedding,
        "head": found.head,
        "loss": found.loss,
        "total": found.total,
        "entries": [
            {
                "path": entry.path,
                "tensor": entry.path.rsplit(".", 1)[-1],
                "kind": entry.kind,
                "count": entry.times,
                "bytes": entry.value,
            }
            for entry in found.entries
        ],
        **_wiring(model, plan, length, options),
        **assumed(options),
    }


def _wiring(model: Model, plan: Plan, length: int, options: Options) -> Payload:
    """A layer of every kind, operator by operator, for a picture of it."""
    if not options["chart"]:
        return {}
    from bursar.questions import diagram
    from bursar.training import Training

    training = Training(model.architecture, plan, length=length, mask=options["mask"])
    return {
        "wiring": [
            {"kind": kind, "lines": [{**node._asdict(), "kept": [item._asdict() for item in node.kept]} for node in nodes]}
            for kind, nodes in diagram.layers(training).items()
        ]
    }
