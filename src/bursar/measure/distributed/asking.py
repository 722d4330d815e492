"""What is asked of a distributed run: a model of few layers, a plan that PyTorch can carry out, a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bursar import catalog
from bursar.errors import PlanError
from bursar.measure.distributed.predicting import tied
from bursar.model import Model, load
from bursar.options import OPTIONS
from bursar.options.option import Option, count, rank
from bursar.plan import Plan
from bursar.training import Training

# families whose layers are cut by name (`tensors.py`, `experts.py`)
FAMILIES = ("llama", "mistral", "mixtral", "qwen2")
PRECISIONS = ("fp32", "bf16", "bf16-pure")
# schedules of ours by PyTorch's class, and whether that takes several chunks of a rank
SCHEDULES: Mapping[str, tuple[str, bool]] = {
    "gpipe": ("ScheduleGPipe", False),
    "1f1b": ("Schedule1F1B", False),
    "interleaved": ("ScheduleInterleaved1F1B", True),
    "zb-v": ("ScheduleZBVZeroBubble", True),
    "dualpipe-v": ("ScheduleDualPipeV", True),
}
SHARDED = (2, 3)
STATES = {"bf16-pure": "bf16"}  # torch.optim keeps states in the dtype of the weights

SHARED = (
    "tp", "sp", "pp", "schedule", "vp", "dp", "zero", "shard_group", "ep",
    "seq", "micro_batch", "global_batch", "precision", "grad_dtype", "set", "lang",
)  # fmt: skip
OWN: tuple[Option, ...] = (
    Option("layers", count, 2, (), "layers of the model that are built", "构建的层数"),
    Option(
        "device",
        None,
        None,
        ("cpu", "cuda"),
        "what the ranks run on; default: cuda where it is",
        "各进程所用设备，默认有 cuda 则用之",
    ),
    Option(
        "fake",
        count,
        None,
        (),
        "so many ranks, of which one runs here and sends nothing",
        "虚拟进程总数：只运行其中一个，不实际通信",
    ),
    Option("rank", rank, 0, (), "which of the ranks of --fake runs", "--fake 时运行的进程号"),
    Option("timeout", count, 300, (), "seconds that a collective may wait for other ranks", "一次集合通信等待其他进程的秒数上限"),
)
TABLE: Mapping[str, Option] = {**{name: OPTIONS[name] for name in SHARED}, **{option.name: option for option in OWN}}
DEFAULTS = {"precision": "fp32", "seq": 32, "zero": "3"}


def options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Every option with its value; refused if it does not fit."""
    found = {name: option.value(given.get(name)) for name, option in TABLE.items()}
    return {**found, **{name: value for name, value in DEFAULTS.items() if given.get(name) is None}}


def model_of(name: str, asked: Mapping[str, Any]) -> Model:
    """The model with so many layers, and other values of its config."""
    family = catalog.find(name).values["model_type"]
    if family not in FAMILIES:
        raise PlanError(f"{family} is not cut here", field="model", value=family, valid=FAMILIES)
    return load(name, changes=dict([("num_hidden_layers", asked["layers"]), *(asked["set"] or ())]).items())


def plan_of(asked: Mapping[str, Any], world: int) -> Plan:
    """The plan for so many ranks; data parallelism takes what others leave.

    Raises PlanError for what PyTorch's engine, or this program of it, does not do.
    """
    tensor, pipeline, expert = asked["tp"], asked["pp"], asked["ep"]
    ranks = tensor * pipeline
    data = asked["dp"] or max(1, world // ranks)
    if ranks * data != world:
        raise PlanError(
            f"tp·pp·dp={tensor}·{pipeline}·{data} is not the {world} ranks that run", field="dp", value=data, valid=f"{world} ranks"
        )
    zero = int(asked["zero"]) if data > 1 else 0
    _carried(asked, data, zero)
    sharded: dict[str, Any] = {"zero": 3, "reshard": zero == 3, "sharding": "per-parameter"} if data > 1 else {}
    return Plan(
        tensor=tensor, sequence=asked["sp"], expert=expert, expert_tensor=1, pipeline=pipeline, data=data,
        schedule=asked["schedule"] or ("interleaved" if asked["vp"] > 1 else "1f1b"), virtual=asked["vp"],
        shard_group=asked["shard_group"], micro_batch=asked["micro_batch"], precision=asked["precision"],
        grad_dtype=asked["grad_dtype"], gathered="kept", state_dtype=STATES.get(asked["precision"]), **sharded,
    )  # fmt: skip


def _carried(asked: Mapping[str, Any], data: int, zero: int) -> None:
    def refuse(problem: str, field: str, valid: object) -> None:
        raise PlanError(problem, field=field, value=asked[field], valid=valid)

    if asked["precision"] not in PRECISIONS:
        refuse(f"precision={asked['precision']}", "precision", PRECISIONS)
    if asked["precision"] == "bf16" and data == 1:
        refuse("FP32 masters of bf16 weights are FSDP2's, which needs dp", "precision", "fp32, bf16-pure; or --dp 2")
    if data > 1 and zero not in SHARDED:
        refuse(f"zero={zero}: data parallelism is FSDP2", "zero", SHARDED)
    if data > 1 and asked["pp"] > 1:
        refuse("pipelines of sharded chunks are not run", "pp", "dp=1 with pp")
    if asked["sp"] and asked["tp"] == 1:
        refuse("sp shares tokens over tp ranks", "sp", "--tp 2 and more")
    if asked["schedule"] not in (None, *SCHEDULES):
        refuse(f"schedule={asked['schedule']}: PyTorch has none of that name", "schedule", tuple(SCHEDULES))
    if asked["ep"] > 1 and (asked["tp"] > 1 or asked["pp"] > 1 or data % asked["ep"] or asked["precision"] != "fp32"):
        refuse("expert parallelism is run beside data parallelism in fp32", "ep", "a divisor of dp, with tp=1, pp=1")
    if asked["ep"] > 1 and asked["shard_group"] is not None:
        refuse("experts are spread where shards are not replicated", "ep", "no shard_group")


def job_of(model: Model, plan: Plan, asked: Mapping[str, Any]) -> Training:
    """The job whose step is run: by default one micro-batch, or two for each pipeline stage."""
    batch = asked["global_batch"] or plan.data * plan.micro_batch * (2 * plan.pipeline if plan.pipeline > 1 else 1)
    job = Training(model.architecture, plan, length=asked["seq"], global_batch=batch)
    config = model.published.values
    if tied(job) and (plan.tensor > 1 or plan.pipeline > 1):
        raise PlanError("a tied head is not cut", field="set", valid="--set tie_word_embeddings=false")
    for size, ways, field in ((config["vocab_size"], plan.tensor, "tp"), (asked["seq"], plan.tensor if plan.sequence else 1, "tp")):
        if size % ways:
            raise PlanError(f"tp={ways} does not divide {size}", field=field, value=ways, valid=f"a divisor of {size}")
    experts = config.get("num_local_experts", 0)
    if experts and plan.tensor > 1:
        raise PlanError("mixtures of experts are not cut by tensor parallelism", field="tp", value=plan.tensor, valid="1")
    if plan.expert > 1 and int(job.step.tokens) * config["num_experts_per_tok"] % experts:
        raise PlanError(
            f"token copies of a micro-batch do not come out even over {experts} experts", field="seq", valid="more tokens"
        )
    return job
