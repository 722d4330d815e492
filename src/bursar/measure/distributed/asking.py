"""What is asked of a distributed run: a model of few layers, a plan that PyTorch can carry out, a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bursar import catalog
from bursar.errors import PlanError
from bursar.families import file_of
from bursar.measure.distributed.families import EXPERT, FAMILIES, PIPELINE, REASONS, REFUSED, TENSOR
from bursar.model import Model, load
from bursar.ops.linear import Head
from bursar.options import OPTIONS
from bursar.options.option import Option, count, rank
from bursar.parallel import expert, tensor
from bursar.plan import Plan
from bursar.training import Training

DEPTH = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
PATTERNS = ("hybrid_override_pattern",)  # texts with a letter for each layer
PRECISIONS = ("fp32", "bf16", "bf16-pure")
# schedules of ours by PyTorch's class, and whether that takes several chunks of a rank
SCHEDULES: Mapping[str, tuple[str, bool]] = {
    "gpipe": ("ScheduleGPipe", False),
    "1f1b": ("Schedule1F1B", False),
    "interleaved": ("ScheduleInterleaved1F1B", True),
    "zb-v": ("ScheduleZBVZeroBubble", True),
    "dualpipe-v": ("ScheduleDualPipeV", True),
}
GRADIENTS = {"bf16": (None, "bf16", "fp32")}  # FSDP2 reduces gradients in another dtype than they have
SPLIT = ("zb-v", "dualpipe-v")  # of these, those that put weight gradients off
STATES = {"bf16-pure": "bf16"}  # torch.optim keeps states in the dtype of the weights

SHARED = (
    "tp", "sp", "pp", "schedule", "vp", "dp", "zero", "shard_group", "ep",
    "seq", "micro_batch", "global_batch", "precision", "grad_dtype", "set", "record", "lang",
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
ZERO_OF_PIPELINES = "2"  # which keep the weights of their chunks whole for all micro-batches


def options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Every option with its value; refused if it does not fit."""
    found = {name: option.value(given.get(name)) for name, option in TABLE.items()}
    usual = DEFAULTS if found["pp"] == 1 else {**DEFAULTS, "zero": ZERO_OF_PIPELINES}
    return {**found, **{name: value for name, value in usual.items() if given.get(name) is None}}


class Limit(NamedTuple):
    """What PyTorch's engine, or this program of it, does not do: the option, whether the options break it, why, what is valid."""

    field: str
    broken: Callable[[Mapping[str, Any]], bool]
    problem: str
    valid: object


LIMITS = (
    Limit("precision", lambda a: a["precision"] not in PRECISIONS, "precision={precision} is not run", PRECISIONS),
    Limit(
        "precision", lambda a: a["precision"] == "bf16" and (a["dp"] == 1 or a["zero"] < 2),
        "FP32 masters of bf16 weights are FSDP2's", "fp32, bf16-pure; or dp and zero of 2 and more",
    ),
    Limit(
        "grad_dtype", lambda a: a["grad_dtype"] not in GRADIENTS.get(a["precision"], (None,)),
        "grad_dtype={grad_dtype} with precision={precision} is not run", "fp32, bf16 with precision=bf16",
    ),
    Limit("sp", lambda a: a["sp"] and a["tp"] == 1, "sp shares tokens over tp ranks", "--tp 2 and more"),
    Limit(
        "schedule", lambda a: a["schedule"] not in (None, *SCHEDULES), "schedule={schedule}: PyTorch has none of that name",
        tuple(SCHEDULES),
    ),
    Limit(
        "zero", lambda a: a["zero"] == 3 and a["dp"] > 1 and a["pp"] > 1,
        "a pipeline keeps the weights of its chunks whole for all micro-batches", "0, 1, 2 with pp",
    ),
    Limit(
        "zero", lambda a: a["zero"] < 2 and a["dp"] > 1 and a["tp"] > 1,
        "zero={zero} is DistributedDataParallel, which takes no weights that tp cuts", "2, 3 with tp",
    ),
    Limit(
        "schedule", lambda a: a["dp"] > 1 and a["schedule"] in SPLIT,
        "schedule={schedule} puts gradients of weights off, which dp adds up", [name for name in SCHEDULES if name not in SPLIT],
    ),
    Limit("shard_group", lambda a: a["shard_group"] and a["zero"] < 2, "zero={zero} shards no weights", "zero 2, 3"),
    Limit("shard_group", lambda a: a["shard_group"] and a["pp"] > 1, "replicas of shards are run without pp", "pp=1"),
    Limit("ep", lambda a: a["ep"] > 1 and a["precision"] != "fp32", "experts are spread in fp32", "precision=fp32"),
    Limit("ep", lambda a: a["ep"] > 1 and a["pp"] > 1, "experts are spread without pp", "pp=1"),
    Limit("ep", lambda a: a["ep"] > 1 and a["dp"] > 1 and a["zero"] < 2, "experts are spread beside FSDP2", "zero 2, 3"),
    Limit("ep", lambda a: a["ep"] > 1 and a["dp"] == 1 and a["ep"] != a["tp"], "without dp a rank has its own experts", "ep=tp"),
    Limit("ep", lambda a: a["ep"] > 1 and a["shard_group"], "experts are spread without replicas of shards", "no shard_group"),
)  # fmt: skip


