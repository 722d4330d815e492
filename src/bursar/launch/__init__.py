"""A plan as the arguments or the config of a training framework, and back: what it says is audited (`findings`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bursar.errors import PlanError, UnknownNameError
from bursar.launch import nemo
from bursar.launch.accelerate import ACCELERATE
from bursar.launch.deepspeed import DEEPSPEED
from bursar.launch.launched import MAX_BYTES, Framework, Job, Launch
from bursar.launch.megatron import MEGATRON
from bursar.launch.nemo import NEMO
from bursar.launch.torchtitan import TORCHTITAN

__all__ = ["FRAMEWORKS", "Framework", "Job", "Launch", "framework", "read", "recognised", "text_of", "write"]

FRAMEWORKS: Mapping[str, Framework] = {one.name: one for one in (MEGATRON, TORCHTITAN, DEEPSPEED, ACCELERATE, NEMO)}
_OVERRIDE = re.compile(r"^\s*(?:model|train|ddp)\.\w+=", re.MULTILINE)


def framework(name: str) -> Framework:
    """A framework by name; fsdp is Accelerate's."""
    found = FRAMEWORKS.get("accelerate" if name == "fsdp" else name)
    if found is None:
        raise UnknownNameError("framework", name, (*FRAMEWORKS, "fsdp"))
    return found


def write(name: str, job: Job) -> str:
    """A job as a framework's file; PlanError names what it cannot express."""
    return framework(name).write(job)


def read(text: str, given: Mapping[str, Any], name: str | None = None) -> tuple[str, Launch]:
    """The framework of a file and what it says. `given` are what the file leaves open: model, length, global_batch, devices and
    fields of a plan."""
    chosen = framework(name or recognised(text))
    return chosen.name, chosen.read(text, given)


def recognised(text: str) -> str:
    """The framework that a text is of, by its form."""
    if text.lstrip().startswith("{"):
        return "deepspeed"
    if re.search(r"^distributed_type\s*:", text, re.MULTILINE):
        return "accelerate"
    if (nemo.YAML.search(text) or _OVERRIDE.search(text)) and "--tensor-model-parallel-size" not in text:
        return "nemo"
    if re.search(r"(^|\s)--[a-z]", text):
        return "megatron"
    if re.search(r"^\s*\[(model|training|parallelism)\]", text, re.MULTILINE):
        return "torchtitan"
    raise PlanError("the file is of no framework known here", field="framework", valid=f"--framework {', '.join(FRAMEWORKS)}")


def text_of(path: str) -> str:
    """The text of a file, if it is one and of a size that launches have."""
    file = Path(path)
    try:
        if "\0" in path or not file.is_file():
            raise PlanError(f"no file {path[:200]!r}", field="file", value=path, valid="a launch script or a config")
        if file.stat().st_size > MAX_BYTES:
            raise PlanError(
                f"{path} has {file.stat().st_size:,} bytes", field="file", value=path, valid=f"at most {MAX_BYTES:,} bytes"
            )
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise PlanError(f"cannot read {path[:200]}: {reason}", field="file", value=path, valid="a text file") from None
