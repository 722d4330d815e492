"""What is written for a framework is what the framework itself reads: torchtitan's ConfigManager and ParallelDims (0.2),
DeepSpeed's DeepSpeedConfig, `accelerate launch` with its FSDP plugin, Megatron-Core's configs, which check themselves, and the
fields and recipes of Megatron-Bridge's source. Skipped where a framework is not installed (`pip install --no-deps megatron-core
megatron-bridge` is enough for the last two).

The argument parser of Megatron-LM's scripts is on no package index; `tests/test_launch.py` has scripts in the form of its examples.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import bursar
from bursar import Plan, launch
from bursar.launch import Job, megatron_model, megatron_plan, nemo, torchtitan

pytestmark = pytest.mark.filterwarnings("ignore")  # those of the frameworks
LARGE = bursar.load("llama-3-70b")
SHARDED = {"zero": 3, "sharding": "per-parameter", "grad_dtype": "fp32"}


@pytest.mark.parametrize(
    "plan",
    [
        Plan(data=8, recompute="full", **SHARDED),
        Plan(tensor=8, sequence=True, data=8, shard_group=4, kernels="sdpa", **SHARDED),
        Plan(tensor=4, sequence=True, pipeline=4, schedule="interleaved", virtual=2, data=2, context=2, reshard=False, **SHARDED),
    ],
)
def test_torchtitan_reads_what_is_written(plan: Plan, tmp_path: Path) -> None:
    """Degrees, batches, schedule and checkpointing as torchtitan understands them; its mesh has the devices of the plan."""
    manager = pytest.importorskip("torchtitan.config.manager", reason="torchtitan 0.2 is not installed", exc_type=ImportError)
    dims = pytest.importorskip("torchtitan.distributed.parallel_dims", exc_type=ImportError)
    file = tmp_path / "job.toml"
    file.write_text(launch.write("torchtitan", Job(LARGE, plan, 8192, 64)))
    config = manager.ConfigManager().parse_args([f"--job.config_file={file}"])
    parallel, training = config.parallelism, config.training
    assert (config.model.name, config.model.flavor) == ("llama3", "70B")
    assert (training.seq_len, training.global_batch_size, training.dtype) == (8192, 64, "float32")
    assert (parallel.tensor_parallel_degree, parallel.pipeline_parallel_degree) == (plan.tensor, plan.pipeline)
    assert config.activation_checkpoint.mode == plan.recompute
    assert config.compile.enable is (plan.kernels == "fused")
    mesh = dims.ParallelDims(
        dp_replicate=parallel.data_parallel_replicate_degree, dp_shard=parallel.data_parallel_shard_degree,
        cp=parallel.context_parallel_degree, tp=parallel.tensor_parallel_degree, pp=parallel.pipeline_parallel_degree,
        ep=parallel.expert_parallel_degree, etp=parallel.expert_tensor_parallel_degree, world_size=plan.devices,
    )  # fmt: skip
    assert mesh.dp_replicate * mesh.dp_shard == plan.data
    if plan.pipeline > 1:
        schedules = pytest.importorskip("torch.distributed.pipelining.schedules")
        assert schedules.get_schedule_class(parallel.pipeline_parallel_schedule)
        chunks = 80 / parallel.pipeline_parallel_layers_per_stage
        assert chunks == plan.pipeline * plan.virtual


def test_torchtitan_has_every_flavor_that_is_named() -> None:
    pytest.importorskip("torchtitan.config.manager", reason="torchtitan 0.2 is not installed", exc_type=ImportError)
    source = Path(pytest.importorskip("torchtitan").__file__ or "").parent / "models"
    for name, flavor in torchtitan.MODELS.values():
        assert f'"{flavor}":' in (source / name / "__init__.py").read_text()


@pytest.mark.parametrize(
    "plan",
    [
        Plan(data=8, zero=1, grad_dtype="fp32"),
        Plan(data=16, zero=2, micro_batch=4, precision="fp16", offload="optimizer"),
        Plan(data=8, zero=3, offload="optimizer,parameters", overlap=()),
    ],
)
def test_deepspeed_reads_what_is_written(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches agree with the ranks, which DeepSpeed checks itself; ZeRO, offload and dtypes are those of the plan."""
    room = pytest.importorskip("deepspeed.runtime.config", reason="DeepSpeed is not installed", exc_type=ImportError)
    text = launch.write("deepspeed", Job(LARGE, plan, 4096, 2 * plan.data * plan.micro_batch))
    monkeypatch.setattr(room, "dist", SimpleNamespace(get_rank=lambda: 0, get_world_size=lambda: plan.data))
    config = room.DeepSpeedConfig(json.loads(text))
    assert (config.train_batch_size, config.train_micro_batch_size_per_gpu) == (2 * plan.data * plan.micro_batch, plan.micro_batch)
    assert config.gradient_accumulation_steps == 2
    zero = config.zero_config
    assert (int(zero.stage), bool(zero.overlap_comm)) == (plan.zero, "data" in plan.overlap)
    moved = [kind for kind, where in (("optimizer", zero.offload_optimizer), ("parameters", zero.offload_param)) if where]
    assert tuple(moved) == plan.offload
    assert (config.bfloat16_config.enabled, config.float16_config.enabled) == (plan.precision == "bf16", plan.precision == "fp16")
    assert config.grad_accum_dtype == plan.recipe.gradient


