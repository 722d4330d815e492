"""What autograd keeps of transformers' modules on the CPU, with kernels of CUDA (`bursar.measure.cuda`) in the place of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

import pytest

from bursar.model import load
from bursar.plan import Plan

from . import reference
from .values import Values

torch = pytest.importorskip("torch", reason="the oracle is PyTorch: pip install torch")

from bursar.measure import cuda  # noqa: E402
from bursar.measure.causes import held  # noqa: E402
from bursar.measure.grouped import grouped  # noqa: E402
from bursar.measure.models import training_inputs  # noqa: E402

DTYPES = {"fp32": torch.float32, "bf16-pure": torch.bfloat16}


@contextmanager
def kernels() -> Iterator[None]:
    """Inside, modules keep what they keep on a CUDA device."""
    with cuda.kernels(), grouped():
        yield


class Held:
    """A tensor, as long as a node of the graph holds it."""

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor.detach()  # a result that its own node keeps would hold that node


def kept_bytes(model: Any, **given: Any) -> int:
    """Bytes of the storages that the graph of a loss holds at the end of a forward pass, each once, those of parameters and buffers
    not at all: a router's choice of groups records a graph that nothing refers to, and that is gone by then."""
    own = {tensor.untyped_storage()._cdata for tensor in (*model.parameters(), *model.buffers())}
    packed: WeakSet[Held] = WeakSet()

    def pack(tensor: Any) -> Held:
        found = Held(tensor)
        packed.add(found)
        return found

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda found: found.tensor):
        loss = model(**given).loss
    assert loss.requires_grad
    storages = {storage._cdata: storage.nbytes() for storage in (found.tensor.untyped_storage() for found in packed)}
    return sum(size for storage, size in storages.items() if storage not in own)


def traced(values: Values, profile: str, precision: str, seq: int, batch: int, experts: str | None = None, **given: Any) -> int:
    """What autograd keeps of the whole model with its loss, less what transformers is known to keep otherwise than described;
    `given` takes the place of the usual inputs."""
    dtype = DTYPES[precision]
    with kernels():
        model = reference.build(values, device="cpu", attention=profile, experts=experts).to(dtype).train()
        found = kept_bytes(model, **{**training_inputs(values, seq, batch, dtype), **given})
    return found + sum(difference for difference, _ in held.saved(values, dtype.itemsize, seq, batch))


def compare(values: Values, profile: str, precision: str, seq: int, batch: int, experts: str | None = None, **given: Any) -> None:
    """Ours beside what is traced; `experts` as transformers names them, its own choice if not given."""
    mix = ",experts=eager-loop" if experts == "eager" else ""
    ours = load(values).activations(Plan(kernels=profile + mix, precision=precision, micro_batch=batch), seq)
    assert ours.total == traced(values, profile, precision, seq, batch, experts, **given), {
        entry.path: entry.value for entry in ours.entries
    }
