"""The peak in closed form is the highest moment of the step walked through, layer by layer and micro-batch by micro-batch.

Over random dense and mixture-of-experts models, plans, recompute modes, ZeRO stages, kernels, both ways of holding gradients, and
every number of micro-batches: equal to the byte where a rank has one run of layers. A schedule that puts weight gradients off, or
gives a rank several chunks, is bounded from above.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bursar import Model, Plan, Training, catalog, load, rules
from bursar.errors import PlanError
from bursar.memory.liveness import Passes
from bursar.memory.moments import Moment
from bursar.memory.parts import Sized, sized
from bursar.memory.peaks import Memory
from bursar.memory.wiring import moments, sizes
from bursar.questions import timeline
from bursar.step import Step

from .test_rewrites import LENGTH, jobs

thorough = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def training(job: tuple[Model, Plan], micro_batches: int) -> Training:
    model, plan = job
    return Training(model.architecture, plan, length=LENGTH, global_batch=plan.data * plan.micro_batch * micro_batches)


@given(
    st.sampled_from(("allocated", "lazy", "accumulated")).flatmap(lambda how: jobs(grad_buffer=how)),
    st.integers(1, 7),
    st.sampled_from(("1f1b", "gpipe")),
)
@thorough
def test_the_closed_form_is_the_highest_moment(job: tuple[Model, Plan], micro_batches: int, schedule: str) -> None:

    found = training((job[0], replace(job[1], schedule=schedule)), micro_batches)
    for index, stage in enumerate(found.memory()):
        rows = list(timeline.of_rank(found, index))
        assert max(row.memory.peak for row in rows) == stage.peak
        assert any(row.memory == stage for row in rows)  # the parts are those of one moment


@given(jobs(grad_buffer="lazy"), st.integers(1, 5))
@thorough
def test_parts_are_whole_and_never_negative(job: tuple[Model, Plan], micro_batches: int) -> None:
    found = training(job, micro_batches)
    for index in range(job[1].pipeline):
        for row in timeline.of_rank(found, index):
            assert all(type(part) is int and part >= 0 for part in row.memory), row


@given(jobs(grad_buffer="lazy"), st.integers(1, 5))
@thorough
def test_lazy_gradients_never_need_more_than_buffers_and_one_blocks_gradients(job: tuple[Model, Plan], micro_batches: int) -> None:

    lazy = training(job, micro_batches)
    ready = training((job[0], replace(job[1], grad_buffer="allocated")), micro_batches)
    for stage, load_, other in zip(lazy.moments(), lazy.stage_loads * job[1].pipeline, ready.moments(), strict=False):
        assert (
            stage.memory.peak <= other.memory.peak + max(part.grown for run in load_.runs for part, _ in run) or job[1].pipeline > 1
        )
        if micro_batches == 1 and stage.phase == "optimizer":
            assert stage.memory.gradients == other.memory.gradients


@pytest.mark.parametrize("schedule", ["zb-h1", "zb-h2", "zb-v", "dualpipe", "dualpipe-v"])
@pytest.mark.parametrize("mode", ["none", "full"])
def test_schedules_that_put_weight_gradients_off_are_bounded(schedule: str, mode: str) -> None:
    plan = Plan(tensor=2, sequence=True, pipeline=4, schedule=schedule, recompute=mode)
    found = Training(load("llama-3-8b"), plan, length=1024, global_batch=16)
    for index, stage in enumerate(found.memory()):
        highest = max(row.memory.peak for row in timeline.of_rank(found, index))
        assert 0.9 * stage.peak <= highest <= stage.peak


# ── liveness of one block ────────────────────────────────────────────────────────────────────────────────────────────────


def layer(kernels: str, mode: str = "none") -> Sized:
    """The layer of Llama-3-8B on 1,024 tokens."""
    block = load("llama-3-8b").architecture.trunk[0].block
    plan = Plan(kernels=kernels)
    return sized(block, Step(1, 1024), plan.recipe.rate, plan.kernels_of("llama"), mode, "allocated")


def test_a_layers_highest_moment_by_hand() -> None:
    """The gradient of the SwiGLU product makes those of gate and up while all three are there. By then the product itself is freed,
    as the down projection has used it, and the gradient of the residual waits."""
    tokens, h, f, kv = 1024, 4096, 14336, 1024
    kept = 2 * tokens * (6 * h + 2 * kv + 2 * f) + 4 * tokens * (2 + 32)  # x, 2 norms, q, output, sum; k, v; gate, up; statistics
    gradients = 2 * tokens * (3 * f + h)
    best = max(moments(layer("fused").wiring).backward, key=lambda m: sum(layer("fused").parts[name].bytes for name in m.names))
    assert {name for name in best.names if name.startswith("∂")} == {"∂mlp.act", "∂mlp.gate", "∂mlp.up", "∂mlp.add"}
    assert sum(layer("fused").parts[name].bytes for name in best.names) == kept + gradients


def test_full_recomputation_brings_back_what_none_keeps() -> None:
    """During the backward pass of a recomputed layer all that an ordinary layer keeps is there."""
    ordinary, again = layer("fused"), layer("fused", "full")
    tops = [
        max(sum(found.parts[name].bytes for name in m.names) for m in moments(found.wiring).backward) for found in (ordinary, again)
    ]
    assert tops[0] == tops[1]
    assert again.wiring.stays == {"x"}


@pytest.mark.parametrize("kernels", ["fused", "textbook", "sdpa", "eager"])
def test_a_backward_pass_begins_with_all_that_is_kept_and_a_gradient(kernels: str) -> None:
    found = layer(kernels)
    kept = sum(found.parts[name].bytes for name in found.wiring.stays)
    assert Passes(found).totals[1] >= kept + found.parts["∂mlp.add"].bytes


def test_tensors_that_the_wiring_calls_alike_are_of_one_size() -> None:
    """Moments are left out by that, so it has to hold in every block of every model, whole and cut."""
    for name in catalog.names():
        model = load(name)
        for tensor in (1, 2):
            plan = Plan(tensor=tensor, sequence=tensor > 1)
            for stage in plan.stages(model.architecture) if fits(model, plan) else ():
                for block, _ in stage.blocks():
                    kernels = plan.kernels_of(model.architecture.family)
                    found = sized(block, Step(1, 64), plan.recipe.rate, kernels, "none", "allocated")
                    for wire, first in sizes(found.wiring.nodes).items():
                        if f"∂{wire}" in found.parts and f"∂{first}" in found.parts:
                            assert found.parts[f"∂{wire}"].bytes == found.parts[f"∂{first}"].bytes, (name, tensor, wire, first)


def fits(model: Model, plan: Plan) -> bool:
    try:
        rules.check(model.architecture, plan, rules.Job(64))
    except PlanError:
        return False
    return True


def test_a_moment_says_what_it_is() -> None:
    found = Training(load("llama-3-8b"), Plan(zero=3, data=8, kernels="sdpa"), length=1024)
    (moment,) = found.moments()
    assert isinstance(moment, Moment)
    assert isinstance(moment.memory, Memory)
    assert timeline.name(found.stages[0], moment)[0] in ("loss", "optimizer step", "backward of layers.31")
