"""Launches: what is written for a framework is read back as the same plan, what a framework cannot express is refused by name, and
what a file says is judged: rules that it breaks, memory that it lacks, changes that would save.

Expected numbers are those of the library for the plan that the file says; texts of files are written here in the form that the
frameworks' own examples have (Megatron-LM examples/gpt3/train_gpt3_175b_distributed.sh; torchtitan 0.2
torchtitan/models/llama3/train_configs/llama3_70b.toml; DeepSpeed's and Accelerate's documentation).
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bursar
from bursar import Plan, launch
from bursar.errors import BursarError, PlanError
from bursar.launch import Job, accelerate, deepspeed, megatron_plan, torchtitan
from bursar.launch.launched import MAX_BYTES
from bursar.plan import CLI_NAMES

DENSE = bursar.load("llama-3-70b")  # 80 layers
MIXTURE = bursar.load("qwen3-30b-a3b")
MEGATRONS = {"kernels": "fused,linear=main-grad", "grad_dtype": "fp32"}  # what Megatron-LM does unless told otherwise

degrees = st.sampled_from((1, 2, 4, 8))


@st.composite
def megatron_plans(draw: st.DrawFn) -> Plan:
    """Plans that Megatron-Core has an argument for, field by field; whether a rule holds is not asked."""
    tp, pp, zero = draw(degrees), draw(st.sampled_from((1, 2, 4, 5))), draw(st.sampled_from((0, 1)))
    virtual = draw(st.sampled_from((1, 2, 4))) if pp > 1 else 1
    precision = draw(st.sampled_from(("bf16", "fp16", "fp32", "fp8", "fp8-current", "fp8-block", "mxfp8", "nvfp4")))
    narrow = precision != "fp32"
    cp, dp = draw(degrees), draw(degrees)
    group = draw(st.sampled_from([None, *[n for n in (1, 2, 4) if (cp * dp) % n == 0]]))
    layout = None
    if pp > 1 and draw(st.booleans()):
        first = draw(st.integers(0, 80 // (pp * virtual)))
        layout = (first, *[80 // (pp * virtual)] * (pp * virtual - 2), 80 - first - 80 // (pp * virtual) * (pp * virtual - 2))
    grads = draw(st.sampled_from((None, "fp32"))) if narrow and precision != "fp8-block" else None
    states = draw(st.sampled_from((None, "fp32" if precision == "fp8-block" else "bf16"))) if narrow and zero else None
    return Plan(
        tensor=tp, sequence=tp > 1 and draw(st.booleans()), pipeline=pp, context=cp, data=dp, zero=zero, layout=layout,
        virtual=virtual, schedule="interleaved" if virtual > 1 else "1f1b", micro_batch=draw(st.integers(1, 16)),
        expert=draw(degrees), expert_tensor=draw(st.sampled_from((1, tp))),
        context_comm=draw(st.sampled_from(("ring", "all-gather", "ulysses"))) if cp > 1 else "ring",
        recompute=draw(st.sampled_from(("none", "selective", "full", "full:2", "full:first=3", "mlp,layernorm", "moe_act"))),
        kernels=draw(st.sampled_from(("fused,linear=main-grad", "fused,linear=returned"))),
        overlap=draw(st.sampled_from(((), ("data",), ("tensor",), ("data", "tensor", "expert")))),
        expert_comm=draw(st.sampled_from(("all-to-all", "deduplicated"))),
        optimizer=draw(st.sampled_from(("adamw", "momentum"))), shard_group=group, precision=precision,
        grad_dtype=grads, state_dtype=("fp32" if precision == "fp8-block" and not zero else states),
    )  # fmt: skip


@st.composite
def torchtitan_plans(draw: st.DrawFn) -> Plan:
    tp, pp = draw(degrees), draw(st.sampled_from((1, 2, 4)))
    schedule, virtual = (
        draw(st.sampled_from((("1f1b", 1), ("gpipe", 1), ("interleaved", 2), ("zb-v", 1)))) if pp > 1 else ("1f1b", 1)
    )
    dp, cp, expert = draw(st.sampled_from((2, 4, 8))), draw(st.sampled_from((1, 2))), draw(st.sampled_from((1, 2, 8)))
    return Plan(
        tensor=tp, sequence=tp > 1, pipeline=pp, schedule=schedule, virtual=virtual, data=dp, context=cp, zero=3,
        sharding="per-parameter", grad_dtype="fp32", grad_buffer="lazy", micro_batch=draw(st.sampled_from((1, 2))),
        shard_group=draw(st.sampled_from((None, 2 * cp))) if dp > 2 else None, reshard=draw(st.booleans()), expert=expert,
        expert_tensor=draw(st.sampled_from((1, tp))) if expert > 1 else tp,
        recompute=draw(st.sampled_from(("none", "full"))), checkpoint=draw(st.sampled_from(("reentrant", "non-reentrant"))),
        context_comm=draw(st.sampled_from(("ring", "all-gather"))) if cp > 1 else "ring",
        kernels=draw(st.sampled_from(("fused", "sdpa"))), overlap=draw(st.sampled_from((("data",), ("data", "tensor")))),
        optimizer=draw(st.sampled_from(("adamw", "adam"))), update=draw(st.sampled_from(("fused", "foreach", "for-loop"))),
        offload=draw(st.sampled_from(((), ("optimizer", "parameters")))),
    )  # fmt: skip


@st.composite
def deepspeed_plans(draw: st.DrawFn) -> Plan:
    zero, precision = draw(st.sampled_from((0, 1, 2, 3))), draw(st.sampled_from(("bf16", "fp16", "fp32")))
    offloads = ((), ("optimizer",), ("optimizer", "parameters"), ("parameters",))
    return Plan(
        data=draw(st.sampled_from((1, 2, 8, 64))), zero=zero, micro_batch=draw(st.integers(1, 16)), precision=precision,
        grad_dtype=draw(st.sampled_from((None, "fp32"))) if precision != "fp32" else None,
        optimizer=draw(st.sampled_from(tuple(deepspeed.OPTIMIZERS))), offload=draw(st.sampled_from(offloads)),
        overlap=draw(st.sampled_from(((), ("data",)))), recompute=draw(st.sampled_from(("none", "full"))),
        shard_group=draw(st.sampled_from((None, 1))) if zero == 3 else None,
    )  # fmt: skip


@st.composite
def accelerate_plans(draw: st.DrawFn) -> Plan:
    sharding = draw(st.sampled_from(("flat", "per-parameter")))
    precision, full = draw(st.sampled_from(("bf16", "fp16", "fp32"))), draw(st.booleans())
    return Plan(
        data=16, zero=3, sharding=sharding, reshard=draw(st.booleans()), shard_group=draw(st.sampled_from((None, 8))),
        precision=precision, grad_dtype=None if precision == "fp32" else "fp32", recompute="full" if full else "none",
        checkpoint="non-reentrant" if full else "reentrant", offload=draw(st.sampled_from(((), ("optimizer", "parameters")))),
    )  # fmt: skip


def again(name: str, plan: Plan, built: bursar.Model, length: int, batch: int, **given: Any) -> launch.Launch:
    """What is read of what was written."""
    text = launch.write(name, Job(built, plan, length, batch))
    found, read = launch.read(text, given)
    assert found == name, "the form of a file tells the framework"
    return read


@settings(max_examples=150, deadline=None)
@given(megatron_plans())
def test_megatron_round_trip(plan: Plan) -> None:
    """Model, lengths, batch, devices and every field of the plan come back."""
    read = again("megatron", plan, DENSE, 4096, 64 * plan.data * plan.micro_batch)
    assert read.plan == plan
    assert (read.length, read.global_batch) == (4096, 64 * plan.data * plan.micro_batch)
    assert isinstance(read.model, dict) and bursar.load(read.model).params() == 70_553_706_496


@settings(max_examples=80, deadline=None)
@given(megatron_plans())
def test_nemo_round_trip(plan: Plan) -> None:
    if plan.precision == "fp32":
        with pytest.raises(PlanError, match="precision"):
            launch.write("nemo", Job(DENSE, plan, 4096, 64))
        return
    read = again("nemo", plan, DENSE, 4096, 512, devices=plan.devices, model="llama-3-70b")
    assert (read.plan, read.length, read.global_batch) == (plan, 4096, 512)


@settings(max_examples=80, deadline=None)
@given(torchtitan_plans())
def test_torchtitan_round_trip(plan: Plan) -> None:
    read = again("torchtitan", plan, DENSE, 8192, 16 * plan.data)
    assert (read.plan, read.length, read.global_batch, read.model) == (plan, 8192, 16 * plan.data, "llama-3-70b")


@settings(max_examples=80, deadline=None)
@given(deepspeed_plans())
def test_deepspeed_round_trip(plan: Plan) -> None:
    """What its JSON does not say, recomputation and kernels, is said beside it."""
    read = again("deepspeed", plan, DENSE, 4096, 3 * plan.data * plan.micro_batch, recompute=plan.recompute, kernels=plan.kernels)
    assert (read.plan, read.global_batch) == (plan, 3 * plan.data * plan.micro_batch)


@settings(max_examples=60, deadline=None)
@given(accelerate_plans())
def test_accelerate_round_trip(plan: Plan) -> None:
    pytest.importorskip("yaml", reason="PyYAML reads Accelerate's files: pip install 'bursar[launch]'")
    assert again("accelerate", plan, DENSE, 4096, 64).plan == plan


@pytest.mark.parametrize(
    "name", ["gpt3-175b", "llama-2-7b", "qwen2.5-7b", "qwen3-8b", "mixtral-8x7b", "qwen3-30b-a3b", "mistral-7b-v0.3"]
)
def test_megatron_says_a_model_to_the_last_parameter(name: str) -> None:
    model = bursar.load(name)
    read = again("megatron", Plan(data=2, zero=1, **MEGATRONS), model, 2048, 2)
    assert isinstance(read.model, dict) and bursar.load(read.model).params() == model.params()


def test_every_field_of_a_plan_is_expressed_held_or_default() -> None:
    """No field is dropped: a change of any that is not expressed is refused by its name on the command line."""
    strange = {
        "lora_rank": 8, "freeze_layers": 1, "gathered": "kept", "expert_load": "1.5", "launch": "graph",
    }  # fmt: skip
    base = {"megatron": Plan(**MEGATRONS), "torchtitan": Plan(data=8, zero=3, sharding="per-parameter", grad_dtype="fp32"),
            "deepspeed": Plan(data=8), "accelerate": Plan(data=8, zero=3, grad_dtype="fp32")}  # fmt: skip
    known = {field.name for field in fields(Plan)}
    assert set(strange) <= known
    for framework, plan in base.items():
        launch.write(framework, Job(DENSE, plan, 2048, 64))
        for name, value in strange.items():
            with pytest.raises(PlanError, match=CLI_NAMES[name].replace("_", "-")):
                launch.write(framework, Job(DENSE, replace(plan, **{name: value}), 2048, 64))
    for room in (megatron_plan, torchtitan, deepspeed, accelerate):
        assert set(room.HELD) <= known and set(room.EXPRESSED) <= known


@pytest.mark.parametrize(
    ("framework", "plan", "said"),
    [
        ("megatron", Plan(pipeline=4, data=2, schedule="dualpipe", **MEGATRONS), "schedule='dualpipe'"),
        ("megatron", Plan(data=8, zero=3, **MEGATRONS), "zero=3"),
        ("megatron", Plan(pipeline=3, data=2, **MEGATRONS), "pp=3"),  # 80 layers
        ("torchtitan", Plan(tensor=2, data=4, zero=3, sharding="per-parameter", grad_dtype="fp32"), "sp"),
        ("deepspeed", Plan(tensor=2, data=4), "tp=2"),
        ("accelerate", Plan(data=8, zero=3, grad_dtype="fp32", recompute="full"), "reentrant"),
        ("nemo", Plan(data=8, offload="optimizer"), "offload"),
    ],
)
def test_what_a_framework_cannot_express_is_refused_by_name(framework: str, plan: Plan, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        launch.write(framework, Job(DENSE, plan, 2048, 64))


# ── scripts that people write ───────────────────────────────────────────────────────────────────────────────────────────────

GPT3 = """#!/bin/bash
# GPT-3 175B
GPUS_PER_NODE=8
NUM_NODES=${NUM_NODES:-16}
TP=8; PP=16
DISTRIBUTED_ARGS=(--nproc_per_node $GPUS_PER_NODE --nnodes ${NUM_NODES} --master_port 6000)
GPT_MODEL_ARGS=(
    --num-layers 96
    --hidden-size 12288
    --num-attention-heads 96
    --seq-length 2048
    --max-position-embeddings 2048
    --vocab-size 50257
    --untie-embeddings-and-output-weights=  # no
)
TRAINING_ARGS=(
    --micro-batch-size 1
    --global-batch-size 1536
    --train-iters 500000
    --lr 6.0e-5
    --fp16
)
torchrun ${DISTRIBUTED_ARGS[@]} pretrain_gpt.py "${GPT_MODEL_ARGS[@]}" ${TRAINING_ARGS[@]} \\
    --tensor-model-parallel-size $TP --pipeline-model-parallel-size $PP