@pytest.mark.parametrize(
    "plan",
    [
        Plan(data=16, zero=3, grad_dtype="fp32"),
        Plan(data=8, zero=3, grad_dtype="fp32", reshard=False, offload="optimizer,parameters"),
        Plan(data=8, recompute="full", checkpoint="non-reentrant", **SHARDED),
        Plan(data=16, shard_group=8, reshard=False, **SHARDED),
    ],
)
def test_accelerate_reads_what_is_written(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file goes through `accelerate launch`, which hands it to the FSDP plugin by the environment."""
    command = pytest.importorskip("accelerate.commands.launch", reason="Accelerate is not installed")
    file = tmp_path / "fsdp.yaml"
    file.write_text(launch.write("accelerate", Job(LARGE, plan, 4096, 64)))
    args = command.launch_command_parser().parse_args(["--config_file", str(file), "train.py"])
    args, defaults, precision = command._validate_launch_command(args)
    assert (args.num_processes, args.use_fsdp, precision) == (plan.data, True, True)
    environment = pytest.importorskip("accelerate.utils.launch").prepare_multi_gpu_env(args)
    devices = {"FSDP_SYNC_MODULE_STATES": "false", "FSDP_CPU_RAM_EFFICIENT_LOADING": "false"}  # which need one
    for name, value in {**environment, **devices}.items():
        monkeypatch.setenv(name, value)
    plugin = pytest.importorskip("accelerate.utils").FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == (2 if plan.sharding == "per-parameter" else 1)
    assert plugin.activation_checkpointing is (plan.recompute == "full")
    assert environment["FSDP_OFFLOAD_PARAMS"] == str(bool(plan.offload)).lower()
    if plan.sharding == "per-parameter":
        assert plugin.reshard_after_forward is plan.reshard
    else:
        assert plugin.sharding_strategy.name == ("FULL_SHARD" if plan.reshard else "SHARD_GRAD_OP")
    if plan.sharding == "per-parameter" and plan.shard_group is not None:
        sizes = {name: os.environ[f"PARALLELISM_CONFIG_{name}_SIZE"] for name in ("DP_REPLICATE", "DP_SHARD")}
        assert sizes == {"DP_REPLICATE": "2", "DP_SHARD": "8"}
    assert defaults.mixed_precision == plan.precision


MEGATRON = "Megatron-Core is not installed"
# arguments of Megatron-LM's script that are not fields of Megatron-Core's configs
OF_THE_SCRIPT = {
    "position_embedding_type", "swiglu", "disable_bias_linear", "max_position_embeddings", "vocab_size",
    "untie_embeddings_and_output_weights", "group_query_attention", "rotary_base", "num_experts", "micro_batch_size",
    "num_layers_per_virtual_pipeline_stage",
}  # fmt: skip
SPLIT = {"data": 8, "zero": 1, "grad_dtype": "fp32"}


@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("llama-3-70b", Plan(tensor=8, sequence=True, pipeline=4, overlap="data,tensor", **SPLIT)),
        ("llama-3-70b", Plan(pipeline=4, schedule="interleaved", virtual=5, precision="mxfp8", **SPLIT)),
        ("llama-3-70b", Plan(context=4, context_comm="ulysses", recompute="full:2", shard_group=8, **SPLIT)),
        ("llama-3-70b", Plan(pipeline=4, recompute="full:first=3", layout=(19, 21, 21, 19), precision="fp16", data=2)),
        ("qwen3-30b-a3b", Plan(expert=8, recompute="moe_act,layernorm", precision="fp8-current", **SPLIT)),
        ("qwen3-30b-a3b", Plan(tensor=2, sequence=True, expert=4, expert_tensor=1, expert_comm="deduplicated", **SPLIT)),
    ],
)
def test_megatron_core_takes_what_is_written(name: str, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every key is a field of Megatron-Core's configs or an argument of the script; the configs, whose checks run as they are made,
    hold the values. Which Transformer Engine is there is not asked."""
    made = pytest.importorskip("megatron.core.transformer.transformer_config", reason=MEGATRON, exc_type=ImportError)
    version = pytest.importorskip("packaging.version").Version("99")
    monkeypatch.setattr(pytest.importorskip("megatron.core.utils"), "get_te_version", lambda: version)
    data = pytest.importorskip("megatron.core.distributed").DistributedDataParallelConfig
    optimizer = pytest.importorskip("megatron.core.optimizer").OptimizerConfig
    torch = pytest.importorskip("torch")
    model = bursar.load(name)
    layers = int(model.architecture.layers)
    keys = {**megatron_model.keys_of(model), **megatron_plan.keys_of(plan, layers)}
    dtypes = {name: getattr(torch, of) for name, of in (("fp32", "float32"), ("bf16", "bfloat16"), ("fp16", "float16"))}
    values = {key: dtypes[value] if key.startswith("exp_avg") else _number(value) for key, value in keys.items()}
    known: set[str] = set()
    for config in (made.TransformerConfig, data, optimizer):
        fields = {field.name for field in dataclasses.fields(config)}
        own = {key: value for key, value in values.items() if key in fields}
        beside = _beside(plan, torch) if config is made.TransformerConfig else {}
        built = config(**own, **beside)
        known |= fields
        assert {key: _held(getattr(built, key)) for key in own} == own
    assert set(values) - known <= OF_THE_SCRIPT


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, str) and value.replace(".", "").isdigit() else value


