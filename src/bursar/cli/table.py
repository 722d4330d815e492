"""The table of verbs: what each takes, where its answer and its report are."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.cli.groups.init import INIT
from bursar.cli.groups.matrix import COSTS, MATRIX
from bursar.cli.groups.numerics import NUMERICS
from bursar.cli.groups.optimizers import OPTIMIZER
from bursar.cli.groups.scaling import SCALING
from bursar.cli.verb import (
    BATCH,
    CATALOGS,
    CLUSTER,
    DEGREES,
    HOST,
    JOB,
    LAUNCH,
    MEASURED,
    MOMENTS,
    PICTURES,
    PROFILED,
    READ,
    RUN,
    SEARCHED,
    TENSORS,
    TUNING,
    WALL,
    Verb,
)
from bursar.options.counts import SEVERAL


def _budget(argument: str, options: tuple[str, ...], example: str) -> Verb:
    """Where the answer and the report of numbers without a model are."""
    return Verb(False, options, f"bursar {example}", argument, "bursar.cli.budget", "bursar.report.budget")


INVERSE = "bursar.cli.inverse"
SEARCHES = ("seq", *BATCH, *[name for name in TENSORS if name not in SEARCHED])
PLANNED = ("seq", "micro_batch", *BATCH, *TENSORS, "grad_buffer", "gathered", *HOST, *TUNING, *DEGREES, *CLUSTER)


def _find(model: bool, options: tuple[str, ...], example: str) -> Verb:
    return Verb(model, options, f"bursar {example}", answers=INVERSE, report="bursar.report.inverse")


FIND: Mapping[str, Verb] = {
    "cluster": _find(
        True,
        (*SEARCHES, "device", "tokens", "days", "price", *READ),
        "find cluster llama-3-8b --device h100 --seq 8k --global-batch 512",
    ),
    "context": _find(
        True,
        (*SEARCHES, *CLUSTER, "calibration", *READ),
        "find context llama-3-8b --device h100 --devices 8 --seq 8k --global-batch 64",
    ),
    "batch": _find(True, (*PLANNED, "calibration", *READ), "find batch llama-3-8b --device h100 --devices 8 --zero 3 --seq 4k"),
    "model": _find(False, (*SEARCHES, *CLUSTER), "find model --device h100 --devices 8 --seq 4k --global-batch 64"),
    "device": _find(
        True,
        (*SEARCHES, "tokens", "days", "price", *READ),
        "find device llama-3-8b --tokens 1T --days 30 --seq 8k --global-batch-tokens 4M",
    ),
}

VERBS: Mapping[str, Verb] = {
    "params": Verb(True, (*TUNING, *READ, "checkpoint", "chart"), "bursar params deepseek-v3 --mtp", pictures=PICTURES),
    "flops": Verb(
        True,
        ("seq", "past", "batch", "mask", *TUNING, *READ, "chart"),
        "bursar flops llama-3-8b --seq 8k --mask causal",
        pictures=PICTURES,
    ),
    "kv": Verb(True, ("seq", "batch", "kv_dtype", "as_family", "set"), "bursar kv deepseek-v3 --seq 128k --kv-dtype fp8"),
    "activations": Verb(
        True,
        ("seq", "micro_batch", *TENSORS, *TUNING, *DEGREES, *READ, "chart"),
        "bursar activations gpt3-175b --kernels textbook --tp 8 --sp",
        pictures=PICTURES,
    ),
    "memory": Verb(
        True,
        (
            "seq",
            "micro_batch",
            *BATCH,
            *TENSORS,
            "grad_buffer",
            "gathered",
            *HOST,
            *TUNING,
            *DEGREES,
            *CLUSTER,
            "calibration",
            *READ,
            *MOMENTS,
        ),
        "bursar memory llama-3-70b --device h100 --devices 64 --tp 8 --sp --pp 4 --zero 1",
        answers=JOB,
        report="bursar.report.job",
        pictures=PICTURES,
    ),
    "time": Verb(
        True,
        ("seq", "micro_batch", *BATCH, *TENSORS, *HOST, *TUNING, *DEGREES, *CLUSTER, "calibration", *RUN, *WALL, *READ, "chart"),
        "bursar time llama-3-70b --device h100 --devices 64 --tp 8 --sp --pp 4 --zero 1 --global-batch 512 --tokens 15T",
        answers=JOB,
        report="bursar.report.job",
        pictures=PICTURES,
    ),
    "plan": Verb(
        True,
        (
            "seq",
            *BATCH,
            *[name for name in TENSORS if name not in SEARCHED],
            *HOST,
            *TUNING,
            *CLUSTER,
            "calibration",
            *RUN,
            *WALL,
            *READ,
            "fix",
            "also",
            "sensitivity",
            "framework",
            "out",
        ),
        "bursar plan llama-3-70b --device h100-sxm --devices 64 --seq 8192 --global-batch-tokens 4M --tokens 15T",
        answers="bursar.cli.search",
        report="bursar.report.search",
        own=(SEVERAL,),
    ),
    "find": Verb(
        False, (), "bursar find batch llama-3-8b --device h100 --devices 8 --zero 3 --seq 4k", answers=INVERSE, verbs=FIND
    ),
    "advise": _find(
        True,
        (*PLANNED, "calibration", *READ),
        "advise llama-3-70b --device h100 --devices 64 --tp 8 --sp --pp 4 --global-batch 512",
    ),
    "calibrate": Verb(
        False,
        (*PLANNED, *READ, "out", "log_format", "measure", "on", "device_file", "quick"),
        "bursar calibrate train.log llama-3-8b --device h100 --devices 8 --zero 3 --seq 8k --global-batch 64",
        "[file] [model]",
        "bursar.cli.calibrate",
        "bursar.report.calibrate",
    ),
    "run": _budget(
        "[model]",
        (
            "params",
            "tokens",
            "tokens_per_param",
            "flops",
            "seq",
            "mask",
            "global_batch_tokens",
            "device",
            "devices",
            "precision",
            "peak",
            "mfu",
            "seconds",
            "days",
            "device_hours",
            "usd",
            "price",
            "recompute",
            *READ,
        ),
        "run --params 70B --tokens 15T --device h100-sxm --devices 1024 --mfu 0.5",
    ),
    "roofline": Verb(
        False,
        (
            "peak",
            "bandwidth",
            "flops",
            "bytes",
            "seconds",
            "seq",
            "micro_batch",
            *TENSORS,
            *TUNING,
            *DEGREES,
            *CLUSTER,
            *READ,
            "chart",
        ),
        "bursar roofline llama-3-8b --device h100-sxm --seq 8k",
        "[model]",
        "bursar.cli.roofline",
        "bursar.report.roofline",
        "bursar.report.roofline",
    ),
    "states": _budget(
        "",
        ("params", "precision", "grad_dtype", "optimizer", "state_dtype", "dp", "zero", "device", "capacity"),
        "states --params 7B --dp 64 --zero 1 --device h100-sxm",
    ),
    "launch": Verb(
        True,
        (*PLANNED, *READ, "out"),
        "bursar launch megatron llama-3-70b --devices 64 --tp 8 --sp --pp 4 --zero 1 --grad-dtype fp32",
        "framework",
        LAUNCH,
        "bursar.report.launch",
    ),
    "audit-launch": Verb(
        False,
        (
            "framework",
            "seq",
            "micro_batch",
            "global_batch",
            "mask",
            "precision",
            "optimizer",
            "optimizer_step",
            "kernels",
            "grad_buffer",
            "recompute",
            "checkpointing",
            *CLUSTER,
            "set",
        ),
        "bursar audit-launch examples/pretrain_llama_3_70b.sh --device h100-sxm",
        "file [model]",
        LAUNCH,
        "bursar.report.launch",
    ),
    "sweep": Verb(
        False,
        ("out", "engine", "workers"),
        "bursar sweep examples/sweep.toml --out rows",
        "spec",
        "bursar.cli.sweep",
        "bursar.report.sweep",
    ),
    "audit": _budget("", ("params", "bytes"), "audit --params 70B --bytes 1.1e12"),
    "check": Verb(
        False, ("only", "claims", "measured"), "bursar check --only N4", answers="bursar.cli.check", report="bursar.report.check"
    ),
    "matrix": Verb(False, (), "bursar matrix mlp 32 128 128 10 --batch 64", answers=COSTS, verbs=MATRIX),
    "explain": Verb(
        False,
        (
            "layer",
            "depth",
            "as",
            "seq",
            "past",
            "micro_batch",
            "batch",
            "kv_dtype",
            "derivation",
            *BATCH,
            *TENSORS,
            "grad_buffer",
            "gathered",
            *HOST,
            *TUNING,
            *DEGREES,
            *CLUSTER,
            *READ,
        ),
        "bursar explain activations gpt3-175b --layer 0 --kernels textbook --seq 2048",
        "quantity [model]",
        "bursar.cli.explain",
        "bursar.report.explain",
    ),
    "trace": Verb(
        False,
        ("on", "strict", "depth", "optimizer_states", "values", "html"),
        "bursar trace my_model.py:make",
        "target",
        MEASURED,
        "bursar.report.measure",
    ),
    "profile": Verb(
        False,
        ("seq", "micro_batch", "layers", "precision", "kernels", "optimizer", "set", "trace_file", "record", "html", "chart"),
        "bursar profile gpt2 --layers 1 --seq 64",
        "what",
        PROFILED,
        "bursar.report.profile",
        "bursar.report.profile",
    ),
    "verify": Verb(
        True,
        ("seq", "batch", "kernels", "set"),
        "bursar verify llama-3-8b --seq 512",
        answers=MEASURED,
        report="bursar.report.measure",
    ),
    "formats": Verb(
        False, ("chart",), "bursar formats", "", "bursar.cli.formats", "bursar.report.formats", "bursar.report.formats"
    ),
    "format": Verb(
        False,
        ("rounding", "saturate", "seed", "chart"),
        "bursar format fp16 -0.1 --rounding up",
        "name [value]",
        "bursar.cli.formats",
        "bursar.report.formats",
        "bursar.report.formats",
    ),
    "numerics": Verb(False, (), "bursar numerics sum", answers="bursar.cli.numerics", verbs=NUMERICS),
    "glossary": Verb(False, (), "bursar glossary D", "[letter]", answers="bursar.cli.glossary", report="bursar.report.glossary"),
    "diff": Verb(
        False,
        (
            "against",
            "convention",
            "seq",
            "micro_batch",
            "kv_dtype",
            *BATCH,
            *TENSORS,
            "grad_buffer",
            "gathered",
            *HOST,
            *TUNING,
            *DEGREES,
            *CLUSTER,
            *READ,
        ),
        "bursar diff llama-2-7b llama-3-8b",
        "a [b]",
        answers="bursar.cli.diff",
        report="bursar.report.diff",
    ),
    "models": Verb(False, (), "bursar models", answers=CATALOGS, report="bursar.report.catalogs"),
    "devices": Verb(False, (), "bursar devices --json", answers=CATALOGS, report="bursar.report.catalogs"),
    "clusters": Verb(False, (), "bursar clusters", answers=CATALOGS, report="bursar.report.catalogs"),
    "optimizers": Verb(False, (), "bursar optimizers", answers=CATALOGS, report="bursar.report.catalogs"),
    "optimizer": Verb(False, (), "bursar optimizer race", answers="bursar.cli.optimizers", verbs=OPTIMIZER),
    "init": Verb(False, (), "bursar init xavier --fan-in 4096 --fan-out 1024", answers="bursar.cli.init", verbs=INIT),
    "scaling": Verb(False, (), "bursar scaling optimal --flops 1e24", answers="bursar.cli.scaling", verbs=SCALING),
}