""".replace("    --untie-embeddings-and-output-weights=  # no\n", "")


def test_a_script_with_variables_and_arrays_is_read() -> None:
    """16 nodes of 8 devices over tp 8 and pp 16 leave dp 1. Megatron-LM pads 50,257 rows to a multiple of 128·8: 51,200."""
    name, read = launch.read(GPT3, {})
    assert name == "megatron"
    assert (read.plan.tensor, read.plan.pipeline, read.plan.data) == (8, 16, 1)
    assert (read.plan.precision, read.plan.zero, read.plan.sequence, read.plan.overlap) == ("fp16", 0, False, ())
    assert (read.global_batch, read.length, read.vocab) == (1536, 2048, 51_200)
    assert isinstance(read.model, dict) and bursar.load(read.model).params() == bursar.load("gpt3-175b").params()
    assert {"--train-iters", "--lr", "--master_port"} == {key.replace("master-port", "master_port") for key in read.unread}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GPT3.replace("--micro-batch-size 1", "--micro-batch-size $((2**2))"), "micro-batch-size"),
        (GPT3.replace("TP=8;", "TP=8; TP=4;"), "tensor-model-parallel-size"),
        (GPT3.replace("--fp16", "--fp16 --use-megatron-fsdp"), "use_megatron_fsdp"),
        (GPT3.replace("--fp16", "--fp16 --multi-latent-attention"), "multi_latent_attention"),
        (GPT3.replace("--fp16", "--fp16 --micro-batch-size 2"), "given twice"),
        (GPT3.replace("NUM_NODES:-16", "NUM_NODES:-3"), "does not divide devices=24"),
        (GPT3.replace("--vocab-size 50257", ""), "vocab"),
        (GPT3.replace("# GPT-3", "echo 'open"), "does not parse"),
        ('{"zero_optimization": {"stage": 3, "zero_quantized_weights": true}}', "zero_quantized_weights"),
        ('{"train_batch_size": 64, "train_micro_batch_size_per_gpu": 3}', "devices"),
        ('{"bf16": {"enabled": "auto"}, "train_batch_size": 8}', "auto"),
        ("[training]\nseq_len = 8192\n[parallelism]\ndata_parallel_shard_degree = 8\n", "activation_checkpoint.mode"),
        ("[training]\nseq_len = [\n", "not valid TOML"),
        ("[parallelism]\ndata_parallel_shard_degree = 8\ndisable_loss_parallel=true\n", "disable_loss_parallel"),
        ("[" * 100_000, "no framework"),
        ('{"a":' + "[" * 100_000, "not valid JSON"),
        ("model.tensor_model_parallel_size=banana", "devices"),
    ],
)  # fmt: skip
def test_what_matters_and_is_not_understood_is_refused(text: str, said: str) -> None:
    with pytest.raises(BursarError, match=said):
        launch.read(text, {})


def test_variables_that_grow_are_bounded() -> None:
    """A chain of variables that doubles is cut, and refused as no literal."""
    bomb = (
        "\n".join(f"A{i}=$A{i + 1}$A{i + 1}" for i in range(60)) + "\nA60=1\n--micro-batch-size $A0 --tensor-model-parallel-size 1"
    )
    with pytest.raises(PlanError, match="no literal"):
        launch.read(bomb, {"devices": 1})


def test_yaml_builds_plain_values_alone() -> None:
    pytest.importorskip("yaml", reason="PyYAML reads Accelerate's files: pip install 'bursar[launch]'")
    with pytest.raises(PlanError, match="not valid YAML"):
        launch.read("distributed_type: !!python/object/apply:os.system ['true']\n", {})
    with pytest.raises(PlanError, match="no aliases"):
        launch.read("distributed_type: FSDP\na: &a [x, x]\nfsdp_config: {fsdp_version: *a}\n", {})


def test_batches_of_deepspeed_make_each_other() -> None:
    """512 sequences in micro-batches of 2, 4 of them accumulated, need 64 ranks; with 32 ranks told they contradict."""
    text = json.dumps({"train_batch_size": 512, "train_micro_batch_size_per_gpu": 2, "gradient_accumulation_steps": 4})
    assert launch.read(text, {})[1].plan.data == 512 // (2 * 4)
    with pytest.raises(PlanError, match="512 is not 2·4·32"):
        launch.read(text, {"devices": 32})


# ── the verbs ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def bursar_says(*words: str) -> tuple[int, str, str]:
    run = subprocess.run([sys.executable, "-m", "bursar", *words], capture_output=True, text=True, timeout=60)
    return run.returncode, run.stdout, run.stderr


def audit(file: Path, *words: str) -> dict[str, Any]:
    status, out, err = bursar_says("audit-launch", str(file), *words, "--json")
    assert status == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def test_an_audit_predicts_what_the_job_is(tmp_path: Path) -> None:
    """Written by one verb, audited by the other: peak and step are those of `memory` and `time` for the same plan."""
    file = tmp_path / "run.sh"
    job = ("llama-3-8b", "--device", "h100-sxm", "--devices", "8", "--tp", "2", "--sp", "--zero", "1", "--grad-dtype", "fp32",
           "--seq", "4096", "--global-batch", "64", "--kernels", "fused,linear=main-grad")  # fmt: skip
    assert bursar_says("launch", "megatron", *job, "--out", str(file))[0] == 0
    found = audit(file, "--device", "h100-sxm")
    peak = json.loads(bursar_says("memory", *job, "--json")[1])["peak"]
    step = json.loads(bursar_says("time", *job, "--json")[1])["step_s"]
    assert (found["peak"], found["params"], found["devices"]) == (peak, 8_030_261_248, 8)
    assert found["step_s"] == pytest.approx(step, rel=1e-12)
    assert found["fits"] is (peak <= 80 * 2**30) or found["device_memory"] != 80 * 2**30


def test_an_audit_finds_what_is_wasteful(tmp_path: Path) -> None:
    """No sequence parallelism, no ZeRO, no overlap, recomputation that is not needed on 141 GB, a vocabulary of odd size."""
    file = tmp_path / "run.sh"
    arguments = """torchrun --nproc-per-node 8 --nnodes 1 pretrain_gpt.py --num-layers 16 --hidden-size 2048
        --num-attention-heads 32 --ffn-hidden-size 8192 --swiglu --normalization RMSNorm --position-embedding-type rope
        --disable-bias-linear --vocab-size 100001 --make-vocab-size-divisible-by 1 --tensor-model-parallel-size 4
        --micro-batch-size 1 --global-batch-size 16 --seq-length 4096
        --recompute-granularity full --recompute-method uniform --recompute-num-layers 1 --bf16"""
    file.write_text(arguments.replace("\n", " "))
    keys = {finding["key"] for finding in audit(file, "--device", "h200")["findings"]}
    assert {
        "launch_no_sp",
        "launch_no_zero",
        "launch_no_overlap",
        "launch_recompute",
        "launch_vocab",
        "launch_hidden_dropout",
    } <= keys
    fixed = arguments.replace("--recompute-granularity full --recompute-method uniform --recompute-num-layers 1 --bf16",
        "--bf16 --sequence-parallel --use-distributed-optimizer --overlap-grad-reduce --overlap-param-gather --hidden-dropout 0 "
        "--attention-dropout 0").replace("100001", "100096")  # fmt: skip
    file.write_text(fixed.replace("\n", " "))
    left = {finding["key"] for finding in audit(file, "--device", "h200")["findings"]}
    assert not left & {"launch_no_sp", "launch_no_zero", "launch_no_overlap", "launch_recompute", "launch_hidden_dropout"}


def test_an_audit_finds_what_is_wrong(tmp_path: Path) -> None:
    """tp 3 does not divide 32 heads, and dp 2 does not share 5 sequences: every rule, not the first; 70B on a GPU is too large."""
    file = tmp_path / "broken.sh"
    file.write_text(
        "--num-layers 16 --hidden-size 2048 --num-attention-heads 32 --ffn-hidden-size 8192 --vocab-size 1000"
        " --max-position-embeddings 512 --tensor-model-parallel-size 3 --micro-batch-size 1 --global-batch-size 5"
        " --seq-length 1024 --bf16"
    )
    found = audit(file, "--devices", "6")
    assert {"tp", "global_batch", "seq"} <= {finding["option"] for finding in found["findings"]}
    assert "peak" not in found
    large = tmp_path / "large.json"
    large.write_text(json.dumps({"train_batch_size": 8, "train_micro_batch_size_per_gpu": 1, "gradient_accumulation_steps": 8}))
    found = audit(large, "llama-3-70b", "--device", "h100-sxm", "--seq", "2048")
    assert found["fits"] is False
    assert "launch_too_large" in {finding["key"] for finding in found["findings"]}


def test_errors_are_short_and_exit_with_2(tmp_path: Path) -> None:
    big = tmp_path / "big.sh"
    big.write_text("#" * (MAX_BYTES + 1))
    for words in (
        ("audit-launch", "/none"),
        ("audit-launch", str(big)),
        ("launch", "horovod", "llama-3-8b"),
        ("audit-launch", str(tmp_path)),
    ):
        status, out, err = bursar_says(*words)
        assert (status, out) == (2, "") and 1 <= len(err.splitlines()) <= 2 and "Traceback" not in err


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_both_languages_say_the_same_numbers(lang: str, tmp_path: Path) -> None:
    file = tmp_path / "run.sh"
    file.write_text(GPT3)
    status, out, _ = bursar_says("audit-launch", str(file), "--device", "a100-80-sxm", "--lang", lang)
    assert status == 0 and "51,200" in out and "128" in out


# ── forms that scripts and configs in the wild have ─────────────────────────────────────────────────────────────────────────

QUOTED = """#!/bin/bash
DTYPE="fp8"
NODES=${SLURM_NNODES:-"2"}
MICRO=2
EXTRA=()
if [[ "$DTYPE" == "fp8" ]]; then
    EXTRA+=(
        "--fp8-format hybrid"
        "--fp8-recipe tensorwise"   # not "delayed"
    )