def _held(value: Any) -> Any:
    """What a config holds; a layout is an object that has what it was made of."""
    return getattr(value, "input_data", value)


def _beside(plan: Plan, torch: Any) -> dict[str, Any]:
    """What Megatron-LM's parser adds to a config: dtypes, virtual stages, experts."""
    narrow = torch.float16 if plan.precision == "fp16" else torch.bfloat16
    return {
        "params_dtype": narrow,
        **({"pipeline_dtype": narrow} if plan.pipeline > 1 else {}),
        **({"virtual_pipeline_model_parallel_size": plan.virtual} if plan.virtual > 1 else {}),
        **({"num_moe_experts": 128, "add_bias_linear": False} if plan.expert > 1 else {}),
    }


@pytest.mark.parametrize("layout", ["Et*3|t*4|t*4|t*3L", "Et|(tt|)*6tL", "E|t|t|L", "Ett|(t*2|t|)*3L", "Et,t|tt,L"])
def test_layouts_are_read_as_megatron_core_reads_them(layout: str) -> None:
    room = pytest.importorskip("megatron.core.transformer.pipeline_parallel_layer_layout", reason=MEGATRON, exc_type=ImportError)
    theirs = room.PipelineParallelLayerLayout.parse_str_to_list(layout)
    assert megatron_plan._layout(layout) == tuple([sum(word.name == "decoder" for word in stage) for stage in theirs])


def _bridge(*path: str) -> ast.Module:
    """A file of Megatron-Bridge, which cannot be imported without its kernels."""
    found = importlib.util.find_spec("megatron")
    files = [Path(place, "bridge", *path) for place in (found.submodule_search_locations or () if found else ())]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        pytest.skip("Megatron-Bridge is not installed")
    return ast.parse(file.read_text())


def _fields(module: ast.Module, *names: str) -> set[str]:
    found = [node for node in module.body if isinstance(node, ast.ClassDef) and node.name in names]
    assert len(found) == len(names)
    lines = [line.target for node in found for line in node.body if isinstance(line, ast.AnnAssign)]
    return {target.id for target in lines if isinstance(target, ast.Name)}


def test_sections_are_those_of_megatron_bridge() -> None:
    """Sections of the ConfigContainer, keys of those that are Megatron-Bridge's own; the others hold Megatron-Core's configs."""
    config = _bridge("training", "config.py")
    assert set(nemo.SECTIONS) <= _fields(config, "ConfigContainer")
    assert set(nemo.SECTIONS["train"]) <= _fields(config, "TrainingConfig")
    assert set(nemo.SECTIONS["comm_overlap"]) <= _fields(_bridge("training", "comm_overlap.py"), "_CommOverlapConfig")
    assert set(nemo.SECTIONS["mixed_precision"]) <= _fields(_bridge("training", "mixed_precision.py"), "MixedPrecisionConfig")


def test_recipes_of_precision_are_those_of_megatron_bridge() -> None:
    """Each is a function of that name, which makes a config with the formats that are read of it."""
    module = _bridge("training", "mixed_precision.py")
    functions = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    for name, keys in nemo.PRECISIONS.items():
        said = {key: value for key, value in _said(functions, name).items() if key in keys}
        assert said == keys, name


def _said(functions: dict[str, ast.FunctionDef], name: str) -> dict[str, Any]:
    """What a recipe sets to a literal: by itself, or by the recipe that it starts from."""
    found: dict[str, Any] = {}
    for node in ast.walk(functions[name]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions:
            found = {**_said(functions, node.func.id), **found}
        if isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant):
            found[str(node.arg)] = node.value.value
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute) and isinstance(node.value, ast.Constant):
            found[node.targets[0].attr] = node.value.value
    return found
