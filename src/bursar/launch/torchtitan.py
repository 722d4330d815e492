"""torchtitan: the TOML file of its `JobConfig` (torchtitan/config/job_config.py, up to version 0.2).

Weights are FP32 chunks of FSDP2, gathered in BF16; gradients are reduced in FP32. Tensor parallelism comes with sequence
parallelism. `compile` runs fused kernels; without it operators are PyTorch's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bursar import own
from bursar.errors import PlanError, shown
from bursar.launch.launched import Framework, Job, Launch, flag, layers_of, refuse, share, told, whole, word
from bursar.plan import Plan

Section = dict[str, Any]

MODELS: Mapping[str, tuple[str, str]] = {
    "llama-3-8b": ("llama3", "8B"),
    "llama-3-70b": ("llama3", "70B"),
    "llama-3.1-405b": ("llama3", "405B"),
    "qwen3-0.6b": ("qwen3", "0.6B"),
    "qwen3-4b": ("qwen3", "4B"),
    "qwen3-8b": ("qwen3", "8B"),
    "qwen3-14b": ("qwen3", "14B"),
    "qwen3-32b": ("qwen3", "32B"),
    "qwen3-30b-a3b": ("qwen3", "30B-A3B"),
    "qwen3-235b-a22b": ("qwen3", "235B-A22B"),
    "deepseek-v3": ("deepseek_v3", "671B"),
}
SAME = {"llama-3.1-8b": "llama-3-8b", "llama-3.1-70b": "llama-3-70b"}  # the same layers, other positions
SCHEDULES = {"1f1b": "1F1B", "gpipe": "GPipe", "interleaved": "Interleaved1F1B", "zb-v": "ZBVZeroBubble", "dualpipe-v": "DualPipeV"}
KERNELS = {"fused": True, "sdpa": False}
EXPRESSED = (
    "tensor", "data", "expert", "pipeline", "micro_batch", "shard_group", "reshard", "virtual", "context",
)  # fmt: skip
SAID = frozenset((*EXPRESSED, "sequence", "expert_tensor"))
USUAL = {"grad_dtype": "fp32"}
AGAIN = {"sharding": "per-parameter", "grad_buffer": "lazy"}
HELD: Mapping[str, tuple[Any, ...]] = {
    "schedule": tuple(SCHEDULES),
    "kernels": tuple(KERNELS),
    "zero": (3,),
    "sharding": ("per-parameter",),
    "grad_dtype": ("fp32",),
    "precision": ("bf16",),
    "recompute": ("none", "full"),
    "checkpoint": ("reentrant", "non-reentrant"),
    "context_comm": ("ring", "all-gather"),
    "optimizer": ("adamw", "adam"),
    "update": ("fused", "foreach", "for-loop"),
    "overlap": (("data",), ("data", "tensor")),
    "offload": ((), ("optimizer", "parameters")),
    "grad_buffer": ("allocated", "lazy"),
}
ROTATIONS = {"all-gather": "allgather", "ring": "alltoall"}
RESHARD = {"always": True, "never": False}
OPTIMIZERS = {"adamw": "AdamW", "adam": "Adam"}
# sections that no cost depends on, and keys of the others that none does
COSTLESS = (
    "job",
    "profiling",
    "metrics",
    "lr_scheduler",
    "checkpoint",
    "comm",
    "validation",
    "experimental",
    "debug",
    "fault_tolerance",
    "memory_estimation",
)
READ: Mapping[str, tuple[str, ...]] = {
    "model": ("name", "flavor", "converters"),
    "optimizer": ("name", "implementation", "early_step_in_backward"),
    "training": ("local_batch_size", "global_batch_size", "seq_len", "dtype", "mixed_precision_param", "enable_cpu_offload"),
    "parallelism": (
        "data_parallel_replicate_degree", "data_parallel_shard_degree", "fsdp_reshard_after_forward", "tensor_parallel_degree",
        "enable_async_tensor_parallel", "pipeline_parallel_degree", "pipeline_parallel_first_stage_less_layers",
        "pipeline_parallel_last_stage_less_layers", "pipeline_parallel_layers_per_stage", "pipeline_parallel_schedule",
        "pipeline_parallel_schedule_csv", "pipeline_parallel_microbatch_size", "module_fqns_per_model_part",
        "context_parallel_degree", "context_parallel_rotate_method", "expert_parallel_degree", "expert_tensor_parallel_degree",
        "disable_loss_parallel", "expert_parallel_comm_backend",
    ),
    "activation_checkpoint": ("mode", "selective_ac_option", "early_stop"),
    "compile": ("enable", "components"),
    "quantize": ("linear", "grouped_mm"),
}  # fmt: skip
# keys that change costs and may only have the value whose cost is known
STRANGE: Mapping[tuple[str, str], tuple[Any, ...]] = {
    ("model", "converters"): ([],),
    ("optimizer", "early_step_in_backward"): (False,),
    ("training", "dtype"): ("float32",),
    ("training", "mixed_precision_param"): ("bfloat16",),
    ("parallelism", "module_fqns_per_model_part"): (),
    ("parallelism", "pipeline_parallel_schedule_csv"): ("",),
    ("parallelism", "disable_loss_parallel"): (False,),
    ("parallelism", "expert_parallel_comm_backend"): ("standard",),
}


def write(job: Job) -> str:
    """The config of a job. A stage has whole layers, as many as any other."""
    plan = job.plan
    refuse("torchtitan", plan, SAID, HELD)
    _check(plan, job)
    name, flavor = MODELS[SAME.get(job.model.name, job.model.name)] if _known(job) else ("", "")
    shard = plan.shard_group if plan.shard_group is not None else plan.data * plan.context
    stages = plan.pipeline > 1
    virtual = _virtual(plan)
    sections: dict[str, Section] = {
        "model": {"name": name, "flavor": flavor},
        "optimizer": {"name": OPTIMIZERS[plan.optimizer], "implementation": plan.update},
        "training": {
            "local_batch_size": job.global_batch // plan.data if stages else plan.micro_batch,
            "global_batch_size": job.global_batch,
            "seq_len": job.length,
            "enable_cpu_offload": bool(plan.offload),
        },
        "parallelism": {
            "data_parallel_replicate_degree": plan.data * plan.context // shard,
            "data_parallel_shard_degree": shard // plan.context,
            "fsdp_reshard_after_forward": {yes: word for word, yes in RESHARD.items()}[plan.reshard],
            "tensor_parallel_degree": plan.tensor,
            "enable_async_tensor_parallel": "tensor" in plan.overlap,
            "context_parallel_degree": plan.context,
            "context_parallel_rotate_method": ROTATIONS[plan.context_comm],
            "expert_parallel_degree": plan.expert,
            "expert_tensor_parallel_degree": plan.expert_tensor if plan.expert > 1 else 1,
            "pipeline_parallel_degree": plan.pipeline,
            **(_stages(plan, int(job.model.architecture.layers), virtual) if stages else {}),
        },
        "activation_checkpoint": {"mode": plan.recompute, "early_stop": plan.checkpoint == "non-reentrant"},
        "compile": {"enable": KERNELS[plan.kernels]},
    }
    return "\n".join(_lines(sections))


def _known(job: Job) -> bool:
    name = job.model.name
    if SAME.get(name, name) not in MODELS:
        raise PlanError(f"torchtitan has no flavor {name}", field="model", value=name, valid=[*MODELS, *SAME])
    return True


def _check(plan: Plan, job: Job) -> None:
    """What fields together may not be."""
    if plan.sequence != (plan.tensor > 1):
        raise PlanError(
            "torchtitan cannot express tp without sp, nor sp without tp", field="sp", value=plan.sequence, valid="both or none"
        )
    if plan.expert_tensor not in (1, plan.tensor):
        raise PlanError(f"torchtitan cannot express etp={plan.expert_tensor}", field="etp", valid=f"1 or tp={plan.tensor}")
    if 1 in (plan.data * plan.context, plan.shard_group):
        raise PlanError(
            "torchtitan casts the weights that it shards, and here no ranks share them", field="dp", value=1, valid="2 or more"
        )
    if plan.shard_group is not None and plan.shard_group % plan.context:
        raise PlanError(
            "torchtitan shards over whole context-parallel groups", field="shard_group", valid=f"a multiple of cp={plan.context}"
        )
    if plan.layout is not None or job.model.architecture.layers % (plan.pipeline * _virtual(plan)):
        raise PlanError(
            "this writes torchtitan's stages with layers dealt out evenly", field="layout", valid="pp·vp that divides the layers"
        )


def _virtual(plan: Plan) -> int:
    """Stages of a rank: two, in schedules of the shape of a V."""
    return 2 if plan.schedule in ("zb-v", "dualpipe-v") else int(plan.virtual)


def _stages(plan: Plan, layers: int, virtual: int) -> Section:
    return {
        "pipeline_parallel_schedule": SCHEDULES[plan.schedule],
        "pipeline_parallel_microbatch_size": plan.micro_batch,
        "pipeline_parallel_layers_per_stage": layers // (plan.pipeline * virtual),
        "pipeline_parallel_first_stage_less_layers": 0,
        "pipeline_parallel_last_stage_less_layers": 0,
    }


def _lines(sections: Mapping[str, Section]) -> list[str]:
    """TOML of flat sections."""
    lines: list[str] = []
    for name, values in sections.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {_shown(value)}" for key, value in values.items()]
        lines.append("")
    return lines


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


def read(text: str, given: Mapping[str, Any]) -> Launch:
    """A config. `given` says devices where `data_parallel_shard_degree` is left to them, and the model of an unknown flavor."""
    found = own.parsed(text, "the config")
    unread = _unread(found)
    parts = {name: found.get(name, {}) for name in READ}
    parallel, training, compiled = (
        parts["parallelism"],
        parts["training"],
        flag("compile.enable", parts["compile"].get("enable", False)),
    )
    tp, pp, cp = (
        whole(f"{kind}_parallel_degree", parallel.get(f"{kind}_parallel_degree", 1)) for kind in ("tensor", "pipeline", "context")
    )
    replicate = whole("data_parallel_replicate_degree", parallel.get("data_parallel_replicate_degree", 1))
    shard = _shard(parallel, given, tp * pp * cp * replicate)
    if shard * cp == 1:
        raise PlanError(
            "without FSDP torchtitan keeps and multiplies FP32", field="data_parallel_shard_degree", value=shard, valid="2 or more"
        )
    model = given.get("model") or _model(parts["model"])
    local = whole("local_batch_size", training.get("local_batch_size", 8))
    dp = replicate * shard
    plan = Plan(
        tensor=tp, sequence=tp > 1, pipeline=pp, context=cp, data=dp, zero=3, sharding="per-parameter", grad_dtype="fp32",
        shard_group=shard * cp if replicate > 1 else None, kernels="fused" if compiled else "sdpa", grad_buffer="lazy",
        context_comm=word("context_parallel_rotate_method", parallel.get("context_parallel_rotate_method", "allgather"),
                          {theirs: ours for ours, theirs in ROTATIONS.items()}) if cp > 1 else "ring",
        reshard=_resharded(parallel, pp), overlap=("data", "tensor") if parallel.get("enable_async_tensor_parallel") else ("data",),
        offload=("optimizer", "parameters") if training.get("enable_cpu_offload") else (),
        optimizer=word("optimizer.name", parts["optimizer"].get("name", "AdamW"), {name: our for our, name in OPTIMIZERS.items()}),
        update=word("optimizer.implementation", parts["optimizer"].get("implementation", "fused"), {w: w for w in HELD["update"]}),
        **_experts(parallel, tp), **_recomputed(parts["activation_checkpoint"]), **_read_stages(parallel, pp, local, model),
    )  # fmt: skip
    batch = training.get("global_batch_size", -1)
    return Launch(
        plan,
        model,
        whole("seq_len", training.get("seq_len", 2048)),
        local * dp if batch == -1 else whole("global_batch_size", batch),
        None,
        unread,
    )


def _unread(found: Mapping[str, Any]) -> tuple[str, ...]:
    """Keys that are not read; those that costs depend on must have a value that is known."""
    unread: list[str] = []
    for name, section in found.items():
        if not isinstance(section, dict):
            raise PlanError(f"{shown(name)} is no section", field="file", value=name, valid=list(READ))
        for key, value in section.items():
            if (name, key) in STRANGE and value not in STRANGE[name, key]:
                raise PlanError(
                    f"{name}.{key}={shown(value)} has no counterpart here",
                    field=key,
                    value=value,
                    valid=STRANGE[name, key] or "not given",
                )
            if name == "quantize" and value:
                raise PlanError(f"quantize.{key} has no counterpart here", field=key, valid="not given")
            if key not in READ.get(name, ()):
                unread.append(f"{name}.{key}")
    return tuple(unread)


def _shard(parallel: Section, given: Mapping[str, Any], others: int) -> int:
    asked = parallel.get("data_parallel_shard_degree", -1)
    if asked == -1:
        return share(
            int(told("torchtitan", "devices", given, "--devices N, or a data_parallel_shard_degree")), others, "tp·pp·cp·replicas"
        )
    shard = whole("data_parallel_shard_degree", asked)
    if given.get("devices") and others * shard != given["devices"]:
        raise PlanError(
            f"the file's degrees make {others * shard} devices, not {given['devices']}",
            field="devices",
            value=given["devices"],
            valid=others * shard,
        )
    return shard


def _model(section: Section) -> str | None:
    pair = (section.get("name", "llama3"), section.get("flavor", "debugmodel"))
    return next((ours for ours, theirs in MODELS.items() if theirs == pair), None)


def _resharded(parallel: Section, stages: int) -> bool:
    """By default weights are sharded again after the forward pass, unless a pipeline needs them soon."""
    words = {**RESHARD, "default": stages == 1}
    return bool(word("fsdp_reshard_after_forward", parallel.get("fsdp_reshard_after_forward", "default"), words))


def _experts(parallel: Section, tp: int) -> dict[str, Any]:
    ep = whole("expert_parallel_degree", parallel.get("expert_parallel_degree", 1))
    etp = whole("expert_tensor_parallel_degree", parallel.get("expert_tensor_parallel_degree", 1))
    return {"expert": ep, "expert_tensor": etp if ep > 1 else tp}


def _recomputed(section: Section) -> dict[str, Any]:
    mode = section.get("mode", "selective")
    if mode == "selective" and str(section.get("selective_ac_option", "2")) == "1":
        mode = "full"
    checkpoint = "non-reentrant" if section.get("early_stop") else "reentrant"
    if mode not in ("none", "full"):
        raise PlanError(
            f"activation_checkpoint.mode={shown(mode)} recomputes every second layer or single operators, which no plan here says",
            field="recompute", value=mode, valid="none, full",
        )  # fmt: skip
    return {"recompute": mode, "checkpoint": checkpoint}


def _read_stages(parallel: Section, pp: int, local: int, model: Any) -> dict[str, Any]:
    """Micro-batch, schedule and stages of a pipeline. Stages have the same layers where the ends are not made shorter."""
    if pp == 1:
        return {"micro_batch": local}
    names = {theirs: ours for ours, theirs in SCHEDULES.items()}
    schedule = word("pipeline_parallel_schedule", parallel.get("pipeline_parallel_schedule", "1F1B"), names)
    less = [parallel.get(f"pipeline_parallel_{end}_stage_less_layers", 1) for end in ("first", "last")]
    layers, each = layers_of(model), parallel.get("pipeline_parallel_layers_per_stage")
    if less != [0, 0] or each is None or layers is None:
        raise PlanError(
            "stages are read where pipeline_parallel_layers_per_stage says them and the ends have as many",
            field="pipeline_parallel_layers_per_stage", value=each, valid="a number, and no less layers on the ends",
        )  # fmt: skip
    chunks = share(layers, pp * whole("pipeline_parallel_layers_per_stage", each), "pp·pipeline_parallel_layers_per_stage")
    micro = whole("pipeline_parallel_microbatch_size", parallel.get("pipeline_parallel_microbatch_size", 1))
    if schedule != "interleaved" and chunks != (2 if schedule in ("zb-v", "dualpipe-v") else 1):
        raise PlanError(
            f"schedule={schedule} with {chunks} stages of a rank", field="schedule", value=schedule, valid="interleaved"
        )
    return {"micro_batch": micro, "schedule": schedule, **({"virtual": chunks} if schedule == "interleaved" else {})}


TORCHTITAN = Framework("torchtitan", write, read, (), ".toml", SAID, HELD, USUAL, AGAIN)
