"""`trace`: what one training step of any module needs, counted as it runs, with or without weights."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.utils._pytree import tree_leaves

from bursar.errors import BursarError
from bursar.measure.counter import AGAIN, BACKWARD, FORWARD, Operators
from bursar.measure.modules import Running
from bursar.measure.saved import Saved, SavedTensors


class TraceError(BursarError):
    """A module that cannot be traced: the operator, the line, and how to go on."""


class Part(NamedTuple):
    """A module with all that is inside it; `calls` of a shared module add up."""

    path: str
    kind: str
    depth: int
    params: int
    forward: int
    backward: int
    saved: int


@dataclass(frozen=True)
class Trace:
    """Elements of parameters (each once, tied or not), elements of buffers, model FLOPs of the forward and the backward pass, FLOPs
    executed a second time, and bytes kept for backward, whole and by module, operator and tensor. `unknown` names operators that no
    formula is known of, with their calls: where it is not empty, FLOPs may be missing. `device` is where it ran, since what is kept
    depends on that device's kernels."""

    kind: str
    device: str
    params: int
    trainable: int
    buffers: int
    forward: int
    backward: int
    again: int
    saved_bytes: int
    by_operator: Mapping[str, int]
    parts: tuple[Part, ...]
    saved: tuple[Saved, ...]
    unknown: Mapping[str, int]

    @property
    def macs(self) -> int:
        """Multiply-adds of the forward pass: half its FLOPs."""
        return self.forward // 2


def trace(module: torch.nn.Module, *args: Any, strict: bool = False, backward: bool = True, **kwargs: Any) -> Trace:
    """Runs a module once forward and (unless `backward` is False) once backward, on the device that it is on; on the meta
    device nothing is computed and no memory is needed. The backward pass starts at the output's `loss` if it has one, else at the
    sum of its floating-point tensors. Gradients that the module had are left as they were.

    Raises TraceError where the module cannot run so, and with `strict` where an operator without a formula ran."""
    running = Running(module)
    watched = Operators(running)
    kept = SavedTensors(module, lambda storage: (running.path, watched.made.get(storage, "")))
    saved: tuple[Saved, ...] = ()
    gradients = {parameter: parameter.grad for parameter in module.parameters()}
    for parameter in gradients:
        parameter.grad = None  # the backward pass would add to it
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one operator for a whole encoder layer, which keeps and counts nothing
    try:
        with running:
            with watched, kept.hooks:
                out = module(*args, **kwargs)
            roots = outputs_of(out)
            saved = kept.held_by(roots)
            if backward and roots:
                with watched:
                    sum([root.sum() for root in roots]).backward()
    except BursarError:
        raise
    except Exception as error:
        raise _refused(module, watched.last, error) from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        for parameter, gradient in gradients.items():
            parameter.grad = gradient
    found = _trace(module, watched, saved)
    if strict and found.unknown:
        named = ", ".join(f"{name} ({calls} calls)" for name, calls in found.unknown.items())
        raise TraceError(
            f"no formula for {named}", field="strict", valid="register one with bursar.measure.counts, or trace without strict"
        )
    return found


def outputs_of(out: Any) -> list[Any]:
    """Where the backward pass starts: the loss, or else everything that has a gradient."""
    loss = getattr(out, "loss", None)
    if loss is not None:
        return [loss] if loss.requires_grad else []
    values = list(vars(out).values()) if hasattr(out, "__dict__") and not isinstance(out, (dict, torch.Tensor)) else [out]
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor) and leaf.requires_grad]


def _refused(module: torch.nn.Module, operator: str, error: Exception) -> TraceError:
    """The line of the user's code that raised, the last operator that ran, and what to try."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _ours(frame.filename)]
    where = f"{frames[-1].filename}:{frames[-1].lineno}: {frames[-1].line}" if frames else ""
    words = str(error).strip().splitlines()
    meta = any(tensor.is_meta for tensor in module.parameters())
    remedy = "trace it on a device that computes: its control flow reads values" if meta and _reads_values(words) else ""
    return TraceError(
        f"{type(module).__name__} cannot be traced: {type(error).__name__}: {words[0] if words else ''}",
        valid=remedy or "a forward pass that runs by itself with these inputs",
        where=f"{where} (last operator: {operator or 'none'})",
    )


def _reads_values(words: list[str]) -> bool:
    return any(sign in " ".join(words).lower() for sign in ("meta tensor", "item()", "data-dependent", "nonzero"))


def _ours(file: str) -> bool:
    """Whether a frame is PyTorch's or this room's."""
    return Path(torch.__file__).parent in Path(file).parents or Path(__file__).parent in Path(file).parents


def _trace(module: torch.nn.Module, watched: Operators, saved: tuple[Saved, ...]) -> Trace:
    totals: Counter[str] = Counter()
    by_operator: Counter[str] = Counter()
    for (_, operator, phase), value in watched.flops.items():
        totals[phase] += value
        by_operator[operator] += value if phase == FORWARD else 0
    params = dict.fromkeys(module.parameters())
    first = next(iter((*params, *module.buffers())), None)
    return Trace(
        kind=type(module).__name__,
        device=str(first.device) if first is not None else "cpu",
        params=sum(tensor.numel() for tensor in params),
        trainable=sum(tensor.numel() for tensor in params if tensor.requires_grad),
        buffers=sum(tensor.numel() for tensor in module.buffers()),
        forward=totals[FORWARD],
        backward=totals[BACKWARD],
        again=totals[AGAIN],
        saved_bytes=sum(item.bytes for item in saved),
        by_operator={name: value for name, value in by_operator.most_common() if value},
        parts=tuple(_parts(module, watched, saved)),
        saved=saved,
        unknown=dict(watched.unknown),
    )


def _parts(module: torch.nn.Module, watched: Operators, saved: Iterable[Saved]) -> Iterator[Part]:
    """Every module with what ran inside it, in order of definition; "." is the whole."""
    costs: dict[str, Counter[str]] = {}
    for (path, _, phase), value in watched.flops.items():
        _enter(costs, path, phase, value)
    for item in saved:
        _enter(costs, item.module, "saved", item.bytes)
    for name, part in module.named_modules():
        cost = costs.get(name or ".", Counter())
        params = sum(tensor.numel() for tensor in dict.fromkeys(part.parameters()))
        depth = name.count(".") + bool(name)
        yield Part(name or ".", type(part).__name__, depth, params, cost[FORWARD], cost[BACKWARD], cost["saved"])


def _enter(costs: dict[str, Counter[str]], path: str, key: str, value: int) -> None:
    """Adds a cost to a module and to every module around it."""
    around = [] if path in ("", ".") else [path.rsplit(".", up)[0] for up in range(path.count(".") + 1)]
    for name in (*around, "."):
        costs.setdefault(name, Counter())[key] += value
