"""Megatron-LM: the arguments of pretrain_gpt.py (megatron/training/arguments.py), written as a script and read from one.

A script is read as words, never run: options, assignments of literals to variables, and arrays of options. An option that costs
depend on must come out as one value, or it is refused.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from bursar.dims import divisors
from bursar.errors import PlanError
from bursar.launch import megatron_model, megatron_plan, script
from bursar.launch.launched import Framework, Job, Launch, layers_of, told, whole

Keys = dict[str, Any]

# where an argument of the command line is not its key, or its absence means yes
NAMES = {"grad_reduce_in_fp32": "accumulate_allreduce_grads_in_fp32", "fp8": "fp8_format", "fp4": "fp4_format"}
ON_UNLESS = {"no_gradient_accumulation_fusion": "gradient_accumulation_fusion"}
LISTS = ("recompute_modules", "cp_comm_type", "hierarchical_context_parallel_sizes")
SWITCHES = (
    "sequence_parallel", "use_distributed_optimizer", "overlap_grad_reduce", "overlap_param_gather", "tp_comm_overlap", "bf16",
    "fp16",
    "overlap_moe_expert_parallel_comm", "accumulate_allreduce_grads_in_fp32", "grad_reduce_in_bf16",
    "use_precision_aware_optimizer",
    "no_gradient_accumulation_fusion", "moe_enable_deepep", "recompute_activations", "swiglu", "disable_bias_linear",
    "add_qkv_bias",
    "qk_layernorm", "group_query_attention", "untie_embeddings_and_output_weights", "use_rotary_position_embeddings",
    "moe_grouped_gemm", "use_torch_fsdp2", "use_megatron_fsdp", "use_custom_fsdp", "optimizer_cpu_offload", "cpu_offloading",
    "fine_grained_activation_offloading", "fp8_param_gather", "distribute_saved_activations", "multi_latent_attention",
    "squared_relu",
    "account_for_embedding_in_pipeline_split", "account_for_loss_in_pipeline_split", "is_hybrid_model",
)  # fmt: skip
VALUES = (
    *megatron_plan.SIZES, *megatron_model.SIZES, "micro_batch_size", "global_batch_size", "seq_length", "max_position_embeddings",
    "vocab_size", "padded_vocab_size", "make_vocab_size_divisible_by", "ffn_hidden_size", "num_query_groups", "kv_channels",
    "num_experts", "moe_router_topk", "moe_ffn_hidden_size", "moe_layer_freq", "position_embedding_type", "normalization",
    "attention_dropout", "hidden_dropout", "expert_model_parallel_size", "expert_tensor_parallel_size", "optimizer",
    "recompute_granularity", "recompute_method", "recompute_num_layers", "num_layers_per_virtual_pipeline_stage",
    "num_virtual_stages_per_pipeline_rank", "pipeline_model_parallel_layout", "decoder_first_pipeline_num_layers",
    "decoder_last_pipeline_num_layers", "num_distributed_optimizer_instances", "fp8_format", "fp8_recipe", "fp4_format",
    "fp4_recipe",
    "exp_avg_dtype", "exp_avg_sq_dtype", "main_grads_dtype", "main_params_dtype", "moe_token_dispatcher_type", "nproc_per_node",
    "nnodes", "optimizer_offload_fraction", "schedule_method", *[key for key in megatron_model.STRANGE if key not in SWITCHES],
)  # fmt: skip
HEAD = "#!/bin/sh\n# add arguments of data, tokenizer and optimizer: sh FILE --mock-data --lr 3e-4 …\n"
KNOWN = frozenset((*SWITCHES, *VALUES, *LISTS))


def write(job: Job) -> str:
    """A shell script that launches a job; arguments of data and of the optimizer's rates come after it."""
    plan = job.plan
    keys: Keys = {
        **megatron_model.keys_of(job.model),
        "make_vocab_size_divisible_by": 1,
        "seq_length": job.length,
        "global_batch_size": job.global_batch,
        **megatron_plan.keys_of(plan, int(job.model.architecture.layers)),
        "transformer_impl": "transformer_engine",
        "attention_backend": "flash",
    }
    keys["max_position_embeddings"] = max(keys["max_position_embeddings"], job.length)
    node = max(count for count in divisors(plan.devices) if count <= job.node)
    lines = " \\\n".join(f"    {argument}" for argument in _arguments(keys))
    torchrun = f"torchrun --nproc-per-node {node} --nnodes {plan.devices // node}"
    return f'{HEAD}{torchrun} pretrain_gpt.py \\\n{lines} \\\n    "$@"\n'


