"""Proves what recomputation keeps under torch.autocast, to the byte, for every mode and kind of checkpoint, and what is there at
the end of the forward pass alone.

Autocast caches the copies of trained weights until its context ends, which is after the loss. Under a checkpoint no graph holds
them: they are there through the forward pass and not in the backward pass, which makes those of a layer again. The model holds the
FP32 tensor that it casts for its output layer as long.
"""

from __future__ import annotations

from functools import partial

import pytest

from bursar import Plan, Training, load
from bursar.questions import timeline

from . import reference, test_peak
from . import test_recompute as plain
from .test_autocast import kernels as cuda_kernels
from .test_autocast import torch, under_autocast
from .test_peak import SHAPES
from .values import Values


@pytest.mark.parametrize("checkpoint", plain.CHECKPOINTS)
@pytest.mark.parametrize(("name", "mode"), plain.CASES)
def test_what_is_kept(name: str, mode: str, checkpoint: str) -> None:
    """Between the passes; the tables of rotary positions are held by Python under checkpoints of whole layers."""
    values, ids = plain.MODELS[name], torch.zeros((plain.BATCH, plain.SEQ), dtype=torch.long)
    for kernels in ("eager", "sdpa"):
        with cuda_kernels(torch.bfloat16):
            model = under_autocast(plain.built(values, mode, checkpoint, kernels), torch.bfloat16)
            traced = plain.kept_bytes(model, input_ids=ids, labels=ids, use_cache=False)
        plan = Plan(recompute=mode, checkpoint=checkpoint, kernels=kernels, precision="bf16-autocast", micro_batch=plain.BATCH)
        found = load(values).activations(plan, plain.SEQ)
        tables = found.shared if mode.startswith("full") and "first" not in mode else 0
        assert found.total - tables == traced, {entry.path: entry.value for entry in found.entries}


MODES = {**plain.MODES, "full:first=1": lambda model, reentrant: plain.grouped(model, 1, 1, reentrant)}


def step(values: Values, mode: str, checkpoint: str, seq: int, batch: int, patch: pytest.MonkeyPatch) -> Training:
    """A job of two micro-batches, so that gradients are there in the second forward pass, of the CPU's kernels."""
    test_peak.without_scratch(patch)
    patch.setattr("bursar.rules.tensors.TRACED", ("sdpa,attention=flash-cpu",))
    plan = Plan(
        kernels="sdpa,attention=flash-cpu", precision="bf16-autocast", micro_batch=batch, grad_buffer="lazy", optimizer="sgd",
        update="for-loop", recompute=mode, checkpoint=checkpoint,
    )  # fmt: skip
    return Training(load(values), plan, length=seq, global_batch=2 * batch)


@pytest.mark.parametrize("checkpoint", plain.CHECKPOINTS)
@pytest.mark.parametrize("mode", ["none", "full", "full:first=1"])
def test_the_peak_in_the_forward_pass(mode: str, checkpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the loss: what is there beyond ours are labels filled up by one token, and the positions that a checkpoint's arguments
    hold. (The states of random generators are on the host, which is the device here; they are not asked for.)"""
    values, seq, batch = SHAPES["deep"], 64, 2
    build = reference.build

    def built(*given: object, **named: object) -> object:
        model = build(*given, **named).train()  # type: ignore[arg-type]
        MODES[mode](model, checkpoint == "reentrant")
        return under_autocast(model, torch.bfloat16)

    monkeypatch.setattr(reference, "build", built)
    monkeypatch.setattr(plain.checkpointing, "checkpoint", partial(plain.checkpointing.checkpoint, preserve_rng_state=False))
    truth = test_peak.measured(values, "sdpa", "fp32", seq, batch, 2, "sgd")
    training = step(values, mode, checkpoint, seq, batch, monkeypatch)
    (moment,) = training.moments()
    held = moment.memory
    ours = held.peak - held.weights - held.optimizer_state - held.runtime
    assert timeline.name(training.stages[0], moment)[0] == "forward of head"
    labels, positions = 8 * batch * (seq + 1), 8 * seq
    assert truth.peak - ours == labels + (positions if mode != "none" else 0), (truth, held)


def test_copies_of_weights_last_through_the_forward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the loss the copies of all matrices of the layers, 2 bytes an element; the timeline's highest moment is the same."""
    values, (seq, batch) = SHAPES["deep"], (64, 2)
    training = step(values, "full", "reentrant", seq, batch, monkeypatch)
    h, f, q, k, layers = 128, 192, 64, 32, 6
    matrices = layers * (2 * h * q + 2 * h * k + 3 * h * f)
    (load_,) = training.stage_loads
    assert sum(part.cached * times for run in load_.runs for part, times in run[:-1]) == 2 * matrices
    rows = list(timeline.of_rank(training, 0))
    (moment,) = training.moments()
    assert max(row.memory.peak for row in rows) == moment.memory.peak


def test_many_plans_at_once_are_as_one_by_one() -> None:
    np = pytest.importorskip("numpy")
    batches = [1, 2, 5]
    options = {"kernels": "sdpa", "precision": "bf16-autocast", "recompute": "full"}
    plan = Plan(**options, micro_batch=np.array(batches, dtype=float))
    many = Training(load(SHAPES["deep"]), plan, length=20, checked=False).peak()
    assert list(many) == [Training(load(SHAPES["deep"]), Plan(**options, micro_batch=b), length=20).peak() for b in batches]
