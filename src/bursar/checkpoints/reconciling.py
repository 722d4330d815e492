"""A checkpoint beside a config: by name where a family's names are known, else in total."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from bursar.checkpoints.stored import Checkpoint
from bursar.families import _tensors
from bursar.families._tensors import Names
from bursar.ops.linear import Linear
from bursar.step import Step
from bursar.tree import Architecture, Line

MAX_EXPECTED = 2 * 10**6  # tensors of a config; the largest published ones have about 10⁵


class Reconciled(NamedTuple):
    """A checkpoint beside a config. `by` says whether every tensor was compared or, for a family without names, totals alone."""

    by: str
    missing: list[str]
    extra: list[str]
    shapes: list[str]


def reconcile(architecture: Architecture, checkpoint: Checkpoint) -> Reconciled:
    """What the config has and the checkpoint lacks, what it holds beside, and shapes that differ."""
    names = (_tensors.GGUF if checkpoint.gguf else _tensors.SAFETENSORS).get(architecture.family)
    expected = None if names is None else _expected(architecture, names)
    if names is None or expected is None:
        return Reconciled("totals", [], [], [])
    prefix = max(names.prefixes, key=lambda prefix: sum(_named(prefix, name) in checkpoint.tensors for name in expected))
    wanted = {_named(prefix, name): shape for name, shape in expected.items()}
    stored = checkpoint.tensors
    return Reconciled(
        "tensors",
        [name for name in wanted if name not in stored],
        [name for name in stored if name not in wanted],
        [
            f"{name}: {list(stored[name].shape)}, not {list(shape)}"
            for name, shape in wanted.items()
            if name in stored and stored[name].shape != shape
        ],
    )


def _named(prefix: str, name: str) -> str:
    return name if name.startswith("lm_head") else prefix + name


def _expected(architecture: Architecture, names: Names) -> dict[str, tuple[int, ...]] | None:
    """Tensor name → shape, of every tensor that the config has; None where the family's names do not cover it."""
    found: dict[str, tuple[int, ...]] = {}
    layer = 0
    step = Step(1, 1)
    lines = [*((0, "", line) for block in architecture.stem for line in block.walk(step))]
    for run in architecture.trunk:
        inside = list(run.block.walk(step))
        if sum(line.instances for line in inside) * int(run.times) > MAX_EXPECTED:
            return None
        lines += ((layer + i, "", line) for i in range(int(run.times)) for line in inside)
        layer += int(run.times)
    for block in architecture.tail:
        modules = block.kind.startswith("mtp")
        lines += ((layer, "mtp." if modules else "", line) for line in block.walk(step))
        layer += modules
    paths = {line.path for _, _, line in lines}
    instead = {path: name for path, (other, name) in names.absent.items() if other not in paths}
    names = names._replace(modules={**names.modules, **instead})
    for index, prefix, line in lines:
        for name, shape in _stored(line, prefix, names):
            if name is None:
                return None
            each = "{e}" in name
            many = int(line.instances) if line.nested else 1
            for e in range(many if each else 1):
                found[name.format(i=index, e=e)] = (many, *shape) if line.nested and not each else shape
    return found if not architecture.towers else None


def _stored(line: Line, prefix: str, names: Names) -> Iterable[tuple[str | None, tuple[int, ...]]]:
    """The names, still with {i} and {e}, and shapes of an operator's tensors."""
    for parameter, shape in line.op.shapes().items():
        for path in dict.fromkeys((prefix + line.path, line.path)):
            module = names.modules.get(path)
            if name := names.modules.get(f"{path}.{parameter}", f"{module}.{parameter}" if module else None):
                break
        turned = names.transposed and type(line.op) is Linear
        yield name, tuple(int(side) for side in (reversed(shape) if turned else shape))