def _arguments(keys: Keys) -> Iterator[str]:
    """Every key as the command line has it."""
    for key, value in keys.items():
        name = "--" + NAMES.get(key, key).replace("_", "-")
        if key == "gradient_accumulation_fusion":
            if not value:
                yield "--no-gradient-accumulation-fusion"
        elif key == "grad_reduce_in_fp32":
            if value or keys["bf16"]:
                yield "--accumulate-allreduce-grads-in-fp32" if value else "--grad-reduce-in-bf16"
        elif isinstance(value, bool):
            if value:
                yield name
        elif isinstance(value, list):
            yield " ".join([name, *value])
        else:
            yield f"{name} {shlex.quote(str(value))}"


def read(text: str, given: Mapping[str, Any]) -> Launch:
    """A script, or its arguments alone. `given` may say devices, and a model in the place of the arguments'."""
    keys, unread = _keys(text)
    model = given.get("model") or megatron_model.config_of(keys)
    plan = megatron_plan.plan_of(keys, _devices(keys, given), layers_of(model))
    length, batch = (whole(key, keys[key]) if key in keys else None for key in ("seq_length", "global_batch_size"))
    vocab = None
    if isinstance(model, Mapping):
        vocab = megatron_model.padded(keys, model["vocab_size"], int(plan.tensor))
    return Launch(plan, model, length, batch or plan.data * plan.micro_batch, vocab, unread, tuple(_notes(keys, model)))


def _notes(keys: Keys, model: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What a script does that is not counted."""
    if isinstance(model, Mapping) and model["model_type"] != "gpt2" and float(keys.get("hidden_dropout", 0.1)):
        yield "launch_hidden_dropout", {"p": float(keys.get("hidden_dropout", 0.1))}
    if keys.get("overlap_grad_reduce") and keys.get("use_distributed_optimizer") and not keys.get("overlap_param_gather"):
        yield "launch_param_gather", {}


def _devices(keys: Keys, given: Mapping[str, Any]) -> int:
    if given.get("devices"):
        return int(given["devices"])
    if "nproc_per_node" in keys:
        return whole("nproc_per_node", keys["nproc_per_node"]) * whole("nnodes", keys.get("nnodes", 1))
    return int(told("Megatron-LM", "devices", given, "--devices N, or torchrun --nproc-per-node --nnodes in the script"))


def _keys(text: str) -> tuple[Keys, tuple[str, ...]]:
    """The arguments of a script by key, and those that are not read."""
    variables: script.Variables = {}
    found: dict[str, list[str]] = {}
    for name, values in script.options(script.words(text), variables):
        if name in found and name in KNOWN and found[name] != values:
            raise PlanError(f"{_flag(name)} is given twice, with two values", field=name, valid="one value")
        found[name] = values
    keys: Keys = {}
    for name, values in found.items():
        if name in KNOWN:
            own = values if name in LISTS else values[: name not in SWITCHES]  # words that follow are the command's
            keys.update(_value(name, [script.filled(_flag(name), value, variables) for value in own]))
    return keys, tuple(_flag(name) for name in found if name not in KNOWN)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _value(name: str, values: list[str]) -> Keys:
    """An argument as its key."""
    if name in LISTS:
        return {name: values[0] if name == "cp_comm_type" and len(set(values)) == 1 else values}
    if name == "recompute_activations":
        return {"recompute_granularity": "selective"}
    if name == "grad_reduce_in_bf16":
        return {"grad_reduce_in_fp32": False}
    if name in ON_UNLESS:
        return {ON_UNLESS[name]: False}
    key = {theirs: ours for ours, theirs in NAMES.items()}.get(name, name)
    if name in SWITCHES:
        return {key: True}
    if not values:
        raise PlanError(f"{_flag(name)} has no value", field=name, valid="a value")
    return {key: values[0]}


MEGATRON = Framework("megatron", write, read, (), ".sh", megatron_plan.SAID, megatron_plan.HELD, megatron_plan.USUAL)