def model_of(name: str, asked: Mapping[str, Any]) -> Model:
    """The model with so many layers, and other values of its config. Raises PlanError for a family that is not run."""
    family = file_of(catalog.find(name).values["model_type"])
    if family in REFUSED:
        raise PlanError(f"no distributed step of {family}: {REFUSED[family]}", field="model", value=name, valid=sorted(FAMILIES))
    return load(name, changes=dict([*shallow(name, asked["layers"]).items(), *(asked["set"] or ())]).items())


def shallow(name: str, layers: int) -> dict[str, Any]:
    """The keys of a config that say how many layers there are, and lists with an item for each, for so many."""
    values = catalog.find(name).values
    key = next((key for key in DEPTH if key in values), None)
    if key is None:
        raise PlanError("its config does not say how many layers there are", field="model", value=name, valid=DEPTH)
    each = {k: v for k, v in values.items() if isinstance(v, list) or k in PATTERNS}
    return {key: layers, **{k: v[:layers] for k, v in each.items() if len(v) == values[key]}}


def plan_of(asked: Mapping[str, Any], world: int) -> Plan:
    """The plan for so many ranks; data parallelism takes what others leave. Raises PlanError where a limit is broken."""
    ranks = asked["tp"] * asked["pp"]
    data = asked["dp"] or max(1, world // ranks)
    if ranks * data != world:
        raise PlanError(
            f"tp·pp·dp={asked['tp']}·{asked['pp']}·{data} is not the {world} ranks that run", field="dp", value=data,
            valid=f"{world} ranks",
        )  # fmt: skip
    zero = int(asked["zero"]) if data > 1 else 0
    given = {**asked, "dp": data, "zero": zero}
    for limit in LIMITS:
        if limit.broken(given):
            raise PlanError(limit.problem.format(**given), field=limit.field, value=given[limit.field], valid=limit.valid)
    sharded: dict[str, Any] = {"zero": 3, "reshard": zero == 3, "sharding": "per-parameter"} if zero >= 2 else {"zero": zero}
    return Plan(
        tensor=asked["tp"], sequence=asked["sp"], expert=asked["ep"], expert_tensor=1, pipeline=asked["pp"], data=data,
        schedule=asked["schedule"] or ("interleaved" if asked["vp"] > 1 else "1f1b"), virtual=asked["vp"],
        shard_group=asked["shard_group"], micro_batch=asked["micro_batch"], precision=asked["precision"],
        grad_dtype=asked["grad_dtype"], gathered="kept", state_dtype=STATES.get(asked["precision"]), **sharded,
    )  # fmt: skip


def job_of(model: Model, plan: Plan, asked: Mapping[str, Any]) -> Training:
    """The job whose step is run: by default one micro-batch, or two for each pipeline stage.

    Raises PlanError where the model is not cut so."""
    family = file_of(model.published.values["model_type"])
    for way, degree in ((PIPELINE, plan.pipeline), (TENSOR, plan.tensor), (EXPERT, plan.expert)):
        if degree > 1 and way not in FAMILIES[family]:
            raise PlanError(f"{family} is not cut by {way}: {REASONS[way]}", field=way, value=degree, valid=1)
    batch = asked["global_batch"] or plan.data * plan.micro_batch * (2 * plan.pipeline if plan.pipeline > 1 else 1)
    job = Training(model.architecture, plan, length=asked["seq"], global_batch=batch)
    if tied(job) and (plan.tensor > 1 or plan.pipeline > 1):
        raise PlanError("a tied head is not cut", field="set", valid="--set tie_word_embeddings=false")
    _comes_out_even(job, model.published.values["vocab_size"])
    return job


def tied(job: Training) -> bool:
    """Whether the head has the embedding's table."""
    return any(isinstance(op, Head) and op.tied is not None for block in job.architecture.tail for op in block.lines.values())


def _comes_out_even(job: Training, vocab: int) -> None:
    """Every rank has as much as any other: of the vocabulary, of the heads of keys and values, of token copies."""
    ways = job.plan.tensor
    heads = {count for _, _, block in job.architecture.parts() for name, count in tensor.counts(block) if name == "kv_heads"}
    for size in (vocab, *heads):
        if size % ways:
            raise PlanError(f"tp={ways} does not divide {size}", field="tp", value=ways, valid=f"a divisor of {size}")
    tokens = int(job.step.tokens) // (ways if job.plan.sequence else 1)
    for experts, picks in expert.routed(job.architecture):
        if ways > 1 and job.plan.expert == 1:
            raise PlanError("experts are not cut by tp", field="ep", value=1, valid="ep of 2 and more, with sp")
        if job.plan.expert > 1 and tokens * picks % experts:
            raise PlanError(
                f"{tokens * picks} token copies of a rank are not even over {experts} experts", field="seq", valid="more tokens"
            )
