"""`profile`: one training step of a module as it runs: memory by category from operator to operator, its peak as the allocator
sees it, and the time of every operator.

The first step makes the optimizer's states, the second is timed, the third is tracked storage by storage, which slows it; its
times are for the order of things. The CPU's allocations are summed in the second, those of a GPU are read from its allocator's own
history of the third (`snapshot`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map_only

from bursar.errors import BursarError, UnknownNameError
from bursar.measure.allocations import Allocated, allocated, timed
from bursar.measure.modules import Running
from bursar.measure.rates import Achieved
from bursar.measure.refused import refused
from bursar.measure.snapshot import Moment, moments, recorded
from bursar.measure.states import OPTIMIZERS
from bursar.measure.tracing import outputs_of
from bursar.measure.tracked import CATEGORIES, Row, Storages

KINDS = ("cpu", "cuda")  # of devices


@dataclass(frozen=True)
class Profile:
    """A training step of a module: bytes that stand between steps, what the allocator saw, the tracked timeline, and on a GPU what
    its allocator had at every operator of it."""

    kind: str
    standing: Mapping[str, int]
    allocated: Allocated
    rows: tuple[Row, ...]
    moments: tuple[Moment, ...] = ()

    def predicted(self, rates: Achieved) -> dict[str, float]:
        """Seconds of every operator that a machine of these rates needs at least, call by call."""
        found: defaultdict[str, float] = defaultdict(float)
        for row in self.rows:
            found[_named(row.operator)] += rates.seconds(row.flops, row.moved)
        return dict(found)

    @property
    def highest(self) -> Row:
        """The highest moment between operators, the first of equals."""
        return max(self.rows, key=lambda row: sum(row.bytes))


def profile(
    module: torch.nn.Module,
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    optimizer: str = "adamw",
    says: Callable[[str], None] = lambda words: None,
) -> Profile:
    """Three training steps on the CPU or a GPU, at a learning rate of zero; gradients are let go of at the end of each, and the
    inputs are made at its beginning. `says` is told what is being done.

    Raises BursarError for a module on another device or on several, without anything to train, or with an optimizer that is not in
    `states.OPTIMIZERS`, and TraceError for one that cannot run."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if optimizer not in OPTIMIZERS:
        raise UnknownNameError("optimizer", optimizer, OPTIMIZERS)
    devices = {tensor.device for tensor in module.parameters()}
    if not trained or len(devices) > 1 or trained[0].device.type not in KINDS:
        valid = "a module with gradients, on one CPU or GPU"
        raise BursarError(f"no profile of {type(module).__name__}", field="target", valid=valid)
    update = OPTIMIZERS[optimizer](trained, lr=0.0, foreach=False)
    step = _Step(module, args, dict(kwargs or {}), update)
    for parameter in trained:
        parameter.grad = None
    try:
        says("the first step, which makes the optimizer's states")
        step()
        return (_on_cpu if step.device.type == "cpu" else _on_gpu)(step, trained, says)
    except BursarError:
        raise
    except (Exception, SystemExit) as error:
        raise refused(module, (), None, step.phase, error) from error


def _on_cpu(step: _Step, trained: list[torch.nn.Parameter], says: Callable[[str], None]) -> Profile:
    says("a step under the profiler")
    seen = allocated(step)
    says("a step storage by storage")
    rows = _tracked(step, trained).rows
    return Profile(type(step.module).__name__, _standing(rows[0]), seen, tuple(rows))


def _on_gpu(step: _Step, trained: list[torch.nn.Parameter], says: Callable[[str], None]) -> Profile:
    device = step.device
    says("a step under the profiler")
    taken, times = timed(step, device)
    says("a step storage by storage, with the allocator's history")
    with recorded(device) as snapshot:
        storages = _tracked(step, trained)
        found = moments(snapshot(), device.index or 0, storages.counts)
    at = max(range(len(found)), key=lambda number: found[number].highest)
    seen = Allocated(found[at].highest, _named(storages.rows[at].operator), found[-1].after, taken, times)
    return Profile(type(step.module).__name__, _standing(storages.rows[0]), seen, tuple(storages.rows), found)


def _standing(first: Row) -> dict[str, int]:
    """Bytes that are there before a step."""
    sums = dict(zip(CATEGORIES, first.bytes, strict=True))
    return {name: sums[name] for name in ("parameters", "optimizer_state")}


def _named(operator: str) -> str:
    """aten.mm.default as the profiler calls it: aten::mm."""
    namespace, name, *_ = operator.split(".")
    return f"{namespace}::{name}"


class _Step:
    """A training step, whose inputs are copies of what was given."""

    def __init__(self, module: torch.nn.Module, args: Any, kwargs: Any, update: torch.optim.Optimizer) -> None:
        self.module, self.given, self.update = module, (args, kwargs), update
        self.device = next(module.parameters()).device
        self.storages: Storages | None = None
        self.phase = "forward"

    def __call__(self) -> None:
        self.phase = "forward"
        args, kwargs = self._inputs()
        out = self.module(*args, **kwargs)
        roots, self.phase = outputs_of(out), "backward"
        (roots[0] if len(roots) == 1 and roots[0].numel() == 1 else sum([root.sum() for root in roots])).backward()
        del out, roots
        if self.storages is not None:
            self.storages.phase = "optimizer"
        self.update.step()
        self.update.zero_grad(set_to_none=True)

    def _inputs(self) -> Any:
        """A copy of every tensor; one that is given twice stays one."""
        copies: dict[int, torch.Tensor] = {}

        def copied(tensor: torch.Tensor) -> torch.Tensor:
            if id(tensor) not in copies:
                with torch.no_grad():
                    copies[id(tensor)] = tensor.clone().requires_grad_(tensor.requires_grad)
            return copies[id(tensor)]

        found = tree_map_only(torch.Tensor, copied, self.given)
        if self.storages is not None:
            self.storages.hold("inputs", [leaf for leaf in tree_leaves(found) if isinstance(leaf, torch.Tensor)])
        return found


def _tracked(step: _Step, trained: list[torch.nn.Parameter]) -> Storages:
    with Running(step.module) as running:
        storages = Storages(running, step.device)
        storages.hold("parameters", (*step.module.parameters(), *step.module.buffers()))
        states = [value for kept in step.update.state.values() for value in kept.values()]
        storages.hold("optimizer_state", [value for value in states if isinstance(value, torch.Tensor)])
        hooks = [parameter.register_post_accumulate_grad_hook(storages.grown) for parameter in trained]
        step.storages = storages
        try:
            with storages, storages.keeping:
                step()
        finally:
            step.storages = None
            for hook in hooks:
                hook.remove()
    return storages
