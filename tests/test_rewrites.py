"""What a rewrite may not change: properties of plans over random small dense and mixture-of-experts models.

At degree 1 a rewrite costs nothing; what all ranks hold and compute together is the whole; a ZeRO stage never holds more than
the stage below; parts add up to their totals in whole numbers; stages hold every layer once; and an array of plans reads as
each of its plans does in ints.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bursar import Model, Plan, Step, Training, ledger, load, recompute, rules
from bursar.dims import divisors
from bursar.errors import PlanError
from bursar.machines.devices import device
from bursar.ops.collective import Collective
from bursar.parallel import context, pipeline
from bursar.plan import DEGREES
from bursar.precision import size
from bursar.rules import Job
from bursar.seconds import step_time
from bursar.tree import Block, Line

H100 = device("h100-sxm")
LENGTH = 32  # divisible by every tensor-parallel size below
WAYS = (1, 2, 4)
PROFILES = ("fused", "textbook", "fused,attention=matrix", "textbook,attention=flash")

thorough = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# ── random models: every width that a plan may cut is a multiple of 8, or a number of heads ─────────────────────────────

eights = st.integers(1, 6).map(lambda n: 8 * n)
Config = dict[str, Any]


@st.composite
def transformers(draw: st.DrawFn, family: str) -> Config:
    """What the configs of Llama's descendants have in common."""
    heads = draw(st.sampled_from((4, 8)))
    return {
        "model_type": family, "hidden_size": draw(eights), "num_attention_heads": heads, "vocab_size": draw(eights),
        "num_key_value_heads": draw(st.sampled_from([kv for kv in (1, 2, 4, 8) if kv <= heads])), "head_dim": draw(eights),
        "intermediate_size": draw(eights), "num_hidden_layers": draw(st.integers(4, 9)), "tie_word_embeddings": draw(st.booleans()),
    }  # fmt: skip


@st.composite
def llama(draw: st.DrawFn) -> Config:
    return {**draw(transformers("llama")), "attention_bias": draw(st.booleans()), "mlp_bias": draw(st.booleans())}


@st.composite
def qwen3(draw: st.DrawFn) -> Config:
    """Full attention, or layers with a sliding window among it."""
    config = draw(transformers("qwen3"))
    if draw(st.booleans()):
        return config
    kinds = st.sampled_from(("full_attention", "sliding_attention"))
    layers = config["num_hidden_layers"]
    return {
        **config, "use_sliding_window": True, "sliding_window": draw(st.integers(1, 2 * LENGTH)),
        "layer_types": draw(st.lists(kinds, min_size=layers, max_size=layers)),
    }  # fmt: skip


@st.composite
def gpt2(draw: st.DrawFn) -> Config:
    heads = draw(st.sampled_from((4, 8)))
    dropout = st.sampled_from((0.0, 0.1))
    return {
        "model_type": "gpt2", "n_embd": heads * draw(eights), "n_head": heads, "n_inner": draw(st.none() | eights),
        "n_layer": draw(st.integers(4, 9)), "vocab_size": draw(eights), "n_positions": draw(st.integers(LENGTH, 2 * LENGTH)),
        "tie_word_embeddings": draw(st.booleans()), "attn_pdrop": draw(dropout), "embd_pdrop": draw(dropout),
        "resid_pdrop": draw(dropout),
    }  # fmt: skip


@st.composite
def mixtral(draw: st.DrawFn) -> Config:
    return {**draw(transformers("mixtral")), "num_local_experts": 4, "num_experts_per_tok": draw(st.integers(1, 4))}


@st.composite
def deepseek_v3(draw: st.DrawFn) -> Config:
    config = draw(transformers("deepseek_v3"))
    small = st.integers(1, 9)
    return {
        **config, "moe_intermediate_size": draw(eights), "n_routed_experts": 8, "num_experts_per_tok": draw(st.integers(1, 8)),
        "n_shared_experts": draw(st.none() | st.integers(1, 2)), "first_k_dense_replace": draw(st.integers(0, 3)),
        "q_lora_rank": draw(st.none() | small), "kv_lora_rank": draw(small), "qk_nope_head_dim": draw(small),
        "qk_rope_head_dim": draw(small.map(lambda n: 2 * n)), "v_head_dim": draw(small), "num_nextn_predict_layers": 1,
        "attention_bias": draw(st.booleans()),
    }  # fmt: skip


