"""Ranks of a pipeline under every schedule: which chunks they hold, layouts, what is refused, memory from the passes themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from bursar import Plan, Training, jobs, load, options, rules
from bursar.errors import PlanError
from bursar.machines.devices import device
from bursar.memory import peaks
from bursar.parallel import pipeline
from bursar.parallel.pipeline import Stage
from bursar.parallel.schedules import SCHEDULES, events
from bursar.rules import Job

H100 = device("h100-sxm")
CONFIG = {
    "model_type": "llama", "hidden_size": 64, "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 96,
    "intermediate_size": 128, "num_hidden_layers": 24, "tie_word_embeddings": False,
}  # fmt: skip
MODEL = load(CONFIG)
LAYERS, STAGES, MICRO_BATCHES = 24, 4, 16


def plan_of(name: str, **changes: Any) -> Plan:
    return Plan(pipeline=STAGES, schedule=name, virtual=3 if name == "interleaved" else 1, **changes)


def training(plan: Plan, micro_batches: int = MICRO_BATCHES, **changes: Any) -> Training:
    return Training(MODEL, plan, H100, length=32, global_batch=plan.data * plan.micro_batch * micro_batches, **changes)


def ranks(plan: Plan) -> list[Stage]:
    found = plan.stages(MODEL.architecture)
    return [next(stage for stage in found if rank in stage.indices) for rank in range(plan.pipeline)]


def layers_of(plan: Plan) -> list[list[int]]:
    """Layers of every chunk of every rank."""
    return [[sum(times for _, times, _ in chunk.layers) for chunk in stage.chunks] for stage in ranks(plan)]


# ── chunks ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_ranks_hold_the_model(name: str) -> None:
    """Once, or twice with DualPipe; embedding and head on the ranks of the first and the last chunk."""
    held = ranks(plan_of(name))
    copies = SCHEDULES[name].copies
    assert sum(sum(block.parameters) * times for stage in held for block, times in stage.blocks()) == copies * MODEL.params()
    ends = {"zb-v": ([0], [0]), "dualpipe-v": ([0], [0]), "dualpipe": ([0, 3], [0, 3])}.get(name, ([0], [3]))
    assert [rank for rank in range(STAGES) if held[rank].stem] == ends[0]
    assert [rank for rank in range(STAGES) if held[rank].tail] == ends[1]


def test_dualpipe_doubles_what_a_rank_holds() -> None:
    """Two stages a rank (2412.19437, table 2); the states of a stage are shared out over both of its ranks and their replicas."""
    one, two = training(plan_of("1f1b", zero=1, data=2)).memory(), training(plan_of("dualpipe", zero=1, data=2)).memory()
    assert sum(rank.weights for rank in two) == 2 * sum(rank.weights for rank in one)
    assert sum(rank.gradients for rank in two) == 2 * sum(rank.gradients for rank in one)
    assert sum(rank.optimizer_state for rank in two) == sum(rank.optimizer_state for rank in one)


@pytest.mark.parametrize("name", ["zb-v", "dualpipe-v"])
def test_a_head_tied_to_the_embedding_is_no_copy_where_both_are_on_one_rank(name: str) -> None:
    tied = load({**CONFIG, "tie_word_embeddings": True})
    for schedule, copies in ((name, 0), ("1f1b", 1)):
        stages = plan_of(schedule).stages(tied.architecture)
        total = sum(sum(block.parameters) * times * len(stage.indices) for stage in stages for block, times in stage.blocks())
        assert total == tied.params() + copies * 96 * 64


# ── layouts ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("plan", "expected"), [
    (Plan(pipeline=4, layout=(5, 7, 7, 5)), [[5], [7], [7], [5]]),
    (Plan(pipeline=4, layout=(0, 8, 8, 8)), [[0], [8], [8], [8]]),  # a rank with the embedding alone
    (Plan(pipeline=2, schedule="interleaved", virtual=3), [[4, 4, 4], [4, 4, 4]]),
    (Plan(pipeline=2, schedule="interleaved", virtual=3, layout=(9, 15)), [[3, 3, 3], [5, 5, 5]]),
    (Plan(pipeline=2, schedule="interleaved", virtual=3, layout=(3, 4, 5, 5, 4, 3)), [[3, 5, 4], [4, 5, 3]]),
    (Plan(pipeline=2, schedule="zb-v", layout=(5, 6, 7, 6)), [[5, 6], [6, 7]]),
    (Plan(pipeline=2, schedule="zb-v", layout=(10, 14)), [[5, 5], [7, 7]]),
    (Plan(pipeline=4, schedule="dualpipe", layout=(5, 6, 7, 6)), [[5, 6], [6, 7], [6, 7], [5, 6]]),
])  # fmt: skip
def test_a_layout_deals_out_the_layers(plan: Plan, expected: list[list[int]]) -> None:
    assert layers_of(plan) == expected
    rules.check(MODEL.architecture, plan, Job(32))


def test_an_uneven_layout_moves_time_and_memory() -> None:
    """The slowest rank sets the pace: one layer more on one rank costs about a layer for every micro-batch."""
    even, uneven = training(Plan(pipeline=4)), training(Plan(pipeline=4, layout=(6, 7, 6, 5)))
    layer = sum(even.paces[id(even.stages[1].layers[0][2])])
    work = [sum(found.seconds[:6]) + found.seconds.launching for found in (even, uneven)]
    middle = 6 * layer
    assert work[1] - MICRO_BATCHES * 7 * layer == pytest.approx(0, abs=1e-12)
    assert work[0] > MICRO_BATCHES * middle  # there it is the last rank, with the head
    tables = even.stage_loads[1].tables
    assert (uneven.memory()[1].activations - tables) * 6 == (even.memory()[1].activations - tables) * 7


# ── memory and time ──────────────────────────────────────────────────────────────────────────────────────────────────────


def walked(found: Training, rank: int) -> int:
    """The most bytes of activations and logits that a rank holds, pass by pass."""
    plan, place = found.plan, next(at for at, stage in enumerate(found.stages) if rank in stage.indices)
    stage = found.stages[place]
    kind = SCHEDULES[plan.schedule]
    numbers = kind.place(rank, plan.pipeline, kind.chunks(plan.virtual))
    chunks = dict(zip(numbers, stage.chunks, strict=True))
    whole = {n: sum((found.loads[id(b)].kept + found.loads[id(b)].logits) * t for b, t in c.blocks()) for n, c in chunks.items()}
    later = {n: sum(found.waits.get(id(b), 0) * t for b, t in c.blocks()) for n, c in chunks.items()}
    held = most = 0
    for event in events(plan.schedule, plan.pipeline, plan.virtual, found.micro_batches)[rank]:
        change = {"F": (1, 0), "B": (-1, 1), "W": (0, -1), "BW": (-1, 0)}[event.kind]
        held += change[0] * whole[event.chunk] + change[1] * later[event.chunk]
        most = max(most, held)
    return most + found.stage_loads[place].tables


@pytest.mark.parametrize("name", SCHEDULES)
def test_activations_are_those_of_the_passes(name: str) -> None:
    """To the byte, with the embedding's and the head's own."""
    found = training(plan_of(name))
    for rank in range(STAGES):
        place = next(at for at, stage in enumerate(found.stages) if rank in stage.indices)
        held = peaks.of_stage(rank, found.stage_loads[place], found.held[place], found.plan, found.micro_batches)
        assert held.activations + held.logits == walked(found, rank)


@pytest.mark.parametrize("name", SCHEDULES)
def test_an_array_of_plans_reads_as_each(name: str) -> None:
    many = {"data": np.array([1.0, 2.0, 1.0]), "micro_batch": np.array([1.0, 1.0, 2.0])}
    arrays = Training(MODEL, plan_of(name, **many), H100, length=32, global_batch=32, checked=False)
    for index, (data, micro_batch) in enumerate(((1, 1), (2, 1), (1, 2))):
        one = Training(MODEL, plan_of(name, data=data, micro_batch=micro_batch), H100, length=32, global_batch=32)
        assert float(np.broadcast_to(arrays.peak(), 3)[index]) == one.peak()
        assert float(np.broadcast_to(arrays.seconds.step, 3)[index]) == pytest.approx(one.seconds.step, rel=1e-12)


def test_interleaving_divides_the_bubble() -> None:
    """By the number of virtual stages (2104.04473, section 2.2.2); messages are as many times more."""
    plain, woven = training(plan_of("1f1b")).seconds, training(plan_of("interleaved")).seconds
    assert woven.bubble == pytest.approx(plain.bubble / 3, rel=1e-12)
    message = training(plan_of("gpipe")).seconds.pipeline / (2 * (STAGES - 1))
    assert woven.pipeline / message == pytest.approx(2 * (STAGES * 3 - 1), rel=1e-9)


def test_parted_backward_passes_shrink_the_bubble() -> None:
    """ZB-H2's is shorter than ZB-H1's, which is shorter than 1F1B's, by a weight gradient of every other rank each time."""
    bubbles = [training(plan_of(name)).seconds.bubble for name in ("1f1b", "zb-h1", "zb-h2")]
    assert bubbles[0] > bubbles[1] > bubbles[2] >= 0
    assert bubbles[0] - bubbles[1] == pytest.approx(2 * (bubbles[1] - bubbles[2]), rel=1e-9)


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────────

