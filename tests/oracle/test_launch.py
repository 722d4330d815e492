"""What is written for a framework is what the framework itself reads: torchtitan's ConfigManager and ParallelDims (0.2),
DeepSpeed's DeepSpeedConfig, and `accelerate launch` with its FSDP plugin. Skipped where a framework is not installed.

Megatron-LM's and NeMo's parsers are on no package index; `tests/test_launch.py` has scripts in the form of their examples.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

import bursar
from bursar import Plan, launch
from bursar.launch import Job, torchtitan

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