DENSE = (llama(), gpt2(), qwen3())
MOE = (mixtral(), deepseek_v3())


def models(*configs: st.SearchStrategy[Config]) -> st.SearchStrategy[Model]:
    """Models of random configs, DeepSeek's also with its multi-token-prediction module."""
    return st.builds(
        lambda config, mtp: load(config, mtp=mtp and config["model_type"] == "deepseek_v3"), st.one_of(*configs), st.booleans()
    )


every_model = models(*DENSE, *MOE)


@st.composite
def jobs(draw: st.DrawFn, **fixed: Any) -> tuple[Model, Plan]:
    """A model with a plan that keeps every rule."""
    model = draw(every_model)
    values = model.published.values
    experts = values.get("num_local_experts") or values.get("n_routed_experts") or 1
    tensor = draw(st.sampled_from(WAYS))
    expert, expert_tensor = draw(st.sampled_from(divisors(experts))), draw(st.sampled_from(divisors(tensor)))
    choices = {
        "tensor": tensor, "sequence": draw(st.booleans()), "expert": expert, "expert_tensor": expert_tensor,
        "pipeline": draw(st.integers(1, 4)), "data": draw(st.sampled_from(WAYS)) * expert, "zero": draw(st.integers(0, 3)),
        "micro_batch": draw(st.integers(1, 3)), "recompute": draw(st.sampled_from(recompute.MODES)),
        "kernels": draw(st.sampled_from(PROFILES)), "precision": draw(st.sampled_from(("bf16", "fp32"))),
        "grad_dtype": draw(st.sampled_from((None, "fp32"))),
        "optimizer": draw(st.sampled_from(("adamw", "sgd", "adamw-8bit"))),
        "context_comm": draw(st.sampled_from(tuple(context.COMMS))),
    } | fixed  # fmt: skip
    if experts == 1 or (tensor > 1 and not choices["sequence"]):
        choices |= {"expert": 1, "expert_tensor": tensor}
    return model, Plan(**choices)


# ── degree 1 ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def costs(block: Block, step: Step, plan: Plan) -> dict[str, Any]:
    """Parameters, FLOPs and kept bytes of a block."""
    keeps, rate = plan.kernels_of("gpt2").keeps, plan.recipe.rate
    lines = list(block.walk(step))
    counted = {
        "forward": sum(line.op.flops(line.step) for line in lines),
        "gradients": tuple(sum(line.op.grad_flops(line.step)[i] for line in lines) for i in (0, 1)),
    }
    kept: dict[tuple[str, bool], int] = {}
    for item in recompute.kept(block, step, keeps, plan.recompute):
        key = (item.kind, item.shared)
        kept[key] = kept.get(key, 0) + size(item.elements, rate[item.kind])
    return {"parameters": block.parameters, **counted, "kept": kept}


@given(every_model, st.booleans(), st.sampled_from(recompute.MODES), st.sampled_from(PROFILES), st.sampled_from(("full", "causal")))
@thorough
def test_a_rewrite_at_degree_1_changes_no_cost(model: Model, sequence: bool, mode: str, kernels: str, mask: str) -> None:
    plan = Plan(sequence=sequence, recompute=mode, kernels=kernels)
    (stage,) = plan.stages(model.architecture)
    step = Step(2, LENGTH, 0, mask)
    whole = [(block, times) for _, times, block in model.architecture.parts()]
    for (before, times), (after, held) in zip(whole, stage.blocks(), strict=True):
        assert held == times
        assert costs(after, step, plan) == costs(before, step, plan)


@given(every_model, st.booleans(), st.sampled_from(recompute.MODES))
@thorough
def test_collectives_of_one_rank_take_no_time(model: Model, sequence: bool, mode: str) -> None:
    training = Training(model.architecture, Plan(sequence=sequence, recompute=mode), length=LENGTH, device=H100)
    spent = training.seconds._asdict()
    assert not any(spent[part] for part in ("tensor_parallel", "expert_parallel", "pipeline", "data_parallel", "bubble"))
    (stage,) = training.stages
    lines = [line for block, _ in stage.blocks() for line in block.walk(training.step) if isinstance(line.op, Collective)]
    assert lines  # they are there, and vanish


