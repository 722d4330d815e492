"""The table of verbs: what each takes, where its answer and its report are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

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
)
CLUSTER = ("device", "devices", "nodes")
RUN = ("tokens", "price")
READ = ("mtp", "as_family")
MOMENTS = ("timeline", "chart", "what_if")
PICTURES = "bursar.report.pictures"
HOST = ("offload",)


class Verb(NamedTuple):
    """A verb: whether it takes a MODEL, its options, an example for its help, its arguments before the MODEL (words with spaces
    between them: "[model]" may be left out, of "sizes..." there may be several), where its answer, its report and its pictures
    are, and the verbs of a group."""

    model: bool
    options: tuple[str, ...]
    example: str
    argument: str = ""
    answers: str = "bursar.cli.verbs"
    report: str = "bursar.report.tables"
    pictures: str = ""
    verbs: Mapping[str, Verb] | None = None


def _scaling(argument: str, options: tuple[str, ...], example: str, answers: str = "bursar.cli.scaling") -> Verb:
    return Verb(False, options, f"bursar scaling {example}", argument, answers, "bursar.report.scaling")


LAW = ("law", "unique_tokens", "experts", "granularity", "bits")
SCALING: Mapping[str, Verb] = {
    "laws": _scaling("", ("law",), "laws"),
    "loss": _scaling("[model]", ("params", "tokens", *LAW, *READ), "loss --law epoch-huber --params 70B --tokens 1.4T"),
    "optimal": _scaling("", ("flops", *LAW), "optimal --flops 1e24"),
    "allocate": _scaling(
        "[model]", ("flops", "loss", "params", "tokens", "inference_tokens", "unique_tokens", "law", *READ),
        "allocate --flops 1e24 --inference-tokens 5T --unique-tokens 500B",
    ),
    "hyper": _scaling("[model]", ("params", "tokens", "flops", "width_ratio", "seq", *READ), "hyper llama-3-8b --tokens 15T"),
    "derive": _scaling("", ("derivation",), "derive --derivation frontier"),
    "fit": _scaling("file", ("form", "resamples", "delta", "chart"), "fit runs.csv --form additive", "bursar.cli.scaling_runs"),
    "design": _scaling(
        "", ("budget", "usd", "days", "law", "family", "experts", "granularity", "vocab", "seq", *BATCH, "precision", "grad_dtype",
             "optimizer", "state_dtype", "optimizer_step", "kernels", "mask", *CLUSTER, "price"),
        "design --budget 1e24 --device h100-sxm --devices 1024", "bursar.cli.scaling_runs",
    ),
}  # fmt: skip


VERBS: Mapping[str, Verb] = {
    "params": Verb(True, (*TUNING, *READ, "checkpoint", "chart"), "bursar params deepseek-v3 --mtp", pictures=PICTURES),
    "flops": Verb(
        True, ("seq", "past", "batch", "mask", *TUNING, *READ, "chart"), "bursar flops llama-3-8b --seq 8k --mask causal",
        pictures=PICTURES,
    ),
    "kv": Verb(True, ("seq", "batch", "kv_dtype", "as_family"), "bursar kv deepseek-v3 --seq 128k --kv-dtype fp8"),
    "activations": Verb(
        True, ("seq", "micro_batch", *TENSORS, *TUNING, *DEGREES, *READ, "chart"),
        "bursar activations gpt3-175b --kernels textbook --tp 8 --sp", pictures=PICTURES,
    ),
    "memory": Verb(
        True,
        ("seq", "micro_batch", *BATCH, *TENSORS, "grad_buffer", "gathered", *HOST, *TUNING, *DEGREES, *CLUSTER, *READ, *MOMENTS),
        "bursar memory llama-3-70b --device h100 --devices 64 --tp 8 --sp --pp 4 --zero 1", pictures=PICTURES,
    ),
    "time": Verb(
        True, ("seq", "micro_batch", *BATCH, *TENSORS, *HOST, *TUNING, *DEGREES, *CLUSTER, *RUN, *READ, "chart"),
        "bursar time llama-3-70b --device h100 --devices 64 --tp 8 --sp --pp 4 --zero 1 --global-batch 512 --tokens 15T",
        pictures=PICTURES,
    ),
    "plan": Verb(
        True, ("seq", *BATCH, *[name for name in TENSORS if name not in SEARCHED], *CLUSTER, *RUN, *READ),
        "bursar plan llama-3-70b --device h100-sxm --devices 64 --seq 8192 --global-batch-tokens 4M --tokens 15T",
    ),
    "models": Verb(False, (), "bursar models"),
    "devices": Verb(False, (), "bursar devices --json"),
    "optimizers": Verb(False, (), "bursar optimizers"),
    "scaling": Verb(False, (), "bursar scaling optimal --flops 1e24", answers="bursar.cli.scaling", verbs=SCALING),
}  # fmt: skip
