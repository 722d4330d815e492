"""NeMo and Megatron-Bridge: overrides of a pretraining recipe, as `scripts/training/run_recipe.py` takes them (section.key=value),
or the YAML of its ConfigContainer.

The recipe says the model. Keys are those of Megatron-Core's configs, in Megatron-Bridge's sections
(megatron/bridge/training/config.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bursar.errors import PlanError, shown
from bursar.launch import megatron_plan, script, yaml_text
from bursar.launch.launched import Framework, Job, Launch, flag, layers_of, told, whole

Keys = dict[str, Any]

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "train": ("micro_batch_size", "global_batch_size"),
    "ddp": (
        "use_distributed_optimizer", "overlap_grad_reduce", "overlap_param_gather", "grad_reduce_in_fp32",
        "num_distributed_optimizer_instances", "use_megatron_fsdp",
    ),
    "optimizer": ("optimizer", "use_precision_aware_optimizer", "exp_avg_dtype", "exp_avg_sq_dtype", "optimizer_cpu_offload"),
    "comm_overlap": ("tp_comm_overlap", "overlap_moe_expert_parallel_comm"),
    "mixed_precision": ("grad_reduce_in_fp32", "fp8_param", "bf16", "fp16", "fp8", "fp8_recipe", "fp4", "fp4_recipe"),
    "dataset": ("seq_length", "sequence_length"),
    "model": (
        *megatron_plan.SIZES, "context_parallel_size", "cp_comm_type", "sequence_parallel", "expert_model_parallel_size",
        "expert_tensor_parallel_size", "moe_token_dispatcher_type", "moe_enable_deepep", "seq_length", "recompute_granularity",
        "recompute_method", "recompute_num_layers", "recompute_modules", "gradient_accumulation_fusion", "cpu_offloading",
        "pipeline_model_parallel_layout", "virtual_pipeline_model_parallel_size", "fine_grained_activation_offloading",
        "num_layers_in_first_pipeline_stage", "num_layers_in_last_pipeline_stage",
    ),
}  # fmt: skip
PLACES = {(section, key) for section, keys in SECTIONS.items() for key in keys}
WRITTEN = {key: section for section in reversed(list(SECTIONS)) for key in SECTIONS[section]} | {"seq_length": "model"}
# what changes costs in ways that no plan says, with the values that change none
STRANGE: Mapping[str, tuple[Any, ...]] = {
    "dist.use_megatron_fsdp": (None, False, "false"), "dist.use_torch_fsdp2": (None, False, "false"),
    "ddp.data_parallel_sharding_strategy": (None, "no_shard"),
}  # fmt: skip
YAML = re.compile(r"^(ConfigContainer|model|train|ddp)\s*:\s*$", re.MULTILINE)
OVERRIDE = re.compile(r"[+~]{0,2}((?:[a-z_]\w*(?:\.\w+)+)|mixed_precision)=(.*)", re.DOTALL)
SWITCHES = frozenset({
    "bf16", "fp16",
    "use_distributed_optimizer", "overlap_grad_reduce", "overlap_param_gather", "grad_reduce_in_fp32", "use_megatron_fsdp",
    "use_precision_aware_optimizer", "optimizer_cpu_offload", "tp_comm_overlap", "overlap_moe_expert_parallel_comm", "fp8_param",
    "sequence_parallel", "moe_enable_deepep", "gradient_accumulation_fusion", "cpu_offloading",
    "fine_grained_activation_offloading",
})  # fmt: skip
# megatron/bridge/training/mixed_precision.py: names of whole recipes of precision
PRECISIONS: Mapping[str, Keys] = {
    "bf16_mixed": {"bf16": True},
    "fp16_mixed": {"fp16": True},
    "bf16_with_fp8_delayed_scaling_mixed": {"bf16": True, "fp8": "hybrid", "fp8_recipe": "delayed"},
    "bf16_with_fp8_current_scaling_mixed": {"bf16": True, "fp8": "hybrid", "fp8_recipe": "tensorwise"},
    "bf16_with_fp8_subchannel_scaling_mixed": {"bf16": True, "fp8": "hybrid", "fp8_recipe": "blockwise"},
    "bf16_with_mxfp8_mixed": {"bf16": True, "fp8": "e4m3", "fp8_recipe": "mxfp8"},
    "bf16_with_nvfp4_mixed": {"bf16": True, "fp4": "e2m1", "fp4_recipe": "nvfp4"},
}
DTYPES = {"fp32": "torch.float32", "bf16": "torch.bfloat16", "fp16": "torch.float16"}
OUR_NAMES = {"num_layers_in_first_pipeline_stage": "decoder_first_pipeline_num_layers"}
OUR_NAMES |= {"num_layers_in_last_pipeline_stage": "decoder_last_pipeline_num_layers", "sequence_length": "seq_length"}


def write(job: Job) -> str:
    """One override per line."""
    keys = megatron_plan.keys_of(job.plan, int(job.model.architecture.layers))
    if keys.pop("num_layers_per_virtual_pipeline_stage", None):
        keys["virtual_pipeline_model_parallel_size"] = job.plan.virtual
    precision = {name: keys.pop(name) for name in ("bf16", "fp16", "fp8", "fp8_recipe", "fp4", "fp4_recipe") if name in keys}
    said = {name: value for name, value in precision.items() if value}
    if said not in PRECISIONS.values():
        raise PlanError(
            f"nemo cannot express precision={job.plan.precision}", field="precision", value=job.plan.precision, valid="bf16"
        )
    keys = {**keys, "seq_length": job.length, "global_batch_size": job.global_batch}
    lines = [f"mixed_precision={next(name for name, value in PRECISIONS.items() if value == said)}"]
    lines += [f"{WRITTEN[key]}.{key}={_shown(value)}" for key, value in keys.items()]
    return "\n".join([*lines, f"dataset.seq_length={job.length}"]) + "\n"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(value)}]"
    return DTYPES.get(value, f"'{value}'" if "|" in str(value) else str(value))


def read(text: str, given: Mapping[str, Any]) -> Launch:
    """Overrides on lines or with spaces between them, a script with such overrides, or a YAML of them. `given` says the model and
    the devices."""
    keys: Keys = {}
    unread: list[str] = []
    for name, value in _mapped(text) if YAML.search(text) else _overrides(text):
        section, _, key = name.partition(".")
        if name == "mixed_precision":
            keys |= _precision(str(value))
        elif name in STRANGE and value not in STRANGE[name]:
            raise PlanError(f"{name}={shown(value)} has no counterpart here", field=name, value=value, valid=STRANGE[name])
        elif (section, key) in PLACES and value is not None:
            _add(keys, OUR_NAMES.get(key, key), _read(key, value))
        elif (section, key) not in PLACES and name not in STRANGE:
            unread.append(name)
    devices = int(told("nemo", "devices", given, "--devices N"))
    if not any(keys.get(key) for key in ("bf16", "fp16")):
        keys["bf16"] = True  # every recipe of Megatron-Bridge starts from bf16_mixed
    length, batch = (whole(key, keys[key]) if key in keys else None for key in ("seq_length", "global_batch_size"))
    plan = megatron_plan.plan_of(keys, devices, layers_of(given.get("model")))
    return Launch(plan, given.get("model"), length, batch, None, tuple(unread))


def _mapped(text: str) -> Iterator[tuple[str, Any]]:
    """Every value of a ConfigContainer's YAML as section.key; what names a callable or a dtype is that name."""
    found = yaml_text.mapping(text, "a Megatron-Bridge config")
    for section, values in (found.get("ConfigContainer") or found).items():
        for key, value in values.items() if isinstance(values, dict) else ():
            yield f"{section}.{key}", value.get("_target_") if isinstance(value, dict) else value