REFUSED = {
    "interleaved without virtual stages": (Plan(pipeline=4, schedule="interleaved"), 16, "vp", "2 or more"),
    "virtual stages without interleaving": (Plan(pipeline=4, virtual=2), 16, "vp", "interleaved"),
    "virtual stages that do not come out even": (Plan(pipeline=4, schedule="interleaved", virtual=4), 16, "vp", "divides 24"),
    "micro-batches that are no multiple": (Plan(pipeline=4, schedule="interleaved", virtual=3), 18, "schedule", "a multiple of 4"),
    "fewer micro-batches than stages": (Plan(pipeline=4, schedule="zb-h1"), 3, "schedule", "4 or more"),
    "zb-h2 with too few": (Plan(pipeline=4, schedule="zb-h2"), 6, "schedule", "7 or more"),
    "zb-v with too few": (Plan(pipeline=4, schedule="zb-v"), 6, "schedule", "7 or more"),
    "dualpipe with too few": (Plan(pipeline=4, schedule="dualpipe"), 6, "schedule", "8 or more"),
    "dualpipe with an odd number": (Plan(pipeline=4, schedule="dualpipe"), 9, "schedule", "a multiple of 2"),
    "dualpipe of an odd pipeline": (Plan(pipeline=3, schedule="dualpipe"), 12, "schedule", "an even pp"),
    "a pipeline of one rank": (Plan(schedule="zb-v"), 12, "schedule", "2 or more"),
    "zero 3 where weight gradients wait": (Plan(pipeline=4, schedule="zb-h1", zero=3), 8, "zero", "zero 0 or 1"),
    "zero 2 where weight gradients wait": (Plan(pipeline=4, schedule="dualpipe", zero=2), 8, "zero", "zero 0 or 1"),
    "a layout that leaves a layer": (Plan(pipeline=4, layout=(6, 6, 6, 5)), 8, "layout", "add up to 24"),
    "a layout of three stages": (Plan(pipeline=4, layout=(8, 8, 8)), 8, "layout", "4 counts"),
    "a negative count": (Plan(pipeline=4, layout=(-1, 9, 8, 8)), 8, "layout", "4 counts"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_schedule_cannot_do_is_refused(case: str) -> None:
    plan, micro_batches, field, valid = REFUSED[case]
    with pytest.raises(PlanError) as refused:
        training(plan, micro_batches)
    assert refused.value.field == field
    assert valid in str(refused.value.valid)


@pytest.mark.parametrize("name", ["gpipe", "1f1b"])
def test_one_micro_batch_is_idle_but_legal(name: str) -> None:
    assert training(plan_of(name), 1).seconds.bubble > 0


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_mask_is_the_check(name: str) -> None:
    """For numbers of micro-batches around what the schedule needs."""
    batches = [float(d) for d in (1, 2, 3, 4, 6, 8, 12, 24)]
    arrays = replace(plan_of(name), data=np.array(batches))
    found = np.broadcast_to(rules.mask(MODEL.architecture, arrays, Job(32, 48)), len(batches))
    assert list(found) == list(_checks(name, batches))


def _checks(name: str, batches: list[float]) -> Iterator[bool]:
    for data in batches:
        try:
            rules.check(MODEL.architecture, plan_of(name, data=int(data)), Job(32, 48))
        except PlanError:
            yield False
        else:
            yield True


def test_even_chunks_without_a_layout() -> None:
    kind = SCHEDULES["zb-v"]
    assert pipeline.laid_out(61, 4, kind, 1, None) == pipeline.lengths(61, 8)
    assert Fraction(sum(pipeline.lengths(61, 8)), 61) == 1


# ── options ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_rank_with_the_embedding_alone_has_memory_and_time() -> None:
    found = training(Plan(pipeline=4, layout=(0, 8, 8, 8)))
    first = found.memory()[0]
    assert first.weights == 96 * 64 * 2  # the table in BF16
    assert found.seconds.step > 0


@pytest.mark.parametrize(("given", "expected"), [
    ({}, ("1f1b", 1, None)), ({"vp": "3"}, ("interleaved", 3, None)), ({"schedule": "zb-v"}, ("zb-v", 1, None)),
    ({"layout": "5, 7,7,5"}, ("1f1b", 1, (5, 7, 7, 5))), ({"layout": [5, 7, 7, 5]}, ("1f1b", 1, (5, 7, 7, 5))),
])  # fmt: skip
def test_options_become_a_plan(given: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """Virtual stages mean the interleaved schedule where none is named."""
    plan = jobs.plan(options.values({**dict.fromkeys(options.OPTIONS), "pp": 4, **given}))
    assert (plan.schedule, plan.virtual, plan.layout) == expected
    assert {"schedule", "vp", "layout"} <= set(plan.options())


@pytest.mark.parametrize("layout", ["", "5,x", "5,-1", "1.5,2", 7])
def test_a_layout_that_is_no_list_of_numbers_is_refused(layout: Any) -> None:
    with pytest.raises(PlanError, match="such as 10,11,11,8"):
        options.values({"layout": layout})
