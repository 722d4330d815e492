"""A plan in Megatron-Core's words, which Megatron-LM's arguments and NeMo's overrides share.

Keys are fields of Megatron-Core's configs (megatron/core/transformer/transformer_config.py, model_parallel_config.py,
distributed_data_parallel_config.py, optimizer/optimizer_config.py) with underscores.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bursar import recompute
from bursar.errors import PlanError, shown
from bursar.launch.launched import dtypes, refuse, share, whole, word
from bursar.plan import Plan
from bursar.precision import RECIPES

Keys = dict[str, Any]

EXPRESSED = (
    "tensor", "sequence", "expert", "expert_tensor", "pipeline", "data", "zero", "micro_batch", "recompute", "kernels",
    "precision", "grad_dtype", "optimizer", "context", "context_comm", "shard_group", "schedule", "virtual", "layout",
    "state_dtype", "overlap", "expert_comm",
)  # fmt: skip
# gradients are added up in a buffer of their own by the products themselves, or by a kernel after them
FUSION = {"fused,linear=main-grad": True, "fused,linear=returned": False}
HELD: Mapping[str, tuple[Any, ...]] = {
    "kernels": ("fused", *FUSION),
    "schedule": ("1f1b", "interleaved"),
    "zero": (0, 1),
    "optimizer": ("adamw", "momentum"),
    "precision": ("bf16", "fp16", "fp32", "fp8", "fp8-current", "fp8-block", "mxfp8", "nvfp4"),
    "state_dtype": (None, "fp32", "bf16", "fp16"),
}
SAID = frozenset(EXPRESSED) - set(HELD)
USUAL = {"kernels": "fused,linear=main-grad"}
DISPATCHERS = {"all-to-all": "alltoall", "deduplicated": "flex"}
CP_COMM = {"ring": "p2p", "all-gather": "all_gather", "ulysses": "a2a"}
OPTIMIZERS = {"adamw": "adam", "momentum": "sgd"}
QUANTISED = {"fp8": "delayed", "fp8-current": "tensorwise", "fp8-block": "blockwise", "mxfp8": "mxfp8"}
FP8 = {"mxfp8": "e4m3"}  # the format of gradients too; elsewhere they are E5M2
MODULES = {name: name for name in recompute.MODULES}
DTYPES = {"fp32": "fp32", "bf16": "bf16", "fp16": "fp16"}
# keys that change memory or time in ways that no plan says: refused unless they have the value that changes nothing
STRANGE: Mapping[str, tuple[Any, ...]] = {
    "use_torch_fsdp2": (False,), "use_megatron_fsdp": (False,), "use_custom_fsdp": (False,), "optimizer_cpu_offload": (False,),
    "cpu_offloading": (False,), "fine_grained_activation_offloading": (False,), "fp8_param_gather": (False,), "fp8_param": (False,),
    "fp4_param": (False,), "hierarchical_context_parallel_sizes": (None,),
    "distribute_saved_activations": (False,), "optimizer_offload_fraction": ("0", "0.0"), "schedule_method": (None,),
    "account_for_embedding_in_pipeline_split": (False,), "account_for_loss_in_pipeline_split": (False,),
}  # fmt: skip


def keys_of(plan: Plan, layers: int) -> Keys:
    """The keys of a plan; PlanError for what Megatron-Core cannot express."""
    refuse("Megatron-Core", plan, SAID, HELD)
    return {
        "tensor_model_parallel_size": plan.tensor,
        "pipeline_model_parallel_size": plan.pipeline,
        "context_parallel_size": plan.context,
        "micro_batch_size": plan.micro_batch,
        "sequence_parallel": plan.sequence,
        "optimizer": OPTIMIZERS[plan.optimizer],
        "use_distributed_optimizer": plan.zero == 1,
        **({"cp_comm_type": CP_COMM[plan.context_comm]} if plan.context > 1 else {}),
        **_experts(plan),
        **({"expert_tensor_parallel_size": plan.expert_tensor} if plan.expert_tensor != plan.tensor else {}),
        **_stages(plan, layers),
        **_recomputed(plan.recompute),
        **_dtypes(plan),
        **_overlapped(plan),
        "gradient_accumulation_fusion": FUSION.get(plan.kernels, True),
        **({"num_distributed_optimizer_instances": plan.replicas} if plan.shard_group is not None else {}),
    }


def _experts(plan: Plan) -> Keys:
    keys: Keys = {"expert_model_parallel_size": plan.expert} if plan.expert > 1 else {}
    if plan.expert > 1 or plan.expert_comm != "all-to-all":
        keys["moe_token_dispatcher_type"] = DISPATCHERS[plan.expert_comm]
        keys |= {"moe_enable_deepep": True} if plan.expert_comm == "deduplicated" else {}
    return keys


def _stages(plan: Plan, layers: int) -> Keys:
    """Virtual stages or, where layers are dealt out by hand, which stage has how many."""
    if plan.layout is not None:
        parts = ["t*" + str(count) if count else "" for count in plan.layout]
        return {"pipeline_model_parallel_layout": "|".join(["E" + parts[0], *parts[1:]]) + "L"}
    if plan.schedule == "interleaved":
        return {"num_layers_per_virtual_pipeline_stage": layers // (plan.pipeline * plan.virtual)}
    if layers % plan.pipeline:
        raise PlanError(
            f"Megatron-Core deals {layers} layers out evenly, not to pp={plan.pipeline}", field="pp", value=plan.pipeline,
            valid="pp that divides the layers, or a layout",
        )  # fmt: skip
    return {}


def _recomputed(mode: str) -> Keys:
    found = recompute.spec(mode)
    if found.full:
        method, count = ("uniform", found.group) if found.first is None else ("block", found.first)
        return {"recompute_granularity": "full", "recompute_method": method, "recompute_num_layers": count}
    if found.modules == ("core_attn",):
        return {"recompute_granularity": "selective"}
    return {"recompute_granularity": "selective", "recompute_modules": list(found.modules)} if found.modules else {}


def _dtypes(plan: Plan) -> Keys:
    recipe = plan.recipe
    keys: Keys = {"bf16": recipe.activation == "bf16", "fp16": recipe.activation == "fp16"}
    if recipe.activation != "fp32":
        if recipe.gradient not in ("fp32", recipe.weight):
            raise PlanError(
                f"Megatron-Core cannot express grad-dtype={recipe.gradient}", field="grad_dtype", valid=f"fp32, {recipe.weight}"
            )
        keys["grad_reduce_in_fp32"] = recipe.gradient == "fp32"
    if plan.precision in QUANTISED:
        keys |= {"fp8": FP8.get(plan.precision, "hybrid"), "fp8_recipe": QUANTISED[plan.precision]}
    if plan.precision == "nvfp4":
        keys |= {"fp4": "e2m1", "fp4_recipe": "nvfp4"}
    if recipe.state != "fp32":
        if not plan.zero or recipe.activation == "fp32":
            raise PlanError(
                f"Megatron-Core has states in {recipe.state} with its distributed optimizer and 16-bit weights alone",
                field="state_dtype", value=recipe.state, valid="zero 1",
            )  # fmt: skip
        keys |= {"use_precision_aware_optimizer": True, "exp_avg_dtype": recipe.state, "exp_avg_sq_dtype": recipe.state}
    return keys


def _overlapped(plan: Plan) -> Keys:
    return {
        "overlap_grad_reduce": "data" in plan.overlap,
        "overlap_param_gather": "data" in plan.overlap and plan.zero == 1,
        "tp_comm_overlap": "tensor" in plan.overlap,
        "overlap_moe_expert_parallel_comm": "expert" in plan.overlap,
    }


def plan_of(keys: Keys, devices: int, layers: int | None) -> Plan:
    """The plan that keys say, on so many devices. `layers` are those of the model, where virtual stages are told by them."""
    for key, valid in STRANGE.items():
        if key in keys and keys[key] not in valid:
            raise PlanError(f"{key}={shown(keys[key])} has no counterpart here", field=key, value=keys[key], valid=valid)
    tp, pp, cp = (whole(key, keys.get(key, 1)) for key in SIZES)
    dp = share(devices, tp * pp * cp, "tp·pp·cp")
    zero = 1 if keys.get("use_distributed_optimizer") else 0
    expert = whole("expert_model_parallel_size", keys.get("expert_model_parallel_size", 1))
    plan = Plan(
        tensor=tp,
        pipeline=pp,
        context=cp,
        data=dp,
        zero=zero,
        sequence=bool(keys.get("sequence_parallel")) and tp > 1,
        expert=expert,
        expert_comm=_dispatched(keys, expert),
        expert_tensor=whole("expert_tensor_parallel_size", keys.get("expert_tensor_parallel_size") or tp),
        micro_batch=whole("micro_batch_size", keys.get("micro_batch_size", 1)),
        recompute=_mode(keys),
        context_comm=word("cp_comm_type", keys.get("cp_comm_type", "p2p"), {theirs: ours for ours, theirs in CP_COMM.items()}),
        optimizer=word("optimizer", keys.get("optimizer", "adam"), {theirs: ours for ours, theirs in OPTIMIZERS.items()}),
        kernels="fused,linear=main-grad" if keys.get("gradient_accumulation_fusion", True) else "fused,linear=returned",
        overlap=_overlap(keys),
        **_read_dtypes(keys),
    )
    instances = whole("num_distributed_optimizer_instances", keys.get("num_distributed_optimizer_instances", 1))
    if "num_distributed_optimizer_instances" in keys:
        plan = replace(plan, shard_group=share(dp * cp, instances, "num_distributed_optimizer_instances"))
    return replace(plan, **_read_stages(keys, pp, layers))


SIZES = ("tensor_model_parallel_size", "pipeline_model_parallel_size", "context_parallel_size")


def _dispatched(keys: Keys, expert: int) -> str:
    """How tokens reach experts; without a word of it Megatron-Core gathers all tokens, which no plan here does."""
    if expert == 1 and "moe_token_dispatcher_type" not in keys:
        return "all-to-all"
    asked = keys.get("moe_token_dispatcher_type", "allgather")
    return str(word("moe_token_dispatcher_type", asked, {theirs: ours for ours, theirs in DISPATCHERS.items()}))


def _mode(keys: Keys) -> str:
    granularity = keys.get("recompute_granularity")
    if granularity in (None, "none", "null"):
        return "none"
    if granularity == "selective":
        modules = [word("recompute_modules", name, MODULES) for name in keys.get("recompute_modules") or ["core_attn"]]
        return "selective" if modules == ["core_attn"] else ",".join(modules)
    method = word("recompute_method", keys.get("recompute_method"), {"uniform": "full:{}", "block": "full:first={}"})
    word("recompute_granularity", granularity, {"full": True})
    count = whole("recompute_num_layers", keys.get("recompute_num_layers", 1))
    return "full" if (method, count) == ("full:{}", 1) else str(method.format(count))


def _overlap(keys: Keys) -> tuple[str, ...]:
    named = {"data": "overlap_grad_reduce", "tensor": "tp_comm_overlap", "expert": "overlap_moe_expert_parallel_comm"}
    return tuple(kind for kind, key in named.items() if keys.get(key))


def _read_dtypes(keys: Keys) -> dict[str, Any]:
    narrow = "bf16" if keys.get("bf16") else "fp16" if keys.get("fp16") else "fp32"
    precision = narrow
    if keys.get("fp4"):
        precision = word("fp4_recipe", keys.get("fp4_recipe", "nvfp4"), {"nvfp4": "nvfp4"})
    elif keys.get("fp8"):
        precision = word("fp8_recipe", keys.get("fp8_recipe", "delayed"), {theirs: ours for ours, theirs in QUANTISED.items()})
    if precision not in ("bf16", "fp16", "fp32") and narrow != "bf16":
        raise PlanError(f"{precision} beside {narrow}", field="precision", value=precision, valid="bf16")
    gradient = "fp32" if keys.get("grad_reduce_in_fp32", narrow == "bf16") else RECIPES[narrow].gradient
    return dtypes(precision, gradient, _state(keys))


def _state(keys: Keys) -> str:
    """The dtype of Adam's moments."""
    if not keys.get("use_precision_aware_optimizer"):
        return "fp32"
    first, second = (word(key, keys.get(key, "fp32"), DTYPES) for key in ("exp_avg_dtype", "exp_avg_sq_dtype"))
    if first != second:
        raise PlanError(f"exp_avg_dtype={first} beside exp_avg_sq_dtype={second}", field="exp_avg_dtype", valid="one for both")
    if keys.get("main_params_dtype", "fp32") != "fp32" or keys.get("main_grads_dtype", "fp32") != "fp32":
        raise PlanError("master weights or gradients of another dtype than fp32", field="main_params_dtype", valid="fp32")
    return str(first)