def _overrides(text: str) -> Iterator[tuple[str, Any]]:
    """Every override. Words that are none are refused, unless it is a script, where a variable may stand for a value."""
    words, variables = script.words(text), script.Variables()
    running = text.lstrip().startswith("#!") or any(word.endswith((".py", ".sh")) for word in words)
    found: list[tuple[str, str]] = []
    for word in words:
        if match := OVERRIDE.fullmatch(word):
            found.append((match[1], match[2]))
        elif not script.assigned(word, variables) and not running:
            raise PlanError(f"{shown(word)} is no override", field="file", value=word, valid="section.key=value")
    for name, value in found:
        read = name.partition(".")[::2] in PLACES or name in (*STRANGE, "mixed_precision")
        literal = script.filled(name, value, variables).strip("'\"") if read else value
        yield name, None if literal in ("null", "None") else literal


def _add(keys: Keys, key: str, value: Any) -> None:
    if keys.setdefault(key, value) != value:
        raise PlanError(f"{key} is given twice, with two values", field=key, value=value, valid=keys[key])


def _precision(value: str) -> Keys:
    if value not in PRECISIONS:
        raise PlanError(f"mixed_precision={shown(value)}", field="mixed_precision", value=value, valid=list(PRECISIONS))
    return PRECISIONS[value]


def _read(key: str, value: Any) -> Any:
    """A value as Megatron-Core's config has it."""
    if key in SWITCHES:
        return flag(key, value)
    if isinstance(value, str) and value.startswith("["):
        return [word.strip(" '\"") for word in value.strip("[]").split(",") if word]
    return {theirs: ours for ours, theirs in DTYPES.items()}.get(value, value) if isinstance(value, str) else value


NEMO = Framework("nemo", write, read, ("model",), ".txt", megatron_plan.SAID, megatron_plan.HELD, megatron_plan.USUAL)
