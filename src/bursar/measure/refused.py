"""A module that cannot be traced: which module, which line, which operator, and how to go on."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from bursar.errors import BursarError

# what PyTorch says where a value is asked for that is not there
WITHOUT_VALUES = ("meta tensor", "item()", "data-dependent", "nonzero", "aten::equal")
WITHOUT_KERNEL = ("no fake impl", "no meta kernel", "meta kernel registered")


class TraceError(BursarError):
    """A module that cannot be traced: the operator, the line, and how to go on."""


def refused(module: torch.nn.Module, given: Iterable[Any], operator: Any, way: str, error: BaseException) -> TraceError:
    """What an exception of a pass ("forward" or "backward") of a module says, its tensors and its inputs given: the innermost
    module that ran, the line of its author's code, the last operator."""
    words = " ".join(str(error).split())
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    path, part = _innermost(module, frames)
    line = line_of(error)
    where = [*([f"module {path}"] if path else []), *([line] if line else []), f"last operator: {operator or 'none'}"]
    return TraceError(
        f"{type(module).__name__} cannot be traced {way}: {type(error).__name__}: {words[:200]}",
        field="target", where="; ".join(where), valid=_remedy(any(tensor.is_meta for tensor in given), part, words, way, error),
    )  # fmt: skip


def _innermost(root: torch.nn.Module, frames: list[FrameType]) -> tuple[str, torch.nn.Module]:
    """The last module of the traceback, by its path in the root."""
    names = {part: name for name, part in root.named_modules()}
    found = [frame.f_locals.get("self") for frame in frames]
    inside = [part for part in found if isinstance(part, torch.nn.Module) and part in names]
    return (names[inside[-1]], inside[-1]) if inside else ("", root)


def line_of(error: BaseException) -> str:
    """The last line that is neither PyTorch's nor ours."""
    found = [frame for frame in traceback.extract_tb(error.__traceback__) if not _library(frame.filename)]
    return f"{found[-1].filename}:{found[-1].lineno}: {found[-1].line}" if found else ""


def _library(file: str) -> bool:
    parents = Path(file).parents
    return Path(torch.__file__).parent in parents or Path(__file__).parent in parents or file.startswith("<")


def _remedy(meta: bool, part: torch.nn.Module, words: str, way: str, error: BaseException) -> str:
    low = words.lower()
    if meta and any(sign in low for sign in WITHOUT_KERNEL):
        return "trace it on a device that has this operator (--on cpu), or register a fake of it (torch.library.register_fake)"
    if meta and any(sign in low for sign in WITHOUT_VALUES):
        return "trace it on a device that computes (--on cpu): its control flow reads values"
    if isinstance(error, TypeError) and "forward()" in low and "argument" in low:
        return f"inputs of {type(part).__name__}.forward{inspect.signature(part.forward)}"
    if way == "backward":
        return "a module whose backward pass runs by itself, or trace(…, backward=False)"
    return "a forward pass that runs by itself with these inputs"


def without_formula(unknown: Mapping[str, int]) -> TraceError:
    """What a strict trace says of operators that ran and have no formula."""
    named = ", ".join(f"{name} ({calls} {'call' if calls == 1 else 'calls'})" for name, calls in unknown.items())
    return TraceError(
        f"no formula for {named}", field="strict", valid="register one with bursar.measure.counts, or trace without strict"
    )