fi
options=" \\
    --bf16 \\
    --micro-batch-size ${MICRO} \\
    --global-batch-size $((NODES * 8 * MICRO * 4)) "
cat <<EOT > config.json
{"train_batch_size": 8}
EOT
torchrun --nproc_per_node 8 --nnodes $NODES pretrain_gpt.py ${EXTRA[@]} ${options} --tensor-model-parallel-size 4 | tee log.txt
"""


def test_options_in_quotes_and_arithmetic_are_read() -> None:
    """2 nodes of 8 over tp 4 leave dp 4; 2·8·2·4 = 128 sequences."""
    name, read = launch.read(QUOTED, {"model": "llama-3-8b"})
    assert name == "megatron"
    assert (read.plan.tensor, read.plan.data, read.plan.micro_batch, read.global_batch) == (4, 4, 2, 128)
    assert read.plan.precision == "fp8-current"


@pytest.mark.parametrize("sum_", ["2**99", "__import__('os')", "1/0", "f(1)", "9" * 50, "$((1", "1 +"])
def test_arithmetic_is_that_of_small_whole_numbers(sum_: str) -> None:
    text = QUOTED.replace("NODES * 8 * MICRO * 4", sum_)
    with pytest.raises(PlanError):
        launch.read(text, {"model": "llama-3-8b"})


def test_a_script_of_megatron_bridge_is_read() -> None:
    """Overrides among other words of a script, with variables of it."""
    text = (
        "#!/bin/bash\nTP=2\nsrun echo hello\npython run_recipe.py --recipe llama3_8b_pretrain_config \\\n"
        "    train.global_batch_size=64 model.tensor_model_parallel_size=$TP \\\n"
        "    model.sequence_parallel=True logger.log_interval=1\n"
    )
    name, read = launch.read(text, {"devices": 16, "model": "llama-3-8b"})
    assert name == "nemo"
    assert (read.plan.tensor, read.plan.sequence, read.plan.data, read.global_batch) == (2, True, 8, 64)
    assert read.unread == ("logger.log_interval",)


BRIDGE = """
model:
  tensor_model_parallel_size: 2
  expert_tensor_parallel_size: null
  sequence_parallel: true
  recompute_granularity: selective
  recompute_modules:
  - core_attn
  - mlp
  seq_length: 4096
