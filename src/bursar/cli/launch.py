"""A plan as a launch: written for a framework, and read back from a framework's file to be audited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bursar import own
from bursar.cli.asked import Options, Payload, assumed, device_of, model_of
from bursar.errors import PlanError

if TYPE_CHECKING:
    from bursar.launch import Launch
    from bursar.launch.findings import Finding
    from bursar.model import Model

FIELDS = {"recompute": "recompute", "checkpointing": "checkpoint", "kernels": "kernels", "micro_batch": "micro_batch",
          "optimizer": "optimizer", "optimizer_step": "update", "grad_buffer": "grad_buffer", "precision": "precision"}  # fmt: skip


def launch(options: Options) -> Payload:
    """The arguments or the config of a framework for a plan: megatron, torchtitan, deepspeed, accelerate (fsdp) or nemo."""
    from bursar import jobs
    from bursar import launch as room

    model, device = model_of(options), device_of(options)
    training, _ = jobs.training(model, options, device)
    node = int(device.node.si) if device else 8
    job = room.Job(model, training.plan, training.length, training.global_batch, node)
    found = room.framework(options["framework"])
    text = found.write(job)
    if options["out"] is not None:
        own.write(options["out"], text, "out")
    return {
        "framework": found.name,
        "model": options["model"],
        "seq": training.length,
        "global_batch": training.global_batch,
        "devices": training.plan.devices,
        "plan": training.plan.options(),
        "text": text,
        "not_said": list(found.open),
        "out": options["out"],
        **assumed(options),
    }


def audit_launch(options: Options) -> Payload:
    """What a framework's arguments or config ask for: memory, time, what is wrong and what is wasteful in it."""
    from bursar import launch as room

    device = device_of(options)
    given = {
        "model": options["model"],
        "length": options["seq"],
        "global_batch": options["global_batch"],
        "devices": _devices(options),
        **{field: options[name] for name, field in FIELDS.items()},
    }
    framework, found = room.read(room.text_of(options["file"]), given, options["framework"])
    model = _model(found, options)
    length, batch = found.length or model.length(options["seq"]), found.global_batch or found.plan.data * found.plan.micro_batch
    payload = {
        "framework": framework,
        "model": found.model if isinstance(found.model, str) else model.architecture.family,
        "params": model.params(),
        "device": device.id if device else None,
        "devices": found.plan.devices,
        "seq": length,
        "global_batch": batch,
        "plan": found.plan.options(),
        "not_read": list(found.unread),
    }
    return {**payload, **_judged(found, model, options, length, batch)}


def _devices(options: Options) -> int | None:
    from bursar import jobs

    return jobs.device_count(options, device_of(options))


def _model(found: Launch, options: Options) -> Model:
    """The model that a file says, with the vocabulary that the framework pads it to."""
    from bursar.model import load

    if found.model is None:
        raise PlanError("the file does not say the model", field="model", valid="bursar audit-launch FILE MODEL")
    if isinstance(found.model, str):
        return model_of({**options, "model": found.model})
    return load({**found.model, **({"vocab_size": found.vocab} if found.vocab else {})})


def _judged(found: Launch, model: Model, options: Options, length: int, batch: int) -> Payload:
    """Memory, time and findings; of a plan that breaks rules, the rules alone."""
    from bursar.cli.job import stages_of, times_of
    from bursar.launch import findings
    from bursar.rules import Job
    from bursar.training import Training

    device = device_of(options)
    peaks = tuple(device.peaks) if device else None
    broken = findings.broken(model.architecture, found.plan, Job(length, batch, peaks=peaks))
    if broken:
        return {"findings": _shown([*broken, *findings.notes(found)])}
    training = Training(model.architecture, found.plan, device, length=length, global_batch=batch, mask=options["mask"])
    peak = training.peak()
    memory = {"stages": stages_of(training), "peak": peak}
    if device is None:
        return {**memory, "findings": _shown(findings.notes(found))}
    return {
        **memory,
        "device_memory": int(device.memory.si),
        "fits": peak <= device.memory.si,
        **times_of(training),
        "findings": _shown(findings.of_training(training, found)),
    }


def _shown(found: list[Finding]) -> list[Payload]:
    return [{"kind": one.kind, "key": one.key, **one.facts} for one in found]
