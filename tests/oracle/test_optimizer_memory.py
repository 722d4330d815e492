"""Proves that optimizer states and what an optimizer step allocates are, to the byte, those of torch.optim.

States are the tensors in `optimizer.state` but the step counters, which are one number per weight on the host. The step's bytes are
the highest sum of storages that its operators make and have not dropped yet, scalars left out: `Allocations` sees every operator.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from bursar import Plan, Training
from bursar.memory import moments
from bursar.ops.linear import Linear
from bursar.optimizers import OPTIMIZERS, optimizer
from bursar.optimizers.states import Weight
from bursar.tree import Architecture, Block, Input, Op, Repeat

torch = pytest.importorskip("torch", reason="the oracle is PyTorch: pip install torch")
dispatch = pytest.importorskip("torch.utils._python_dispatch")

DTYPES = {"fp32": torch.float32, "bf16-pure": torch.bfloat16}
WIDTHS = {"fp32": 4, "bf16-pure": 2}
STEPS = {"fused": {"fused": True}, "foreach": {"foreach": True}, "for-loop": {"foreach": False}}
THEIRS: dict[str, Callable[..., Any]] = {
    "sgd": lambda weights, **how: torch.optim.SGD(weights, lr=0.1, **how),
    "momentum": lambda weights, **how: torch.optim.SGD(weights, lr=0.1, momentum=0.9, **how),
    "nesterov": lambda weights, **how: torch.optim.SGD(weights, lr=0.1, momentum=0.9, nesterov=True, **how),
    "rmsprop": lambda weights, **how: torch.optim.RMSprop(weights, **how),
    "adagrad": lambda weights, **how: torch.optim.Adagrad(weights, **how),
    "adam": lambda weights, **how: torch.optim.Adam(weights, **how),
    "adamw": lambda weights, **how: torch.optim.AdamW(weights, **how),
    "amsgrad": lambda weights, **how: torch.optim.AdamW(weights, amsgrad=True, **how),
}
UNFUSED = ("rmsprop",)  # torch.optim has no fused form
SHAPES = [(256, 512), (512, 1024), (512,), (512, 512), (512, 512), (128, 512), (128,)]  # a product with a bias has two weights


class Allocations(dispatch.TorchDispatchMode):  # type: ignore[misc, name-defined]
    """Bytes of the storages that operators made: those there, and the most there ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {t.untyped_storage()._cdata for t in torch.utils._pytree.tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)}
        made = func(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves(made):
            if isinstance(tensor, torch.Tensor) and tensor.dim() and tensor.numel() > 1:
                storage = tensor.untyped_storage()
                if storage._cdata not in given | self.seen:
                    self._enter(storage)
        return made

    def _enter(self, storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        self.seen.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._leave, key, size)

    def _leave(self, key: int, size: int) -> None:
        self.seen.discard(key)
        self.now -= size


def weights_of(shapes: list[tuple[int, ...]], dtype: Any) -> list[Any]:
    torch.manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape).to(dtype)) for shape in shapes]


def stepped(weights: list[Any], make: Callable[..., Any], **how: Any) -> tuple[Any, int]:
    """An optimizer after two steps, and the bytes that the second one had at work."""
    theirs = make(weights, **how)
    for _ in (1, 2):
        for weight in weights:
            weight.grad = torch.randn_like(weight)
        gc.collect()
        with Allocations() as book:
            theirs.step()
    return theirs, book.peak


def state_bytes(theirs: Any) -> int:
    tensors = [t for state in theirs.state.values() for name, t in state.items() if name != "step" and isinstance(t, torch.Tensor)]
    return sum(t.numel() * t.element_size() for t in tensors)


def chain() -> Architecture:
    """Products with the weights of SHAPES, in that order."""
    lines: dict[str, Op] = {"x": Input(512)}
    for place, (shape, after) in enumerate(zip(SHAPES, [*SHAPES[1:], (0, 0)], strict=True)):
        if len(shape) == 2:
            lines[f"w{place}"] = Linear("x", shape[1], shape[0], parallel="replicated", bias=len(after) == 1)
    return Architecture("chain", (), (Repeat(1, Block(lines)),), ())


def ours(name: str, precision: str, update: str) -> tuple[int, int]:
    """Bytes of states, and of the step alone."""
    job = Training(chain(), Plan(optimizer=name, precision=precision, update=update, state_dtype=STATE[precision]), length=1)
    update = moments.at_the_update(job.standing(0, 0, 1), job.update_bytes(0))
    return job.memory()[0].optimizer_state, update.temporary


STATE = {"fp32": "fp32", "bf16-pure": "bf16"}  # torch.optim makes states like the weights


def test_the_chain_has_the_shapes() -> None:
    block = chain().trunk[0].block
    assert [shape for op in block.lines.values() for shape in op.shapes().values()] == SHAPES


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("update", STEPS)
@pytest.mark.parametrize("name", THEIRS)
def test_states_and_steps(name: str, update: str, precision: str) -> None:
    if update == "fused" and name in UNFUSED:
        pytest.skip("torch.optim has no fused form of it")
    theirs, peak = stepped(weights_of(SHAPES, DTYPES[precision]), THEIRS[name], **STEPS[update])
    assert ours(name, precision, update) == (state_bytes(theirs), peak)


def test_every_traced_optimizer_is_here() -> None:
    assert set(THEIRS) == {name for name, found in OPTIMIZERS.items() if found.intermediates is not None}


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("shape", [(256, 512), (512, 256), (512, 512), (128,)])
def test_adafactor(shape: tuple[int, ...], precision: str) -> None:
    found, width = optimizer("adafactor").stored_as(WIDTHS[precision]), WIDTHS[precision]
    theirs, peak = stepped(weights_of([shape], DTYPES[precision]), torch.optim.Adafactor, foreach=False)
    assert found.bytes_of(Weight(shape)) == state_bytes(theirs)
    assert found.workspace is not None and found.workspace(Weight(shape), width) == peak


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("shape", [(256, 512), (512, 256), (512, 512)])
def test_muon(shape: tuple[int, ...], precision: str) -> None:
    found, width = optimizer("muon").stored_as(WIDTHS[precision]), WIDTHS[precision]
    theirs, peak = stepped(weights_of([shape], DTYPES[precision]), torch.optim.Muon)
    assert found.bytes_of(Weight(shape)) == state_bytes(theirs)
    assert found.workspace is not None and found.workspace(Weight(shape), width) == peak
