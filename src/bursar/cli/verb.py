"""What a verb is, and the options that several verbs take together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bursar.options.option import Option

BATCH = ("global_batch", "global_batch_tokens")
TENSORS = (
    "precision", "grad_dtype", "optimizer", "state_dtype", "optimizer_step", "kernels", "recompute", "checkpointing", "mask",
    "dropout",
)  # fmt: skip
SEARCHED = ("recompute", "checkpointing")  # what a search tries by itself
BUFFERS = ("grad_buffer", "gathered")
HOST = ("offload",)
TUNING = ("lora_rank", "lora_targets", "adapter", "lora_dropout", "weights", "freeze_layers")
DEGREES = (
    "tp", "sp", "cp", "cp_comm", "ep", "etp", "expert_load", "pp", "schedule", "vp", "layout", "dp", "zero", "shard_group",
    "sharding", "reshard", "overlap", "ep_comm", "launch",
)  # fmt: skip
CLUSTER = ("device", "devices", "nodes", "cluster")
RUN = ("tokens", "price")
WALL = ("convention", "mtbf_device_hours", "storage_bandwidth", "restart", "checkpoint_every", "pue", "grid")
READ = ("mtp", "as_family", "set")
MOMENTS = ("timeline", "chart", "what_if")
PLANNED = (*BATCH, *TENSORS, *BUFFERS, *HOST, *TUNING, *DEGREES, *CLUSTER)  # a plan given in full
SEARCHES = ("seq", *BATCH, *[name for name in TENSORS if name not in SEARCHED])  # one that is searched for
HEADINGS: Mapping[str, tuple[str, ...]] = {  # of a help with many options; those of none come first
    "help_batch": ("seq", "past", "batch", "micro_batch", *BATCH),
    "help_tensors": (*TENSORS, *BUFFERS, *HOST, "kv_dtype"),
    "help_tuning": TUNING,
    "help_degrees": DEGREES,
    "help_cluster": (*CLUSTER, "calibration"),
    "help_run": (*RUN, *WALL, "days"),
    "help_model": READ,
    "help_answer": (*MOMENTS, "lang"),
}


class Verb(NamedTuple):
    """A verb: its arguments (words with spaces between them: "[model]" may be left out, of "sizes..." there may be several), its
    options, an example for its help, its topic, options that it reads in a way of its own, and the verbs of a group.

    The answer of a topic is in `cli/<topic>.py`, a function of the verb's name; its report in `report/<topic>.py`, its pictures in
    a file of `report/`. Either may be named where it is another."""

    arguments: str
    options: tuple[str, ...]
    example: str
    topic: str = "model"
    printer: str = ""
    painter: str = ""
    own: tuple[Option, ...] = ()
    verbs: Mapping[str, Verb] | None = None

    @property
    def answers(self) -> str:
        return f"bursar.cli.{self.topic}"

    @property
    def report(self) -> str:
        return f"bursar.report.{self.printer or self.topic}"

    @property
    def pictures(self) -> str:
        return f"bursar.report.{self.painter}" if self.painter else ""


NEED_TORCH = ("bursar.cli.measure", "bursar.cli.profile")
