"""`trace`: what one training step of any module needs, counted as it runs, with or without weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch.utils._pytree import tree_leaves

from bursar.errors import BursarError
from bursar.measure.alive import Alive, Peak
from bursar.measure.counter import AGAIN, BACKWARD, FORWARD, Operators
from bursar.measure.modules import Running
from bursar.measure.opened import opened
from bursar.measure.refused import refused, without_formula
from bursar.measure.saved import Saved, SavedTensors


class Part(NamedTuple):
    """A module with all that is inside it; a shared one has all its calls. `temporary`: the most bytes that the forward pass had
    at once, while it ran, of tensors that are not kept."""

    path: str
    kind: str
    depth: int
    params: int
    forward: int
    backward: int
    saved: int
    temporary: int


class Peaks(NamedTuple):
    """Highest moments of a pass, between operators: of all tensors but parameters, buffers and inputs; and of those alone that are
    neither kept for the backward pass nor gradients of parameters."""

    all: Peak
    temporary: Peak


@dataclass(frozen=True, repr=False)
class Trace:
    """Elements of parameters (each once, tied or not), elements of buffers, model FLOPs of the forward and the backward pass, FLOPs
    executed a second time, and bytes kept for backward, whole and by module, operator and tensor. `peaks` are those of each pass
    that ran. `unknown` names operators that no formula is known of, with their calls: where it is not empty, FLOPs may be missing.
    `device` is where it ran, since what is kept depends on that device's kernels."""

    kind: str
    device: str
    params: int
    trainable: int
    buffers: int
    forward: int
    backward: int
    again: int
    saved_bytes: int
    peaks: Mapping[str, Peaks]
    by_operator: Mapping[str, int]
    parts: tuple[Part, ...]
    saved: tuple[Saved, ...]
    unknown: Mapping[str, int]

    @property
    def macs(self) -> int:
        """Multiply-adds of the forward pass: half its FLOPs."""
        return self.forward // 2

    def payload(self) -> dict[str, Any]:
        """The trace as `bursar trace --json` prints it."""
        return {
            "module": self.kind,
            "device": self.device,
            "measured": {
                "params": self.params,
                "forward_flops": self.forward,
                "backward_flops": self.backward,
                "saved_bytes": self.saved_bytes,
            },
            "trainable": self.trainable,
            "buffers": self.buffers,
            "forward_macs": self.macs,
            "again_flops": self.again,
            "peaks": {way: {name: peak._asdict() for name, peak in found._asdict().items()} for way, found in self.peaks.items()},
            "by_operator": dict(self.by_operator),
            "modules": [part._asdict() for part in self.parts],
            "saved": [item._asdict() for item in self.saved],
            "unknown_ops": [{"op": name, "calls": calls} for name, calls in self.unknown.items()],
        }

    def __repr__(self) -> str:
        return (
            f"Trace of {self.kind} on {self.device}: {self.params:,} parameters, {self.forward:,} FLOP forward, "
            f"{self.backward:,} backward, {self.saved_bytes:,} bytes kept"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: the tree of modules with shares."""
        from bursar.report.measure import page

        return page({**self.payload(), "depth": None}, "en")


def trace(module: torch.nn.Module, *args: Any, strict: bool = False, backward: bool = True, **kwargs: Any) -> Trace:
    """Runs a module once forward and (unless `backward` is False) once backward, on the device that it is on; on the meta
    device nothing is computed and no memory is needed. The backward pass starts at the output's `loss` if it has one, else with a
    gradient of ones for each of its floating-point tensors. Gradients that the module had are left as they were.

    Raises TraceError where the module cannot run so, and with `strict` where an operator without a formula ran."""
    found = _Passes(module, args, kwargs).run(backward)
    if strict and found.unknown:
        raise without_formula(found.unknown)
    return found


class _Passes:
    """Both passes of one trace, and what was seen of them."""

    def __init__(self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        self.module, self.args, self.kwargs = module, args, kwargs
        self.outside = (*module.parameters(), *module.buffers(), *given)
        self.alive = Alive(self.outside)
        running = Running(module)
        self.running, self.watched = running, Operators(running, self.alive)
        self.kept = SavedTensors(module, lambda address: (running.path, self.alive.operator(address)))
        self.saved: dict[int, Saved] = {}
        self.own: frozenset[int] = frozenset()  # storages that are kept for backward or are gradients
        self.turns = [0]  # events at the end of every pass

    def run(self, backward: bool) -> Trace:
        gradients = {parameter: parameter.grad for parameter in self.module.parameters()}
        for parameter in gradients:
            parameter.grad = None  # the backward pass would add to it
        way = FORWARD
        try:
            with opened(), self.running:
                out = self._forward()  # held to the end of the backward pass
                roots, way = outputs_of(out), BACKWARD
                if backward and roots:
                    self._backward(roots)
        except BursarError:
            raise
        except (Exception, SystemExit) as error:
            raise refused(self.module, self.outside, self.watched.last, way, error) from error
        finally:
            for parameter, gradient in gradients.items():
                parameter.grad = gradient
        return self._trace()

    def _forward(self) -> Any:
        with self.watched, self.kept.hooks:
            out = self.module(*self.args, **self.kwargs)
        self.saved = self.kept.held_by(outputs_of(out))
        self.own = self.alive.numbers(self.saved)
        self.turns.append(len(self.alive.events))
        return out

    def _backward(self, roots: list[Any]) -> None:
        with self.watched:
            torch.autograd.backward(roots, [torch.ones_like(root) for root in roots])
        self.turns.append(len(self.alive.events))
        arrived = [parameter.grad for parameter in self.module.parameters() if parameter.grad is not None]
        self.own |= self.alive.numbers(tensor.untyped_storage()._cdata for tensor in arrived if tensor.layout == torch.strided)

    def _trace(self) -> Trace:
        totals: Counter[str] = Counter()
        by_operator: Counter[str] = Counter()
        for (_, operator, phase), value in self.watched.flops.items():
            totals[phase] += value
            by_operator[operator] += value if phase == FORWARD else 0
        params = dict.fromkeys(self.module.parameters())
        first = next(iter((*params, *self.module.buffers())), None)
        saved = tuple(self.saved.values())
        ways = zip((FORWARD, BACKWARD), zip(self.turns, self.turns[1:], strict=False), strict=False)
        return Trace(
            kind=type(self.module).__name__,
            device=str(first.device) if first is not None else "cpu",
            params=sum(tensor.numel() for tensor in params),
            trainable=sum(tensor.numel() for tensor in params if tensor.requires_grad),
            buffers=sum(tensor.numel() for tensor in self.module.buffers()),
            forward=totals[FORWARD],
            backward=totals[BACKWARD],
            again=totals[AGAIN],
            saved_bytes=sum(item.bytes for item in saved),
            peaks={way: Peaks(self.alive.peak(*span), self.alive.peak(*span, self.own)) for way, span in ways},
            by_operator={name: value for name, value in by_operator.most_common() if value},
            parts=tuple(self._parts(saved)),
            saved=saved,
            unknown=dict(self.watched.unknown),
        )

    def _parts(self, saved: Iterable[Saved]) -> Iterator[Part]:
        """Every module with what ran inside it, in order of definition; "." is the whole."""
        costs: dict[str, Counter[str]] = {}
        for (path, _, phase), value in self.watched.flops.items():
            for name in _around(path):
                costs.setdefault(name, Counter())[phase] += value
        for item in saved:
            for name in _around(item.module):
                costs.setdefault(name, Counter())["saved"] += item.bytes
        highest: dict[str, int] = {}
        for path, value in self.alive.by_module(self.turns[0], self.turns[1], self.own).items():
            for name in _around(path):
                highest[name] = max(highest.get(name, 0), value)
        for name, part in self.module.named_modules():
            cost = costs.get(name or ".", Counter())
            params = sum(tensor.numel() for tensor in dict.fromkeys(part.parameters()))
            depth = name.count(".") + bool(name)
            costly = cost[FORWARD], cost[BACKWARD], cost["saved"], highest.get(name or ".", 0)
            yield Part(name or ".", type(part).__name__, depth, params, *costly)


def _around(path: str) -> list[str]:
    """A module and every module around it."""
    inner = [] if path in ("", ".") else [path.rsplit(".", up)[0] for up in range(path.count(".") + 1)]
    return [*inner, "."]


def outputs_of(out: Any) -> list[Any]:
    """Where the backward pass starts: the loss, or else everything that has a gradient."""
    loss = getattr(out, "loss", None)
    if loss is not None:
        return [loss] if loss.requires_grad else []
    values = list(vars(out).values()) if hasattr(out, "__dict__") and not isinstance(out, (dict, torch.Tensor)) else [out]
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
