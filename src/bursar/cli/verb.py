"""What a verb is, and the options that several verbs take together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bursar.options.option import Option

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
MEASURED, PROFILED = "bursar.cli.measure", "bursar.cli.profile"
NEED_TORCH = (MEASURED, PROFILED)
HOST = ("offload",)
LAUNCH = "bursar.cli.launch"


class Verb(NamedTuple):
    """A verb: whether it takes a MODEL, its options, an example for its help, its arguments before the MODEL (words with spaces
    between them: "[model]" may be left out, of "sizes..." there may be several), where its answer, its report and its pictures
    are, the verbs of a group, and options that it reads in a way of its own."""

    model: bool
    options: tuple[str, ...]
    example: str
    argument: str = ""
    answers: str = "bursar.cli.model"
    report: str = "bursar.report.model"
    pictures: str = ""
    verbs: Mapping[str, Verb] | None = None
    own: tuple[Option, ...] = ()
