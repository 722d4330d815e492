"""Accelerate: the YAML of `accelerate launch --config_file` for FSDP (accelerate/commands/config/config_args.py,
accelerate/utils/dataclasses.py, `FullyShardedDataParallelPlugin`).

It says processes, sharding, precision, offload and checkpointing. The model, batches, lengths, the optimizer and kernels are the
training script's. Weights are FP32 chunks that are gathered in the dtype of mixed precision.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bursar.dims import divisors
from bursar.errors import PlanError, shown
from bursar.launch import deepspeed, yaml_text
from bursar.launch.launched import Framework, Job, Launch, flag, refuse, share, told, whole, word
from bursar.plan import Plan

Section = dict[str, Any]

OPEN = ("micro_batch", "optimizer", "kernels", "update", "grad_buffer")
EXPRESSED = ("data", "reshard", "shard_group")
SAID = frozenset((*EXPRESSED, *OPEN, "expert_tensor"))
USUAL = {"grad_dtype": "fp32", "checkpoint": "non-reentrant"}
HELD: Mapping[str, tuple[Any, ...]] = {
    "zero": (3,),
    "sharding": ("flat", "per-parameter"),
    "precision": ("bf16", "fp16", "fp32"),
    "grad_dtype": (None, "fp32"),
    "recompute": ("none", "full"),
    "checkpoint": ("reentrant", "non-reentrant"),
    "offload": ((), ("optimizer", "parameters")),
}
PRECISIONS = {"bf16": "bf16", "fp16": "fp16", "fp32": "no"}
VERSIONS = {"flat": 1, "per-parameter": 2}
STRATEGIES = {
    (True, False): "FULL_SHARD",
    (False, False): "SHARD_GRAD_OP",
    (True, True): "HYBRID_SHARD",
    (False, True): "HYBRID_SHARD_ZERO2",
}
TOP = ("distributed_type", "mixed_precision", "num_processes", "num_machines", "fsdp_config", "parallelism_config")
FSDP = (
    "fsdp_version", "fsdp_sharding_strategy", "fsdp_reshard_after_forward", "fsdp_offload_params", "fsdp_activation_checkpointing",
    "fsdp_auto_wrap_policy", "fsdp_mixed_precision_policy", "fsdp_activation_cpu_offload",
)  # fmt: skip
PARALLEL = ("dp_replicate_size", "dp_shard_size", "tp_size", "cp_size", "sp_size")


def write(job: Job) -> str:
    """The config of a job."""
    plan = job.plan
    refuse("accelerate", plan, SAID, HELD)
    _check(plan, job)
    nodes = plan.data // max(count for count in divisors(plan.data) if count <= job.node)
    lines = [
        "compute_environment: LOCAL_MACHINE",
        "distributed_type: FSDP",
        f"mixed_precision: '{PRECISIONS[plan.precision]}'",
        f"num_processes: {plan.data}",
        f"num_machines: {nodes}",
        "machine_rank: 0",
        "fsdp_config:",
        f"  fsdp_version: {VERSIONS[plan.sharding]}",
        _resharding(plan),
        "  fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP",
        f"  fsdp_offload_params: {_yes(bool(plan.offload))}",
        f"  fsdp_activation_checkpointing: {_yes(plan.recompute == 'full')}",
        "  fsdp_state_dict_type: SHARDED_STATE_DICT",
    ]
    if plan.sharding == "per-parameter" and plan.shard_group is not None:
        sizes = {"dp_replicate_size": plan.replicas, "dp_shard_size": plan.shard_group, "tp_size": 1, "cp_size": 1}
        lines += ["parallelism_config:", *[f"  parallelism_config_{key}: {value}" for key, value in sizes.items()]]
    return "\n".join(lines) + "\n"


def _check(plan: Plan, job: Job) -> None:
    """What fields together may not be."""
    if plan.precision != "fp32" and plan.recipe.gradient != "fp32":
        raise PlanError(
            f"accelerate keeps the gradients of FP32 chunks, not {plan.recipe.gradient}", field="grad_dtype",
            value=plan.recipe.gradient, valid="fp32",
        )  # fmt: skip
    if plan.recompute == "full" and plan.checkpoint != "non-reentrant":
        raise PlanError(
            "accelerate's checkpoints are not reentrant", field="checkpointing", value=plan.checkpoint, valid="non-reentrant"
        )
    if plan.sharding == "flat" and plan.shard_group not in (None, job.node):
        raise PlanError(
            f"accelerate's FSDP 1 shards over a node, not over {plan.shard_group} ranks", field="shard_group",
            value=plan.shard_group, valid=f"{job.node}, or --sharding per-parameter",
        )  # fmt: skip


def _resharding(plan: Plan) -> str:
    if plan.sharding == "per-parameter":
        return f"  fsdp_reshard_after_forward: {_yes(plan.reshard)}"
    return f"  fsdp_sharding_strategy: {STRATEGIES[plan.reshard, plan.shard_group is not None]}"


def _yes(value: bool) -> str:
    return "true" if value else "false"


def read(text: str, given: Mapping[str, Any]) -> Launch:
    """A config. `given` says what the training script does: model, length, batches, optimizer and kernels."""
    config = yaml_text.mapping(text, "an Accelerate config")
    if config.get("distributed_type") == "DEEPSPEED":
        return _deepspeed(config, given)
    if config.get("distributed_type") != "FSDP":
        kind = shown(config.get("distributed_type"))
        raise PlanError(f"distributed_type={kind}", field="distributed_type", valid="FSDP, DEEPSPEED")
    fsdp, parallel = _section(config, "fsdp_config"), _section(config, "parallelism_config")
    named = {key.removeprefix("parallelism_config_"): value for key, value in parallel.items()}
    _known(fsdp, named)
    devices, precision = _devices(config, given), _precision(config)
    recompute = flag("fsdp_activation_checkpointing", fsdp.get("fsdp_activation_checkpointing", False))
    plan = Plan(
        data=devices, zero=3, precision=precision, grad_dtype=None if precision == "fp32" else "fp32",
        recompute="full" if recompute else "none",
        checkpoint="non-reentrant" if recompute else given.get("checkpoint", "reentrant"),
        offload=("optimizer", "parameters") if flag("fsdp_offload_params", fsdp.get("fsdp_offload_params", False)) else (),
        **_sharded(fsdp, named, devices, whole("num_machines", config.get("num_machines", 1))),
        **{name: given[name] for name in OPEN if given.get(name) is not None},
    )  # fmt: skip
    unread = {key for key in config if key not in TOP} | {f"fsdp_config.{key}" for key in fsdp if key not in FSDP}
    notes: tuple[tuple[str, Section], ...] = () if precision == "fp32" else (("launch_reduced", {"dtype": precision}),)
    if precision != "fp32" and plan.sharding == "flat":
        notes = (*notes, ("launch_fsdp1", {}))
    return Launch(plan, given.get("model"), given.get("length"), given.get("global_batch"), None, tuple(sorted(unread)), notes)


def _devices(config: Section, given: Mapping[str, Any]) -> int:
    if "num_processes" not in config:
        return int(told("accelerate", "devices", given, "--devices N"))
    devices = whole("num_processes", config["num_processes"])
    if given.get("devices") and given["devices"] != devices:
        raise PlanError(f"num_processes={devices}, not {given['devices']}", field="devices", value=given["devices"], valid=devices)
    return devices


def _precision(config: Section) -> str:
    asked = str(config.get("mixed_precision", "no")).lower().replace("false", "no")
    return str(word("mixed_precision", asked, {theirs: ours for ours, theirs in PRECISIONS.items()}))


def _deepspeed(config: Section, given: Mapping[str, Any]) -> Launch:
    """DeepSpeed's config as Accelerate makes it (accelerate/utils/dataclasses.py, `DeepSpeedPlugin`)."""
    said = _section(config, "deepspeed_config")
    if "deepspeed_config_file" in said:
        raise PlanError(
            f"the config is in {shown(said['deepspeed_config_file'])}", field="deepspeed_config_file", valid="an audit of that file"
        )
    precision = _precision(config)
    offloads = {f"offload_{kind}": {"device": said.get(f"offload_{kind}_device", "none")} for kind in ("optimizer", "param")}
    made = {
        "gradient_accumulation_steps": said.get("gradient_accumulation_steps", "auto"),
        "zero_optimization": {"stage": said.get("zero_stage", 2), **offloads},
        **({precision: {"enabled": True}} if precision != "fp32" else {}),
    }
    found = deepspeed.read(json.dumps(made, default=str), {**given, "devices": _devices(config, given)})
    unread = {key for key in config if key not in (*TOP, "deepspeed_config")}
    return replace(found, unread=tuple(sorted(unread)))