train:
  global_batch_size: 64
mixed_precision:
  bf16: true
  fp8: hybrid
  fp8_recipe: blockwise
  params_dtype:
    _target_: torch.bfloat16
ddp:
  use_distributed_optimizer: true
  data_parallel_sharding_strategy: no_shard
"""


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_yaml_of_megatron_bridge_is_read(wrapped: bool) -> None:
    pytest.importorskip("yaml", reason="PyYAML reads it: pip install 'bursar[launch]'")
    text = "ConfigContainer:\n" + "\n".join(f"  {line}" for line in BRIDGE.splitlines()) if wrapped else BRIDGE
    name, read = launch.read(text, {"devices": 16, "model": "llama-3-8b"})
    assert name == "nemo"
    assert (read.plan.tensor, read.plan.data, read.plan.zero, read.length, read.global_batch) == (2, 8, 1, 4096, 64)
    assert (read.plan.precision, read.plan.recompute) == ("fp8-block", "core_attn,mlp")
    with pytest.raises(PlanError, match="data_parallel_sharding_strategy"):
        launch.read(text.replace("no_shard", "optim_grads_params"), {"devices": 16, "model": "llama-3-8b"})


def test_what_a_training_script_fills_in_is_asked_for() -> None:
    """The configs of transformers' Trainer leave precision and batches to it."""
    text = json.dumps({
        "bf16": {"enabled": "auto"}, "fp16": {"enabled": "auto"}, "train_batch_size": "auto",
        "train_micro_batch_size_per_gpu": "auto", "gradient_accumulation_steps": "auto", "zero_optimization": {"stage": 2},
    })  # fmt: skip
    given = {"devices": 8, "micro_batch": 2, "global_batch": 32}
    for precision in ("bf16", "fp16", "fp32"):
        _, read = launch.read(text, {**given, "precision": precision})
        assert (read.plan.precision, read.plan.zero, read.global_batch) == (precision, 2, 32)
        assert read.notes == (("launch_auto", {"keys": "bf16, fp16", "precision": precision}),)


