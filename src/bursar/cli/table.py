"""The table of verbs: what each takes, where its answer and its report are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bursar.theory.initialization import schemes

SEARCHED = ("recompute", "checkpointing")  # what a search tries by itself
BATCH = ("global_batch", "global_batch_tokens")
TENSORS = (
    "precision",
    "grad_dtype",
    "optimizer",
    "state_dtype",
    "optimizer_step",
    "kernels",
    "recompute",
    "checkpointing",
    "mask",
    "dropout",
)
TUNING = ("lora_rank", "lora_targets", "adapter", "lora_dropout", "weights", "freeze_layers")
DEGREES = (
    "tp",
    "sp",
    "cp",
    "cp_comm",
    "ep",
    "etp",
    "expert_load",
    "pp",
    "schedule",
    "vp",
    "layout",
    "dp",
    "zero",
    "shard_group",
    "sharding",
    "reshard",
    "overlap",
    "ep_comm",
    "launch",
)
CLUSTER = ("device", "devices", "nodes", "cluster")
RUN = ("tokens", "price")
WALL = ("convention", "mtbf_device_hours", "storage_bandwidth", "restart", "checkpoint_every", "pue", "grid")
READ = ("mtp", "as_family", "set")
MOMENTS = ("timeline", "chart", "what_if")
JOB, CATALOGS, PICTURES = "bursar.cli.job", "bursar.cli.catalogs", "bursar.report.pictures"
MEASURED = "bursar.cli.measure"  # needs PyTorch
HOST = ("offload",)
LAUNCH = "bursar.cli.launch"


class Verb(NamedTuple):
    """A verb: whether it takes a MODEL, its options, an example for its help, its arguments before the MODEL (words with spaces
    between them: "[model]" may be left out, of "sizes..." there may be several), where its answer, its report and its pictures
    are, and the verbs of a group."""

    model: bool
    options: tuple[str, ...]
    example: str
    argument: str = ""
    answers: str = "bursar.cli.model"
    report: str = "bursar.report.tables"
    pictures: str = ""
    verbs: Mapping[str, Verb] | None = None


def _scaling(argument: str, options: tuple[str, ...], example: str, answers: str = "bursar.cli.scaling") -> Verb:
    return Verb(False, options, f"bursar scaling {example}", argument, answers, "bursar.report.scaling")


def _budget(argument: str, options: tuple[str, ...], example: str) -> Verb:
    """Where the answer and the report of numbers without a model are."""
    return Verb(False, options, f"bursar {example}", argument, "bursar.cli.budget", "bursar.report.budget")


LAW = ("law", "unique_tokens", "experts", "granularity", "bits")
SCALING: Mapping[str, Verb] = {
    "laws": _scaling("", ("law",), "laws"),
    "loss": _scaling("[model]", ("params", "tokens", "flops", *LAW, *READ), "loss --law epoch-huber --params 70B --tokens 1.4T"),
    "optimal": _scaling("", ("flops", *LAW), "optimal --flops 1e24"),
    "allocate": _scaling(
        "[model]", ("flops", "loss", "params", "tokens", "inference_tokens", "unique_tokens", "law", *READ),
        "allocate --flops 1e24 --inference-tokens 5T --unique-tokens 500B",
    ),
    "hyper": _scaling("[model]", ("params", "tokens", "flops", "width_ratio", "seq", *READ), "hyper llama-3-8b --tokens 15T"),
    "derive": _scaling("", ("derivation",), "derive --derivation frontier"),
    "fit": _scaling("file", ("form", "resamples", "delta", "chart"), "fit runs.csv --form additive", "bursar.cli.scaling_runs"),
    "power": _scaling("points...", (), "power 1e6:4.0116 1e9:2.3756", "bursar.cli.scaling_runs"),
    "design": _scaling(
        "", ("budget", "usd", "days", "law", "family", "experts", "granularity", "vocab", "seq", *BATCH, "precision", "grad_dtype",
             "optimizer", "state_dtype", "optimizer_step", "kernels", "mask", *CLUSTER, "price"),
        "design --budget 1e24 --device h100-sxm --devices 1024", "bursar.cli.scaling_runs",
    ),
}  # fmt: skip


def _matrix(argument: str, options: tuple[str, ...], example: str, answers: str = "bursar.cli.matrix_gradients") -> Verb:
    pictures = "bursar.report.matrix_pictures" if "chart" in options else ""
    return Verb(False, options, f"bursar matrix {example}", argument, answers, "bursar.report.matrix", pictures)


COSTS = "bursar.cli.matrix"
MATRIX: Mapping[str, Verb] = {
    "product": _matrix("sizes...", ("dtype", "result_dtype", "device"), "product 16384 32768 8192 --device h100-sxm", COSTS),
    "vector": _matrix("sizes...", ("dtype", "result_dtype", "device"), "vector 16384 16384", COSTS),
    "chain": _matrix("shapes...", (), "chain 10x1000 1000x10 10x1000", COSTS),
    "conv": _matrix(
        "input weight", ("stride", "pad", "dilation", "groups", "dtype"), "conv 8x3x224x224 64x3x7x7 --stride 2 --pad 3", COSTS
    ),
    "elementwise": _matrix("[operation] [shape]", ("special", "per_element", "chart"), "elementwise softmax 16384x8192", COSTS),
    "gradient": _matrix(
        "[sizes...]", ("storage", "a", "x", "b", "g", "y", "reduction"),
        "gradient --a [[1,2],[3,4],[5,6]] --x [[1,0],[2,1]] --g [[1,2],[3,4],[5,6]]",
    ),
    "jacobian": _matrix("[sizes...]", ("a", "x"), "jacobian --a [[1,2],[3,4],[5,6]] --x [[1,0],[2,1]]"),
    "mlp": _matrix("[widths...]", ("batch", "x", "w", "y", "activation", "reduction"), "mlp 32 128 128 10 --batch 64"),
    "saved": _matrix("[operation]", ("dropout",), "saved attention"),
    "graph": _matrix("widths...", ("batch", "chart"), "graph 32 128 128 10 --batch 64"),
}  # fmt: skip


def _numerics(argument: str, options: tuple[str, ...], example: str, pictures: str = "") -> Verb:
    return Verb(
        False, options, f"bursar numerics {example}", argument, "bursar.cli.numerics", "bursar.report.numerics", pictures
    )  # fmt: skip


NUMERICS: Mapping[str, Verb] = {
    "sum": _numerics("", ("formats", "addend", "additions", "start", "seed"), "sum --formats fp16,bf16,fp32 --addend 1e-4"),
    "loss-scaling": _numerics(
        "", ("formats", "loss_scale", "growth", "backoff", "growth_interval", "events", "tiny", "median", "decades", "steps", "seed",
             "chart"),
        "loss-scaling --events good,overflow,good", "bursar.report.numerics",
    ),
    "matmul": _numerics(
        "", ("formats", "blocks", "matrix_size", "outliers", "seed", "chart"), "matmul --outliers", "bursar.report.numerics"
    ),
    "train": _numerics("", ("steps", "lr", "seed", "chart"), "train --lr 0.01", "bursar.report.numerics"),
    "line": _numerics("name", ("within", "chart"), "line fp4-e2m1", "bursar.report.numerics"),
}  # fmt: skip


SETTINGS = (
    "lr", "beta1", "beta2", "eps", "eps_inside", "bias_correction", "weight_decay", "momentum", "momentum_form", "decay", "trust",
    "gamma", "every",
)  # fmt: skip


def _optimizer(argument: str, options: tuple[str, ...], example: str, pictures: str = "bursar.report.optimizers") -> Verb:
    return Verb(False, options, f"bursar optimizer {example}", argument, "bursar.cli.optimizers", "bursar.report.optimizers", pictures)


OPTIMIZER: Mapping[str, Verb] = {
    "step": _optimizer(
        "name", ("theta", "gradient", "steps", *SETTINGS, "torch", "chart"), "step adam --theta 1 --gradient 0.5:-0.5 --lr 0.1"
    ),
    "accumulate": _optimizer("", ("gradient", "counts", "seed"), "accumulate --counts 8,8,4", ""),
    "race": _optimizer("", ("problem", "optimizers", "steps", "lr", "noise", "seed", "chart"), "race --problem quadratic"),
    "schedule": _optimizer(
        "name", ("updates", "warmup", "decay_updates", "floor", "lr", "chart"), "schedule cosine --warmup 100 --floor 0.1 --lr 3e-4"
    ),
    "lineage": _optimizer("", ("chart",), "lineage"),
}  # fmt: skip


def _init(argument: str, options: tuple[str, ...], example: str, answers: str = "bursar.cli.init", pictures: str = "") -> Verb:
    return Verb(False, options, f"bursar init {example}", argument, answers, "bursar.report.init", pictures)


FANS = ("fan_in", "fan_out", "shape", "weight_layout", "groups")
PROPAGATION = ("bursar.cli.propagation", "bursar.report.init_pictures")
EXAMPLES = {"std": "--std 0.02", "layers": "--layers 24"}
OF_RULES: Mapping[str, tuple[str, ...]] = {
    "fan": ("mode",), "gain_squared": ("gain", "nonlinearity", "slope"), "std": ("std",), "layers": ("layers",),
}  # fmt: skip
INIT: Mapping[str, Verb] = {
    **{
        name: _init(
            "", (*FANS, *[option for read in rule.takes for option in OF_RULES.get(read, ())], "sigmas", "between"),
            f"{name} --fan-in 4096 --fan-out 1024" + "".join([f" {EXAMPLES[read]}" for read in rule.takes if read in EXAMPLES]),
        )
        for name, rule in schemes.NAMES.items()
    },
    "truncated": _init("", ("std", "sigmas", "low", "high", "center", *FANS, "between"), "truncated --std 0.0078125 --low -3 --high 3"),
    "gain": _init("", ("nonlinearity", "slope", "std"), "gain --nonlinearity gelu"),
    "mup": _init("", ("width", "base_width", "std"), "mup --width 4096 --base-width 256"),
    "attention": _init("", ("head_dim", "fan_in", "std"), "attention --head-dim 128"),
    "lint": _init(
        "call", (*FANS, "nonlinearity", "slope", "layers", "branch"),
        'lint "trunc_normal_(w, std=0.0078125, a=-3, b=3)" --shape 1024x16384', "bursar.cli.init_lint",
    ),
    "derive": _init("[name]", (), "derive xavier", "bursar.cli.init_lint"),
    "propagate": _init(
        "", ("scheme", "nonlinearity", "slope", "width", "layers", "sizes", "gain", "std", "mode", "residual", "branch_scale",
             "distribution", "samples", "networks", "seed", "chart"),
        "propagate --scheme he --nonlinearity relu --width 64 --layers 5 --samples 10000", *PROPAGATION,
    ),
    "module": _init("target", ("on", "seed", "chart"), "module my_model.py:make", *PROPAGATION),
}  # fmt: skip


INVERSE = "bursar.cli.inverse"
SEARCHES = ("seq", *BATCH, *[name for name in TENSORS if name not in SEARCHED])
PLANNED = ("seq", "micro_batch", *BATCH, *TENSORS, "grad_buffer", "gathered", *HOST, *TUNING, *DEGREES, *CLUSTER)


def _find(model: bool, options: tuple[str, ...], example: str) -> Verb:
    return Verb(model, options, f"bursar {example}", answers=INVERSE, report="bursar.report.inverse")


FIND: Mapping[str, Verb] = {
    "cluster": _find(
        True, (*SEARCHES, "device", "tokens", "days", "price", *READ), "find cluster llama-3-8b --device h100 --seq 8k --global-batch 512"
    ),
    "context": _find(
        True, (*SEARCHES, *CLUSTER, "calibration", *READ), "find context llama-3-8b --device h100 --devices 8 --seq 8k --global-batch 64"
    ),
    "batch": _find(True, (*PLANNED, "calibration", *READ), "find batch llama-3-8b --device h100 --devices 8 --zero 3 --seq 4k"),
    "model": _find(False, (*SEARCHES, *CLUSTER), "find model --device h100 --devices 8 --seq 4k --global-batch 64"),
    "device": _find(
        True, (*SEARCHES, "tokens", "days", "price", *READ),
        "find device llama-3-8b --tokens 1T --days 30 --seq 8k --global-batch-tokens 4M",
    ),
}  # fmt: skip

VERBS: Mapping[str, Verb] = {
    "params": Verb(True, (*TUNING, *READ, "checkpoint", "chart"), "bursar params deepseek-v3 --mtp", pictures=PICTURES),
    "flops": Verb(
        True, ("seq", "past", "batch", "mask", *TUNING, *READ, "chart"), "bursar flops llama-3-8b --seq 8k --mask causal",
        pictures=PICTURES,
    ),
    "kv": Verb(True, ("seq", "batch", "kv_dtype", "as_family", "set"), "bursar kv deepseek-v3 --seq 128k --kv-dtype fp8"),
    "activations": Verb(
        True, ("seq", "micro_batch", *TENSORS, *TUNING, *DEGREES, *READ, "chart"),
        "bursar activations gpt3-175b --kernels textbook --tp 8 --sp", pictures=PICTURES,
    ),
    "memory": Verb(
        True,
        ("seq", "micro_batch", *BATCH, *TENSORS, "grad_buffer", "gathered", *HOST, *TUNING, *DEGREES, *CLUSTER, "calibration", *READ, *MOMENTS),
        "bursar memory llama-3-70b --device h100 --devices 64 --tp 8 --sp --pp 4 --zero 1", answers=JOB, pictures=PICTURES,
    ),
    "time": Verb(
        True,
        ("seq", "micro_batch", *BATCH, *TENSORS, *HOST, *TUNING, *DEGREES, *CLUSTER, "calibration", *RUN, *WALL, *READ, "chart"),
        "bursar time llama-3-70b --device h100 --devices 64 --tp 8 --sp --pp 4 --zero 1 --global-batch 512 --tokens 15T",
        answers=JOB, pictures=PICTURES,
    ),
    "plan": Verb(
        True,
        ("seq", *BATCH, *[name for name in TENSORS if name not in SEARCHED], *HOST, *TUNING, *CLUSTER, "calibration", *RUN, *READ, "fix", "also",
         "sensitivity"),
        "bursar plan llama-3-70b --device h100-sxm --devices 64 --seq 8192 --global-batch-tokens 4M --tokens 15T",
        answers="bursar.cli.search",
    ),
    "find": Verb(False, (), "bursar find batch llama-3-8b --device h100 --devices 8 --zero 3 --seq 4k", answers=INVERSE, verbs=FIND),
    "advise": _find(True, (*PLANNED, "calibration", *READ), "advise llama-3-70b --device h100 --devices 64 --tp 8 --sp --pp 4 --global-batch 512"),
    "calibrate": Verb(
        False, (*PLANNED, *READ, "out", "log_format", "measure", "on", "device_file", "quick"),
        "bursar calibrate train.log llama-3-8b --device h100 --devices 8 --zero 3 --seq 8k --global-batch 64",
        "[file] [model]", "bursar.cli.calibrate", "bursar.report.calibrate",
    ),
    "run": _budget(
        "[model]",
        ("params", "tokens", "tokens_per_param", "flops", "seq", "mask", "global_batch_tokens", "device", "devices", "precision",
         "peak", "mfu", "seconds", "days", "device_hours", "usd", "price", "recompute", *READ),
        "run --params 70B --tokens 15T --device h100-sxm --devices 1024 --mfu 0.5",
    ),
    "roofline": Verb(
        False,
        ("peak", "bandwidth", "flops", "bytes", "seconds", "seq", "micro_batch", *TENSORS, *TUNING, *DEGREES, *CLUSTER, *READ,
         "chart"),
        "bursar roofline llama-3-8b --device h100-sxm --seq 8k", "[model]", "bursar.cli.roofline", "bursar.report.roofline",
        "bursar.report.roofline",
    ),
    "states": _budget(
        "", ("params", "precision", "grad_dtype", "optimizer", "state_dtype", "dp", "zero", "device", "capacity"),
        "states --params 7B --dp 64 --zero 1 --device h100-sxm",
    ),
    "launch": Verb(
        True, (*PLANNED, *READ, "out"), "bursar launch megatron llama-3-70b --devices 64 --tp 8 --sp --pp 4 --zero 1 --grad-dtype fp32",
        "framework", LAUNCH, "bursar.report.launch",
    ),
    "audit-launch": Verb(
        False,
        ("framework", "seq", "micro_batch", "global_batch", "mask", "optimizer", "optimizer_step", "kernels", "grad_buffer", "recompute",
         "checkpointing", *CLUSTER, "set"),
        "bursar audit-launch train.sh --device h100-sxm", "file [model]", LAUNCH, "bursar.report.launch",
    ),
    "audit": _budget("", ("params", "bytes"), "audit --params 70B --bytes 1.1e12"),
    "check": Verb(False, ("only", "claims", "measured"), "bursar check --only N4", answers="bursar.cli.check", report="bursar.report.check"),
    "matrix": Verb(False, (), "bursar matrix mlp 32 128 128 10 --batch 64", answers=COSTS, verbs=MATRIX),
    "explain": Verb(
        False,
        ("layer", "depth", "as", "seq", "past", "micro_batch", "batch", "kv_dtype", "derivation", *BATCH, *TENSORS, "grad_buffer", "gathered",
         *HOST, *TUNING, *DEGREES, *CLUSTER, *READ),
        "bursar explain activations gpt3-175b --layer 0 --kernels textbook --seq 2048",
        "quantity [model]", "bursar.cli.explain", "bursar.report.explain",
    ),
    "trace": Verb(
        False, ("on", "strict", "depth", "optimizer_states", "values", "html"), "bursar trace my_model.py:make", "target", MEASURED, "bursar.report.measure"
    ),
    "profile": Verb(
        False, ("seq", "micro_batch", "layers", "precision", "kernels", "optimizer", "set", "trace_file", "record", "html", "chart"),
        "bursar profile llama-3-8b --layers 1 --seq 64", "what", "bursar.cli.profile", "bursar.report.profile", "bursar.report.profile",
    ),
    "verify": Verb(
        True, ("seq", "batch", "kernels", "set"), "bursar verify llama-3-8b --seq 512", answers=MEASURED, report="bursar.report.measure"
    ),
    "formats": Verb(
        False, ("chart",), "bursar formats", "", "bursar.cli.formats", "bursar.report.formats", "bursar.report.formats"
    ),
    "format": Verb(
        False, ("rounding", "saturate", "seed", "chart"), "bursar format fp16 -0.1 --rounding up", "name [value]",
        "bursar.cli.formats", "bursar.report.formats", "bursar.report.formats",
    ),
    "numerics": Verb(False, (), "bursar numerics sum", answers="bursar.cli.numerics", verbs=NUMERICS),
    "glossary": Verb(
        False, (), "bursar glossary D", "[letter]", answers="bursar.cli.glossary", report="bursar.report.glossary"
    ),
    "diff": Verb(
        False,
        ("against", "convention", "seq", "micro_batch", "kv_dtype", *BATCH, *TENSORS, "grad_buffer", "gathered", *HOST, *TUNING,
         *DEGREES, *CLUSTER, *READ),
        "bursar diff llama-2-7b llama-3-8b", "a [b]", answers="bursar.cli.diff", report="bursar.report.diff",
    ),
    "models": Verb(False, (), "bursar models", answers=CATALOGS),
    "devices": Verb(False, (), "bursar devices --json", answers=CATALOGS),
    "clusters": Verb(False, (), "bursar clusters", answers=CATALOGS, report="bursar.report.clusters"),
    "optimizers": Verb(False, (), "bursar optimizers", answers=CATALOGS),
    "optimizer": Verb(False, (), "bursar optimizer race", answers="bursar.cli.optimizers", verbs=OPTIMIZER),
    "init": Verb(False, (), "bursar init xavier --fan-in 4096 --fan-out 1024", answers="bursar.cli.init", verbs=INIT),
    "scaling": Verb(False, (), "bursar scaling optimal --flops 1e24", answers="bursar.cli.scaling", verbs=SCALING),
}  # fmt: skip
