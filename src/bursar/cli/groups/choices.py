"""Verbs that choose: the best plan, the smallest cluster, the longest context, what to change, how to launch it."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.cli.verb import BATCH, CLUSTER, HOST, PLANNED, READ, RUN, SEARCHED, SEARCHES, TENSORS, TUNING, WALL, Verb
from bursar.options.counts import SEVERAL


def _find(arguments: str, options: tuple[str, ...], example: str) -> Verb:
    return Verb(arguments, options, f"bursar {example}", "inverse")


FIND: Mapping[str, Verb] = {
    "cluster": _find(
        "model",
        (*SEARCHES, "device", "tokens", "days", "price", *READ),
        "find cluster llama-3-8b --device h100 --seq 8k --global-batch 512",
    ),
    "context": _find(
        "model",
        (*SEARCHES, *CLUSTER, "calibration", *READ),
        "find context llama-3-8b --device h100 --devices 8 --seq 8k --global-batch 64",
    ),
    "batch": _find(
        "model",
        ("seq", "micro_batch", *PLANNED, "calibration", *READ),
        "find batch llama-3-8b --device h100 --devices 8 --zero 3 --seq 4k",
    ),
    "model": _find("", (*SEARCHES, *CLUSTER), "find model --device h100 --devices 8 --seq 4k --global-batch 64"),
    "device": _find(
        "model",
        (*SEARCHES, "tokens", "days", "price", *READ),
        "find device llama-3-8b --tokens 1T --days 30 --seq 8k --global-batch-tokens 4M",
    ),
}
CHOICES: Mapping[str, Verb] = {
    "plan": Verb(
        "model",
        ("seq", *BATCH, *[name for name in TENSORS if name not in SEARCHED], *HOST, *TUNING, *CLUSTER, "calibration", *RUN, *WALL,
         *READ, "fix", "also", "sensitivity", "framework", "out"),
        "bursar plan llama-3-70b --device h100-sxm --devices 64 --seq 8192 --global-batch-tokens 4M --tokens 15T",
        "search", own=(SEVERAL,),
    ),
    "find": Verb("", (), "bursar find batch llama-3-8b --device h100 --devices 8 --zero 3 --seq 4k", "inverse", verbs=FIND),
    "advise": _find(
        "model",
        ("seq", "micro_batch", *PLANNED, "calibration", *READ),
        "advise llama-3-70b --device h100 --devices 64 --tp 8 --sp --pp 4 --global-batch 512",
    ),
    "launch": Verb(
        "framework model",
        ("seq", "micro_batch", *PLANNED, *READ, "out"),
        "bursar launch megatron llama-3-70b --devices 64 --tp 8 --sp --pp 4 --zero 1 --grad-dtype fp32",
        "launch",
    ),
    "audit-launch": Verb(
        "file [model]",
        ("framework", "seq", "micro_batch", "global_batch", "mask", "precision", "optimizer", "optimizer_step", "kernels",
         "grad_buffer", "recompute", "checkpointing", *CLUSTER, "set"),
        "bursar audit-launch examples/pretrain_llama_3_70b.sh --device h100-sxm",
        "launch",
    ),
    "sweep": Verb("spec", ("out", "engine", "workers"), "bursar sweep examples/sweep.toml --out rows", "sweep"),
}  # fmt: skip
