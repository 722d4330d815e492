"""Verbs that hold predictions against what really ran."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.cli.verb import PLANNED, READ, Verb
from bursar.options.measure import COMPUTES, KERNELS

MEASURED: Mapping[str, Verb] = {
    "calibrate": Verb(
        "[file] [model]",
        ("seq", "micro_batch", *PLANNED, *READ, "out", "log_format", "measure", "on", "device_file", "quick"),
        "bursar calibrate train.log llama-3-8b --device h100 --devices 8 --zero 3 --seq 8k --global-batch 64",
        "calibrate", own=(COMPUTES,),
    ),
    "trace": Verb(
        "target",
        ("on", "strict", "depth", "optimizer_states", "values", "html"),
        "bursar trace my_model.py:make",
        "measure",
    ),
    "profile": Verb(
        "what",
        ("on", "seq", "micro_batch", "layers", "precision", "kernels", "optimizer", "set", "trace_file", "record", "html", "chart"),
        "bursar profile gpt2 --layers 1 --seq 64",
        "profile", painter="profile", own=(COMPUTES,),
    ),
    "verify": Verb("model", ("seq", "batch", "kernels", "set"), "bursar verify llama-3-8b --seq 512", "measure", own=(KERNELS,)),
}  # fmt: skip
