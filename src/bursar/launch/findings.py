"""What is wrong or wasteful in a launch: rules that it breaks, memory that it lacks, and changes that would save, each tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from bursar.errors import BursarError, shown
from bursar.launch.launched import Launch
from bursar.plan import Plan
from bursar.questions import adviser
from bursar.rules import RULES
from bursar.rules import Job as Asked
from bursar.training import Training
from bursar.tree import Architecture

WRONG, WASTEFUL, NOTE = "wrong", "wasteful", "note"
LARGE_BUBBLE = 0.1  # of a step
TILE = 64  # columns of a product's tile that a share of the vocabulary should fill
REMEDIES = 3
OTHER_RUNS = ("precision", "LoRA", "optimizer", "gradients")  # knobs that change what is trained, not how


class Finding(NamedTuple):
    """What is wrong, wasteful or not counted: the key of its sentence, and its facts (bytes, seconds, words)."""

    kind: str
    key: str
    facts: Mapping[str, Any]


def broken(architecture: Architecture, plan: Plan, asked: Asked) -> list[Finding]:
    """Every rule that a plan breaks, not the first alone."""
    found: list[Finding] = []
    for rule in RULES:
        try:
            failed = [demand for demand in rule.demands(architecture, plan, asked) if not demand.holds]
            for demand in failed:
                facts = {"option": rule.field, "problem": demand.problem(plan), "valid": shown(demand.valid(plan), 200)}
                found.append(Finding(WRONG, "launch_rule", facts))
        except BursarError as error:  # a rule may stand on another one that is broken
            found.append(Finding(WRONG, "launch_rule", {"option": rule.field, "problem": error.problem, "valid": ""}))
    return found


def of_training(training: Training, launch: Launch) -> list[Finding]:
    """What is wasteful in a valid job on a device, and whether it fits."""
    found = [*_memory(training), *_changes(training), *_bubble(training), *_vocabulary(training, launch)]
    return [*found, *_remedies(training), *notes(launch)]


def notes(launch: Launch) -> list[Finding]:
    return [Finding(NOTE, key, facts) for key, facts in launch.notes]


def _memory(training: Training) -> Iterator[Finding]:
    peak, capacity = training.peak(), _capacity(training)
    if peak > capacity:
        yield Finding(WRONG, "launch_too_large", {"peak_bytes": peak, "capacity_bytes": int(capacity)})
        for remedy in adviser.advise(training).to_fit[:REMEDIES]:
            yield Finding(WRONG, "launch_to_fit", {"knob": remedy.knob, "peak_bytes": remedy.peak})


def _capacity(training: Training) -> float:
    return float(training.device.memory.si) if training.device else float("inf")


def _changes(training: Training) -> Iterator[Finding]:
    """Single changes that only save."""
    plan = training.plan
    if plan.tensor > 1 and not plan.sequence:
        yield from _saved(training, "launch_no_sp", sequence=True)
    if plan.zero == 0 and plan.data * plan.context > 1:
        yield from _saved(training, "launch_no_zero", zero=1)
    if "data" not in plan.overlap and plan.data * plan.context > 1:
        yield from _saved(training, "launch_no_overlap", overlap=("data", *plan.overlap))
    if plan.recompute != "none":
        less = [mode for mode in ("none", "selective") if mode != plan.recompute]
        yield from [found for mode in less for found in _saved(training, "launch_recompute", recompute=mode)][:1]


def _saved(training: Training, key: str, **fields: Any) -> Iterator[Finding]:
    """Peak and step with a change of the plan, where it is leaner, or faster and fits."""
    try:
        changed = replace(training, plan=replace(training.plan, **fields))
        peak, step = changed.peak(), float(changed.seconds.step)
    except BursarError:
        return
    faster, leaner = step < float(training.seconds.step), peak < training.peak()
    if (faster and peak <= _capacity(training)) or leaner:
        yield Finding(WASTEFUL, key, {"peak_bytes": peak, "new_step_s": step, "to": str(next(iter(fields.values())))})


def _bubble(training: Training) -> Iterator[Finding]:
    share = float(training.seconds.bubble / training.seconds.step)
    if share > LARGE_BUBBLE:
        facts = {"share": share, "micro_batches": training.micro_batches, "stages": training.plan.pipeline}
        yield Finding(WASTEFUL, "launch_bubble", facts)


def _vocabulary(training: Training, launch: Launch) -> Iterator[Finding]:
    """Rows of padding, or shares of the vocabulary that fill no whole tile."""
    if launch.vocab is None or not isinstance(launch.model, Mapping):
        return
    given, tensor = launch.model["vocab_size"], training.plan.tensor
    if launch.vocab != given:
        yield Finding(NOTE, "launch_padding", {"rows": launch.vocab - given, "vocab": launch.vocab})
    if launch.vocab % (TILE * tensor):
        valid = -(-launch.vocab // (TILE * tensor)) * TILE * tensor
        yield Finding(WASTEFUL, "launch_vocab", {"vocab": launch.vocab, "tp": tensor, "tile": TILE, "valid": valid})


def _remedies(training: Training) -> Iterator[Finding]:
    """What the adviser found to save most, beside recomputation, which is looked at by itself."""
    if training.peak() <= _capacity(training):
        left_out = (*OTHER_RUNS, "recompute")
        remedies = [one for one in adviser.advise(training).remedies if not one.knob.startswith(left_out)]
        for remedy in remedies[:REMEDIES]:
            facts = {"knob": remedy.knob, "saves_s": remedy.saves_s, "peak_bytes": remedy.peak, "faster": remedy.faster}
            yield Finding(WASTEFUL, "launch_remedy", facts)