# ── all ranks together ───────────────────────────────────────────────────────────────────────────────────────────────────


def placed(model: Model, plan: Plan, step: Step) -> Iterator[tuple[int, Line]]:
    """Every operator of every stage's rank, with how many layers have it."""
    for stage in plan.stages(model.architecture):
        for block, times in stage.blocks():
            for line in block.walk(step):
                yield len(stage.indices) * times, line


def weights_of_all_ranks(model: Model, plan: Plan) -> Fraction:
    """Weights that several ranks hold are counted once: `copies` says how many do. Experts lie on a grid of their own."""
    total = Fraction(0)
    for times, line in placed(model, plan, Step(1, LENGTH)):
        ranks = plan.expert * plan.expert_tensor if line.nested else plan.tensor
        total += Fraction(times * line.weights * ranks, line.op.copies)
    return total


@given(jobs())
@thorough
def test_the_weights_of_all_ranks_are_the_weights_of_the_model(job: tuple[Model, Plan]) -> None:
    """The embedding is there a second time where it is tied to an operator of a later stage."""
    model, plan = job
    values = model.published.values
    shares_table = values["tie_word_embeddings"] or model.mtp
    table = values["vocab_size"] * values.get("hidden_size", values.get("n_embd"))
    copied = table if plan.pipeline > 1 and shares_table else 0
    assert weights_of_all_ranks(model, plan) == model.params() + copied


def test_a_module_whose_head_is_tied_to_the_embedding_brings_one_table_to_the_last_stage() -> None:
    """Both its operators and the main head read one table, so that the last stage holds one copy of it."""
    values = {**load("deepseek-v3").published.values, "tie_word_embeddings": True}
    model = load(values, mtp=True)
    table = values["vocab_size"] * values["hidden_size"]
    assert weights_of_all_ranks(model, Plan(pipeline=2)) == model.params() + table


@given(jobs(), st.sampled_from(("full", "causal")))
@thorough
def test_the_flops_of_all_ranks_are_the_flops_of_the_model(job: tuple[Model, Plan], mask: str) -> None:
    """A product is computed by all `tensor` ranks of a replica. `copies` of them have the same weights, and where these share
    the tokens, `over` ranks each see a part of them; without sequence parallelism each computes the same."""
    model, plan = job
    step = Step(plan.micro_batch, LENGTH, 0, mask)
    expected = model.flops(LENGTH, plan.micro_batch, mask)
    forward, backward = Fraction(0), Fraction(0)
    for times, line in placed(model, plan, step):
        alike = Fraction(1) if line.nested else Fraction(line.op.over, line.op.copies)
        forward += times * plan.tensor * alike * line.op.flops(line.step)
        backward += times * plan.tensor * alike * sum(line.op.grad_flops(line.step))
    assert (forward, backward) == (expected.forward, expected.backward)


@given(jobs(sequence=True))
@thorough
def test_with_sequence_parallelism_nothing_but_shared_heads_is_computed_twice(job: tuple[Model, Plan]) -> None:
    """Outside the cut regions every rank has tokens of its own; only keys and values of fewer heads than ranks repeat."""
    model, plan = job
    for _, line in placed(model, plan, Step(plan.micro_batch, LENGTH)):
        if line.op.copies != line.op.over and line.op.flops(line.step):
            assert line.path in ("attn.k", "attn.v")
            assert line.op.copies * model.published.values["num_key_value_heads"] == plan.tensor


# ── ZeRO ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(jobs())
@thorough
def test_a_zero_stage_holds_no_more_than_the_stage_below(job: tuple[Model, Plan]) -> None:
    model, plan = job
    held = [Training(model.architecture, replace(plan, zero=zero), length=LENGTH).memory() for zero in (0, 1, 2, 3)]
    for below, above in pairwise(held):
        for low, high in zip(below, above, strict=True):
            parts = list(zip(low[:4], high[:4], strict=True))  # weights, gradients, masters, optimizer states
            assert all(after <= before for before, after in parts)
            assert low[4:6] == high[4:6]  # activations and logits


