"""DeepSpeed: the JSON of `deepspeed.initialize` (deepspeed/runtime/config.py, deepspeed/runtime/zero/config.py).

It says batches, dtypes, ZeRO and offload. The model, the length of sequences, recomputation and kernels are the training script's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bursar.errors import PlanError, shown
from bursar.launch.launched import Framework, Job, Launch, dtypes, flag, refuse, share, told, whole, word
from bursar.plan import Plan
from bursar.precision import RECIPES

Section = dict[str, Any]

OPEN = ("recompute", "kernels", "checkpoint", "update")
EXPRESSED = ("data", "zero", "micro_batch", "shard_group")
SAID = frozenset((*EXPRESSED, *OPEN, "expert_tensor"))
OPTIMIZERS = {"adamw": "AdamW", "adam": "Adam", "lion": "Lion", "lamb": "Lamb", "adagrad": "Adagrad", "sgd": "SGD", "muon": "Muon"}
HELD: Mapping[str, tuple[Any, ...]] = {
    "precision": ("bf16", "fp16", "fp32"),
    "grad_dtype": (None, "fp32", "bf16", "fp16"),
    "optimizer": tuple(OPTIMIZERS),
    "offload": ((), ("optimizer",), ("parameters",), ("optimizer", "parameters")),
    "overlap": ((), ("data",)),
}
TOP = (
    "train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "bf16", "bfloat16", "fp16",
    "zero_optimization", "optimizer", "data_types", "tensor_parallel", "sequence_parallel_size", "pipeline", "compression_training",
    "torch_autocast", "zero_allow_untested_optimizer",
)  # fmt: skip
ZERO = ("stage", "overlap_comm", "offload_optimizer", "offload_param", "mics_shard_size", "cpu_offload", "zero_hpz_partition_size")
# what changes costs in ways that no plan says
STRANGE = (
    "zero_hpz_partition_size",
    "zero_quantized_weights",
    "zero_quantized_gradients",
    "zero_quantized_nontrainable_weights",
    "zenflow",
)
STRANGE_TOP = ("pipeline", "compression_training", "torch_autocast", "sparse_attention")


def write(job: Job) -> str:
    """The config of a job."""
    plan = job.plan
    refuse("deepspeed", plan, SAID, HELD)
    steps = share(job.global_batch, plan.micro_batch * plan.data, "dp·micro_batch")
    if plan.shard_group is not None and plan.zero != 3:
        raise PlanError(f"deepspeed cannot express shard_group with zero={plan.zero}", field="shard_group", valid="zero 3 (MiCS)")
    zero: Section = {"stage": plan.zero, "overlap_comm": "data" in plan.overlap}
    for kind, key in (("optimizer", "offload_optimizer"), ("parameters", "offload_param")):
        zero |= {key: {"device": "cpu", "pin_memory": True}} if kind in plan.offload else {}
    zero |= {"mics_shard_size": plan.shard_group} if plan.shard_group is not None else {}
    config: Section = {
        "train_batch_size": job.global_batch,
        "train_micro_batch_size_per_gpu": plan.micro_batch,
        "gradient_accumulation_steps": steps,
        **({plan.precision: {"enabled": True}} if plan.precision != "fp32" else {}),
        "data_types": {"grad_accum_dtype": plan.recipe.gradient},
        "zero_optimization": zero,
        "optimizer": {"type": OPTIMIZERS[plan.optimizer], "params": {}},
    }
    return json.dumps(config, indent=2) + "\n"


def read(text: str, given: Mapping[str, Any]) -> Launch:
    """A config. `given` says the model, the length, recomputation and kernels, and devices where batches do not make them plain."""
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PlanError(f"not valid JSON: {str(error)[:100]}", field="file", valid="a DeepSpeed config") from None
    if not isinstance(config, dict):
        raise PlanError("a DeepSpeed config is a JSON object", field="file", valid="an object")
    if not any(key in config for key in TOP):
        raise PlanError("no key of DeepSpeed's is in the file", field="file", valid=["train_batch_size", "zero_optimization", "…"])
    zero = _section(config, "zero_optimization")
    _known(config, zero)
    usual = given.get("precision")
    precision = next((name for name in ("bf16", "fp16") if _enabled(config, name, usual)), "fp32")
    filled = [name for name in ("bf16", "fp16") if _auto(config, name)]
    gradient = _section(config, "data_types").get("grad_accum_dtype") or RECIPES[precision].gradient
    micro, data, batch = _batches(config, given)
    shard = zero.get("mics_shard_size", -1)
    plan = Plan(
        data=data,
        zero=whole("stage", zero.get("stage", 0), low=0, high=3),
        micro_batch=micro,
        shard_group=None if shard == -1 else whole("mics_shard_size", shard),
        optimizer=_optimizer(config),
        offload=_offload(zero),
        overlap=("data",) if flag("overlap_comm", zero.get("overlap_comm", zero.get("stage") == 3)) else (),
        **dtypes(precision, word("grad_accum_dtype", gradient, {name: name for name in ("fp32", "bf16", "fp16")}), "fp32"),
        **{name: given[name] for name in OPEN if name in given},
    )
    named = {f"zero_optimization.{key}" for key in zero if key not in ZERO} | {key for key in config if key not in TOP}
    notes = (("launch_auto", {"keys": ", ".join(filled), "precision": precision}),) if filled else ()
    return Launch(plan, given.get("model"), given.get("length"), batch, None, tuple(sorted(named)), notes)


def _section(config: Section, key: str) -> Section:
    found = config.get(key, {})
    if not isinstance(found, dict):
        raise PlanError(f"{key}={shown(found)}", field=key, value=found, valid="an object")
    return found


def _known(config: Section, zero: Section) -> None:
    for place, keys in ((config, STRANGE_TOP), (zero, STRANGE)):
        for key in keys:
            if place.get(key) not in (None, False, {}) and (key, place[key]) != ("zero_hpz_partition_size", 1):
                raise PlanError(
                    f"{key}={shown(place[key])} has no counterpart here", field=key, value=place[key], valid="not given"
                )
    for key, inner in (("tensor_parallel", "autotp_size"), ("sequence_parallel_size", "")):
        value = _section(config, key).get(inner, 1) if inner else config.get(key, 1)
        if value not in (0, 1):
            raise PlanError(f"{key} of {shown(value)} ranks has no counterpart here", field=key, value=value, valid=1)


def _enabled(config: Section, name: str, usual: str | None) -> bool:
    """Whether a precision is on; what is left to the training script is what was said of it."""
    if not _auto(config, name):
        return flag(name, _precision(config, name).get("enabled", False))
    if usual is None:
        raise PlanError(f"{name}.enabled is auto: the training script says it", field=name, value="auto", valid="--precision NAME")
    return name == usual


def _auto(config: Section, name: str) -> bool:
    return _precision(config, name).get("enabled") == "auto"


def _precision(config: Section, name: str) -> Section:
    return _section(config, "bfloat16" if name == "bf16" and "bfloat16" in config else name)


def _batches(config: Section, given: Mapping[str, Any]) -> tuple[int, int, int]:
    """Micro-batch, data-parallel ranks and global batch: two of micro-batch, accumulation and global batch with the devices make
    the third, and all three make the devices (deepspeed/runtime/config.py, `_configure_train_batch_size`)."""
    names = ("train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "train_batch_size")
    micro, steps, batch = (whole(name, config[name]) if config.get(name) not in (None, "auto") else None for name in names)
    micro = micro if micro is not None else given.get("micro_batch")
    batch = batch if batch is not None else given.get("global_batch")
    if given.get("devices") is None and None not in (micro, steps, batch):
        made = share(int(batch or 0), int(micro or 1) * int(steps or 1), "micro-batch·accumulation")
        return int(micro or 1), made, int(batch or 0)
    devices = int(told("deepspeed", "devices", given, "--devices N, or all three batch sizes in the file"))
    if micro is None:
        micro = share(
            int(told("deepspeed", "global_batch", {"global_batch": batch}, "a batch size")),
            devices * (steps or 1),
            "devices·accumulation",
        )
    made = micro * devices * (steps or 1) if batch is None else batch
    if steps is not None and made != micro * devices * steps:
        raise PlanError(
            f"train_batch_size={made} is not {micro}·{steps}·{devices} (micro-batch·accumulation·devices)",
            field="train_batch_size", value=made, valid=micro * devices * steps,
        )  # fmt: skip
    return micro, devices, made


def _optimizer(config: Section) -> str:
    kind = _section(config, "optimizer").get("type", "AdamW")
    names = {theirs.lower(): ours for ours, theirs in OPTIMIZERS.items()}
    return str(word("optimizer.type", str(kind).lower(), names))


def _offload(zero: Section) -> tuple[str, ...]:
    found = []
    for kind, key in (("optimizer", "offload_optimizer"), ("parameters", "offload_param")):
        device = (_section(zero, key) if zero.get(key) is not None else {}).get("device", "none")
        if word(f"{key}.device", device, {"none": False, "cpu": True}):
            found.append(kind)
    return tuple(found)


DEEPSPEED = Framework("deepspeed", write, read, ("model", "length", *OPEN), ".json", SAID, HELD)