def test_json_of_another_tool_is_refused() -> None:
    with pytest.raises(PlanError, match="no key of DeepSpeed's"):
        launch.read(json.dumps({"fsdp": "full_shard", "fsdp_config": {"fsdp_version": 2}}), {"devices": 8})


def test_deepspeed_by_accelerate_is_read() -> None:
    """`accelerate config` with DeepSpeed: stage and offload in its own words."""
    pytest.importorskip("yaml", reason="PyYAML reads it: pip install 'bursar[launch]'")
    text = (
        "distributed_type: DEEPSPEED\nmixed_precision: bf16\nnum_processes: 8\ndeepspeed_config:\n  zero_stage: 3\n"
        "  offload_optimizer_device: cpu\n  offload_param_device: none\n  gradient_accumulation_steps: 4\n"
    )
    name, read = launch.read(text, {"micro_batch": 2, "global_batch": None})
    assert name == "accelerate"
    assert (read.plan.zero, read.plan.offload, read.plan.data, read.plan.precision) == (3, ("optimizer",), 8, "bf16")
    assert read.global_batch == 64
    with pytest.raises(PlanError, match="an audit of that file"):
        launch.read(text.replace("  zero_stage: 3", "  deepspeed_config_file: ds.json"), {})


def test_groups_of_a_layout_are_read() -> None:
    """(tt|)*30 is thirty stages of two layers; what grows without end is cut."""
    assert megatron_plan._layout("Et|(tt|)*30L") == (1, *[2] * 30, 0)
    assert megatron_plan._layout("Et*3|(t*4|)*2t*3L") == (3, 4, 4, 3)
    for text in ("Et|((((((t|)*99)*99)*99)*99)*99)*99L", "E" + "(" * 5000, "Et|(tt|)*30mL"):
        with pytest.raises(PlanError, match="E first, L last"):
            megatron_plan._layout(text)