NESTED, LONGEST_LAYOUT = 8, 10_000  # groups in groups, characters
_GROUP = re.compile(r"\(([^()]{0,256})\)\*(\d{1,3})")
_PART = re.compile(r"E?((?:t(?:\*\d{1,4})?){0,64})L?")


def _read_stages(keys: Keys, pp: int, layers: int | None) -> dict[str, Any]:
    """Schedule, virtual stages and layout."""
    text = keys.get("pipeline_model_parallel_layout")
    if text is not None:
        counts = _layout(str(text))
        return {"layout": counts, **_woven(share(len(counts), pp, "pp"))}
    virtual = keys.get("num_virtual_stages_per_pipeline_rank") or keys.get("virtual_pipeline_model_parallel_size")
    each = keys.get("num_layers_per_virtual_pipeline_stage")
    if virtual is None and each is not None:
        if layers is None:
            raise PlanError(
                "virtual stages by layers need the model", field="num_layers_per_virtual_pipeline_stage", valid="a MODEL"
            )
        virtual = share(
            layers, pp * whole("num_layers_per_virtual_pipeline_stage", each), "pp·num_layers_per_virtual_pipeline_stage"
        )
    ends = {key: keys[key] for key in ("decoder_first_pipeline_num_layers", "decoder_last_pipeline_num_layers") if keys.get(key)}
    count = whole("num_virtual_stages_per_pipeline_rank", virtual or 1)
    if ends and count > 1:
        raise PlanError(f"{next(iter(ends))} beside virtual stages", field=next(iter(ends)), valid="pipeline_model_parallel_layout")
    return {
        **({"layout": _ends(ends, pp, layers)} if ends else {}),
        **_woven(count),
    }