# ── parts and totals ─────────────────────────────────────────────────────────────────────────────────────────────────────


@given(every_model, st.sampled_from(("full", "causal")))
@thorough
def test_the_parts_of_a_model_add_up(model: Model, mask: str) -> None:
    parameters, flops = model.parameters(), model.flops(LENGTH, 2, mask)
    assert sum(parameters.components.values()) == parameters.total
    assert parameters.active <= parameters.total
    assert sum(flops.by_kind.values()) == flops.forward
    one = Training(model.architecture, Plan(), length=LENGTH, mask=mask).model_flops
    assert flops.train == flops.forward + flops.backward == 2 * one  # two sequences


@given(jobs(pipeline=1))
@thorough
def test_the_entries_of_activations_add_up(job: tuple[Model, Plan]) -> None:
    found = job[0].activations(job[1], LENGTH)
    assert found.entries.total() == found.total


@pytest.mark.parametrize("name", ["llama-3-8b", "deepseek-v3"])
def test_a_table_that_kinds_of_layers_share_is_entered_once(name: str) -> None:
    """DeepSeek-V3 has dense and expert layers, and one rotary table for both."""
    found = load(name).activations(Plan(), LENGTH)
    (shared,) = [entry.value for entry in found.entries if entry.path.startswith("rotary")]
    assert shared == found.shared


@given(jobs())
@thorough
def test_the_ledger_of_a_stage_is_its_load(job: tuple[Model, Plan]) -> None:
    training = Training(job[0].architecture, job[1], length=LENGTH)
    for stage, load_ in zip(training.stages, training.stage_loads, strict=True):
        book = ledger.of_stage(stage, training.step, training.plan, training.kernels)
        assert book.where(quantity="parameters").total() == load_.dense + load_.experts
        assert book.where(quantity="bytes").total() == load_.kept + load_.tables + load_.logits


@given(jobs())
@thorough
def test_the_parts_of_memory_add_up_in_whole_bytes(job: tuple[Model, Plan]) -> None:
    training = Training(job[0].architecture, job[1], length=LENGTH)
    stages = training.memory()
    for stage in stages:
        assert all(type(part) is int and part >= 0 for part in stage)
        assert sum(stage._asdict().values()) == stage.peak
    assert training.peak() == max(stage.peak for stage in stages)


@given(jobs(), st.integers(1, 9))
@thorough
def test_the_parts_of_a_step_add_up(job: tuple[Model, Plan], micro_batches: int) -> None:
    """m·max τ + (Σ τ − max τ), the first messages, what data parallelism cannot hide, and the optimizer."""
    model, plan = job
    batch = plan.data * plan.micro_batch * micro_batches
    training = Training(model.architecture, plan, length=LENGTH, global_batch=batch, device=H100)
    seconds = training.seconds
    assert all(part >= 0 or math.isclose(part, 0, abs_tol=1e-15) for part in seconds)
    paces = [sum(step_time.of_stage(stage, training.paces)) for stage in training.stages for _ in stage.indices]
    assert len(paces) == plan.pipeline
    work = micro_batches * max(paces) + sum(paces) - max(paces)
    around = seconds.pipeline + seconds.data_parallel + seconds.optimizer
    assert seconds.step == pytest.approx(work + around, rel=1e-12)
    assert math.fsum(seconds) == pytest.approx(seconds.step, rel=1e-12)


# ── pipeline stages ──────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(1, 200), st.data())
def test_stages_share_the_layers_evenly(layers: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, layers))
    found = pipeline.lengths(layers, count)
    assert (len(found), sum(found)) == (count, layers)
    assert max(found) - min(found) <= 1
    assert found[-1] == min(found)  # the last stage has the head as well


@given(st.integers(1, 20))
def test_stages_without_layers_are_refused(layers: int) -> None:
    with pytest.raises(PlanError):
        pipeline.lengths(layers, layers + 1)