def _section(config: Section, key: str) -> Section:
    found = config.get(key) or {}
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise PlanError(f"{key}={shown(found)}", field=key, value=found, valid="a mapping")
    return found


def _known(fsdp: Section, parallel: Section) -> None:
    for key in ("tp_size", "cp_size", "sp_size"):
        if parallel.get(key) not in (None, 1):
            raise PlanError(f"{key}={shown(parallel[key])} has no counterpart here", field=key, value=parallel[key], valid=1)
    policy = fsdp.get("fsdp_auto_wrap_policy", "TRANSFORMER_BASED_WRAP")
    word("fsdp_auto_wrap_policy", str(policy).upper(), {"TRANSFORMER_BASED_WRAP": True})
    for key in ("fsdp_mixed_precision_policy", "fsdp_activation_cpu_offload"):
        if fsdp.get(key) not in (None, False):
            raise PlanError(f"{key}={shown(fsdp[key])} has no counterpart here", field=key, value=fsdp[key], valid="not given")


def _sharded(fsdp: Section, parallel: Section, devices: int, machines: int) -> Section:
    """How and over which ranks weights are sharded."""
    if whole("fsdp_version", fsdp.get("fsdp_version", 1), high=2) == 2:
        reshard = flag("fsdp_reshard_after_forward", fsdp.get("fsdp_reshard_after_forward", True))
        copies = whole("dp_replicate_size", parallel.get("dp_replicate_size") or 1)
        group = share(devices, copies, "dp_replicate_size") if copies > 1 else None
        return {"sharding": "per-parameter", "reshard": reshard, "shard_group": group}
    asked = fsdp.get("fsdp_sharding_strategy", fsdp.get("fsdp_reshard_after_forward", "FULL_SHARD"))
    reshard, hybrid = word("fsdp_sharding_strategy", str(asked).upper(), {theirs: ours for ours, theirs in STRATEGIES.items()})
    return {"sharding": "flat", "reshard": reshard, "shard_group": share(devices, machines, "num_machines") if hybrid else None}


ACCELERATE = Framework("accelerate", write, read, ("model", "length", "global_batch", *OPEN), ".yaml", SAID, HELD, USUAL)