def _woven(virtual: int) -> dict[str, Any]:
    return {"schedule": "interleaved", "virtual": virtual} if virtual > 1 else {}


def _layout(text: str) -> tuple[int, ...]:
    """Layers of every stage of a layout such as Et*3|(t*4|)*2t*3L: decoder layers are t, embedding and loss are E and L."""
    written = text.strip("'\"").replace(",", "")
    for _ in range(min(written.count("("), NESTED)):
        written = _GROUP.sub(lambda group: group[1] * int(group[2]), written)[: LONGEST_LAYOUT + 1]
    parts = written.split("|")
    found = [_PART.fullmatch(part) for part in parts[:4096]]
    if len(written) > LONGEST_LAYOUT or not all(found) or not parts[0].startswith("E") or not parts[-1].endswith("L"):
        raise PlanError(
            f"pipeline_model_parallel_layout={shown(text)}", field="layout", value=text, valid="E first, L last, t*N and |"
        )
    return tuple(sum(int(count or 1) for count in re.findall(r"t(?:\*(\d+))?", match[1])) for match in found if match is not None)


def _ends(ends: Keys, pp: int, layers: int | None) -> tuple[int, ...]:
    """Layers of stages whose first or last is told; the others share the rest."""
    first, last = ends.get("decoder_first_pipeline_num_layers"), ends.get("decoder_last_pipeline_num_layers")
    if layers is None:
        raise PlanError("uneven stages need the model", field="decoder_first_pipeline_num_layers", valid="a MODEL")
    told = [whole("decoder_first_pipeline_num_layers", first)] if first else []
    end = [whole("decoder_last_pipeline_num_layers", last)] if last else []
    between = pp - len(told) - len(end)
    rest = layers - sum(told) - sum(end)
    if between < 0 or rest < 0 or (between == 0 and rest):
        raise PlanError(
            f"stages of {layers} layers with {', '.join(ends)}", field="layout", valid="counts that add up to the layers"
        )
    return (*told, *([share(rest, between, "stages between")] * between if between else []), *end)