@given(every_model, st.data())
@thorough
def test_stages_hold_every_layer_once(model: Model, data: st.DataObject) -> None:
    architecture = model.architecture
    count = data.draw(st.integers(1, architecture.layers))
    found = pipeline.stages(architecture, count)
    assert sorted(index for stage in found for index in stage.indices) == list(range(count))

    held = {index: stage for stage in found for index in stage.indices}
    lengths = [sum(times for _, times, _ in held[index].layers) for index in range(count)]
    assert lengths == pipeline.lengths(architecture.layers, count)

    in_order = [block for index in range(count) for _, times, block in held[index].layers for _ in range(times)]
    assert in_order == [run.block for run in architecture.trunk for _ in range(run.times)]
    assert [index for index in range(count) if held[index].stem] == [0]
    assert [index for index in range(count) if held[index].tail] == [count - 1]


# ── arrays of plans ──────────────────────────────────────────────────────────────────────────────────────────────────────

ARRAYS = tuple(name for name in DEGREES if name != "pipeline")
degrees = st.fixed_dictionaries({
    "tensor": st.sampled_from((1, 2, 3, 4, 8)), "expert": st.sampled_from((1, 2, 4)), "expert_tensor": st.sampled_from((1, 2, 4)),
    "data": st.sampled_from((1, 2, 3, 8)), "micro_batch": st.sampled_from((1, 2, 5)), "context": st.sampled_from((1, 2, 3)),
})  # fmt: skip
GLOBAL_BATCH = 48


def as_arrays(plan: Plan, many: list[dict[str, int]]) -> Plan:
    """One plan whose degrees are arrays of those of many."""
    return replace(plan, **{name: np.array([float(each[name]) for each in many]) for name in ARRAYS})


def keeps_the_rules(model: Model, plan: Plan, job: Job) -> bool:
    try:
        rules.check(model.architecture, plan, job)
    except PlanError:
        return False
    return True


def at(index: int, many: int, value: Any) -> float:
    """What an array reading says about one of its plans; a number speaks for all."""
    return float(np.broadcast_to(value, many)[index])


@given(jobs(), st.lists(degrees, min_size=1, max_size=20), st.none() | st.sampled_from((4, 8, 16)))
@thorough
def test_the_mask_of_an_array_is_the_check_of_each_plan(
    job: tuple[Model, Plan], many: list[dict[str, int]], devices: int | None
) -> None:
    model, plan = job
    asked = Job(LENGTH, GLOBAL_BATCH, devices)
    found = rules.mask(model.architecture, as_arrays(plan, many), asked)
    expected = [keeps_the_rules(model, replace(plan, **each), asked) for each in many]
    assert list(np.broadcast_to(found, len(many))) == expected


@given(jobs(), st.lists(degrees, min_size=10, max_size=40))
@thorough
def test_an_array_of_plans_reads_as_each_plan_in_ints(job: tuple[Model, Plan], many: list[dict[str, int]]) -> None:
    """Bytes are whole numbers below 2⁵³, so they are equal; seconds are equal to rounding."""
    model, base = job
    own = {name: getattr(base, name) for name in ARRAYS}
    asked = Job(LENGTH, GLOBAL_BATCH)
    valid = [each for each in (own, *many) if keeps_the_rules(model, replace(base, **each), asked)]
    if not valid:
        return
    asked_of = {"length": LENGTH, "global_batch": GLOBAL_BATCH, "device": H100}
    arrays = Training(model.architecture, as_arrays(base, valid), checked=False, **asked_of)
    for index, each in enumerate(valid):
        ints = Training(model.architecture, replace(base, **each), **asked_of)
        for ours, theirs in zip(arrays.memory(), ints.memory(), strict=True):
            assert [at(index, len(valid), part) for part in ours] == list(theirs)
        assert at(index, len(valid), arrays.peak()) == ints.peak()
        for ours, theirs in zip(arrays.seconds, ints.seconds, strict=True):
            assert at(index, len(valid), ours) == pytest.approx(theirs, rel=1e-9, abs=1e-9 * ints.seconds.step)
        assert at(index, len(valid), arrays.seconds.step) == pytest.approx(ints.seconds.step, rel=1e-12)
