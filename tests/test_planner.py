"""Proves that the search loses nothing: it scores every valid plan of its stated space, its winner is the winner of brute force in
exact integers over more than 20,000 plans, and arrays agree with ints plan by plan, whatever is searched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

import bursar
from bursar import rules
from bursar.dims import divisors
from bursar.errors import PlanError
from bursar.jobs import suited
from bursar.machines.devices import device
from bursar.parallel.schedules import SCHEDULES, Moment, highest_in_flight, in_flight
from bursar.plan import Plan
from bursar.planner import AXES, MAX_MICRO_BATCH, Found, Space, best_of, score, sensitivity, smallest_cluster
from bursar.planner.space import constraints

SMALL = {**bursar.load("llama-3.2-1b").published.values, "num_hidden_layers": 6}
LARGE = {**bursar.load("llama-3-8b").published.values, "num_hidden_layers": 8}
EXPERTS = {**bursar.load("mixtral-8x7b").published.values, "num_hidden_layers": 4, "num_local_experts": 4}
LATENT = {**bursar.load("deepseek-v3").published.values, "num_hidden_layers": 4, "first_k_dense_replace": 1, "n_routed_experts": 16}
MODES = ("none", "selective", "full", "mlp", "layernorm", "core_attn,mlp")  # of the lists those that a dense layer has


def space(values: dict[str, object], devices: int, name: str = "rtx-4090", **more: Any) -> Space:
    return Space(bursar.load(values).architecture, device(name), devices, 4096, more.pop("batch", 16), **more)


def structures(space: Space) -> Iterator[Plan]:
    """Every plan of a dense model but for its recompute mode, one by one; of two that are one plan, one."""
    degrees = divisors(space.devices)
    for tp, cp, mb, pp in product(degrees, degrees, divisors(space.global_batch), degrees):
        if space.devices % (pp * tp * cp) or tp > space.device.domain.si or cp * 2048 > space.length or mb > MAX_MICRO_BATCH:
            continue
        dp = space.devices // (pp * tp * cp)
        group = max(int(space.device.domain.si) // tp, 1)
        shards = [(zero, None) for zero in range(4)] + [(zero, group) for zero in (1, 2, 3) if group < dp * cp]
        ways = ("ring", "all-gather", "ulysses") if cp > 1 else ("ring",)
        for name, vp, comm, (zero, shard) in product(SCHEDULES, (1, 2, 4, 8), ways, shards):
            if (pp == 1 and name != "1f1b") or (pp > 1 and zero > 1) or (name == "interleaved") != (vp > 1):
                continue
            yield Plan(
                tp, tp > 1, pipeline=pp, data=dp, context=cp, context_comm=comm, zero=zero, shard_group=shard, micro_batch=mb,
                schedule=name, virtual=vp,
            )  # fmt: skip


def brute_force(space: Space) -> Iterator[Plan]:
    """Those that keep the rules, under every recompute mode."""
    for plan in structures(space):
        try:
            rules.check(space.architecture, plan, space.job)
        except PlanError:
            continue
        for mode in MODES:
            yield replace(plan, recompute=mode)


def test_the_winner_is_that_of_brute_force() -> None:
    job = space(LARGE, 32, "a100-40-sxm", batch=128)
    peaks, fitting = [], []
    for plan in brute_force(job):
        training = job.training(plan, checked=False)  # it is checked already
        peaks.append(training.peak())
        if peaks[-1] <= job.device.memory.si:
            fitting.append((training.seconds.step, peaks[-1]))
    found = best_of(job)
    assert found.searched == len(peaks) > 20_000
    assert 1_000 < found.feasible == len(fitting) < len(peaks)
    assert (found.best[0].step_s, found.best[0].peak) == pytest.approx(min(fitting))
    assert found.leanest.peak == min(peaks)


CASES = {
    "experts": space(EXPERTS, 8, "h100-sxm"),
    "latent attention": space(LATENT, 16, "h800"),
    "adapters": space(LARGE, 4, base=Plan(lora_rank=8, weights="nf4")),
    "offload": space(SMALL, 4, also={"offload": (("optimizer",), ("optimizer", "parameters"))}),
    "kept on the host": space(SMALL, 4, fixed={"offload": (("activations",),)}),
    "narrow": space(LARGE, 8, "h100-sxm", fixed={"precision": ("fp8", "deepseek")}),
    "whole tokens": space(SMALL, 8, "h100-sxm", fixed={"sp": (False, True)}),
    "layers together": space(SMALL, 8, "h100-sxm", fixed={"recompute": ("full:2", "full:first=1")}),
    "optimizer": space(SMALL, 8, "h100-sxm", base=Plan(optimizer="muon", grad_dtype="fp32")),
    "autocast": space(SMALL, 4, "h100-sxm", base=Plan(precision="bf16-autocast", kernels="sdpa"), fixed={"schedule": ("1f1b",)}),
}


@pytest.mark.parametrize("case", CASES)
def test_arrays_agree_with_ints_plan_by_plan(case: str) -> None:
    job = CASES[case]
    scored = score(job)
    for index in np.random.default_rng(0).choice(scored.peak.size, 120):
        training = job.training(scored.plan(int(index)))
        assert training.peak() == scored.peak[index], training.plan
        if training.peak() <= job.device.memory.si:
            assert training.seconds.step == pytest.approx(scored.step_s[index]), training.plan
        else:
            assert scored.step_s[index] == np.inf


class Read:
    """What is read of a plan or a job."""

    def __init__(self, of: object) -> None:
        self._of, self._names = of, set[str]()

    def __getattr__(self, name: str) -> Any:
        self._names.add(name)
        return getattr(self._of, name)


@pytest.mark.parametrize("case", CASES)
def test_rules_of_a_cut_ask_nothing_of_ranks(case: str) -> None:
    """They are asked once for all pipelines, schedules, shardings and batches."""
    setting = next(CASES[case].settings())
    for chosen, degrees in CASES[case].cuts(setting):
        plan, job = Read(replace(chosen, **degrees)), Read(CASES[case].job)
        for rule in rules.OF_A_CUT:
            list(rule.demands(CASES[case].architecture, plan, job))  # type: ignore[arg-type]
        assert plan._names >= {"tensor", "context", "expert", "sequence"}
        ranks = {"pipeline", "schedule", "virtual", "layout", "data", "data_context", "expert_data", "devices"}
        assert plan._names.isdisjoint({*ranks, "zero", "shard_group", "replicas", "sharers", "shards"})
        assert job._names <= {"length"}


@pytest.mark.parametrize("name", SCHEDULES)
def test_few_moments_stand_for_those_of_all_ranks(name: str) -> None:
    """Whatever bytes the chunks of a rank keep and leave waiting, one of them is the highest."""
    rng, kind = np.random.default_rng(0), SCHEDULES[name]
    for ranks in (2, 4, 6, 16):
        job = ranks, 2, 4 * ranks
        every = [moment for rank in range(ranks) for moment in in_flight(name, rank, *job)]
        few = highest_in_flight(name, range(ranks), *job)
        assert len(few) <= len(every)
        for bytes_ in rng.integers(0, 100, (20, kind.chunks(2), 2)):
            held = [max(held_by(moment, bytes_) for moment in moments) for moments in (few, every)]
            assert held[0] == held[1]


def held_by(moment: Moment, bytes_: Any) -> int:
    return int(sum(flight.whole * kept + flight.waiting * later for flight, (kept, later) in zip(moment, bytes_, strict=True)))


def every(job: Space) -> list[Plan]:
    scored = score(job)
    return [scored.plan(index) for index in range(scored.peak.size)]


def test_no_plan_is_searched_twice() -> None:
    for job in (CASES["experts"], CASES["whole tokens"]):
        plans = every(job)
        assert len(set(plans)) == len(plans)


def undercut(found: Found) -> list[bool]:
    return [
        slow.peak < fast.peak and slow.step_s >= fast.step_s for fast, slow in zip(found.pareto, found.pareto[1:], strict=False)
    ]


def test_the_front_trades_time_for_memory() -> None:
    found = best_of(space(SMALL, 8))
    assert len(found.pareto) > 1
    assert all(undercut(found))
    assert found.pareto[0].step_s == found.best[0].step_s


def test_layouts_are_shown_once_and_fastest_first() -> None:
    found = best_of(space(EXPERTS, 8, "h100-sxm"))
    plans = [candidate.plan for candidate in found.best]
    layouts = [(p.tensor, p.context, p.pipeline, p.data, p.expert, p.expert_tensor) for p in plans]
    assert len(set(layouts)) == len(layouts)
    assert [c.step_s for c in found.best] == sorted(c.step_s for c in found.best)


def test_constraints_are_masks() -> None:
    job = space(SMALL, 8, "h100-sxm")
    some = replace(job, fixed=constraints("tp=2/4, schedule=1f1b/zb-v, recompute=core_attn+mlp/none, zero=1", "fix"))
    plans = every(some)
    assert {plan.tensor for plan in plans} == {2, 4}
    assert {plan.schedule for plan in plans} == {"1f1b", "zb-v"}
    assert {plan.recompute for plan in plans} == {"core_attn,mlp", "none"}
    assert {plan.zero for plan in plans} == {1}
    more = replace(some, also=constraints("tp=1,offload=optimizer", "also"))
    assert {plan.offload for plan in every(more)} == {(), ("optimizer",)}
    assert best_of(some).searched < best_of(more).searched


def test_a_mode_that_no_layer_has_leaves_the_others() -> None:
    job = replace(space(SMALL, 8, "h100-sxm"), fixed={"recompute": ("moe", "none", "moe_act,mlp")})
    assert {plan.recompute for plan in every(job)} == {"none"}


def test_axes_say_what_was_searched() -> None:
    axes = replace(space(EXPERTS, 8, "h100-sxm"), also={"offload": (("optimizer",),)}).axes()
    assert set(axes) == set(AXES)
    assert axes["tp"] == [1, 2, 4, 8]
    assert axes["cp"] == [1, 2]  # 4,096 tokens leave two ranks 2,048 each
    assert axes["etp"] == [1, "tp"]
    assert axes["offload"] == ["none", "optimizer"]
    assert "moe_act" in axes["recompute"]
    assert "mla_up_proj" not in axes["recompute"]


@pytest.mark.parametrize("text", ["tq=3", "tp=0", "tp=x", "tp", "schedule=2f2b", "zero=4", "offload=x", "sp=maybe", "recompute=x"])
def test_a_constraint_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(PlanError) as refused:
        constraints(text, "fix")
    assert refused.value.valid


def test_a_larger_cluster_is_named_where_nothing_fits() -> None:
    job = replace(space(SMALL, 1, "rtx-4090"), architecture=bursar.load("llama-3-8b").architecture)
    assert not best_of(job).best
    larger = smallest_cluster(job)
    assert larger is not None
    assert larger[0] > 1
    assert larger[1].peak <= job.device.memory.si


def test_more_never_slows_the_best_plan_down() -> None:
    """A fact that only loosens a limit or shortens a time leaves every plan at least as fast."""
    job = space(LARGE, 8, "h100-sxm")
    best = best_of(job).best[0]
    found = {changed.change: changed for changed in sensitivity(job, best)}
    assert set(found) == {"memory", "network", "link", "batch"}
    for name in ("memory", "network", "link"):
        assert found[name].faster is not None
        assert found[name].faster >= 1
    assert found["batch"].best is not None
    assert found["batch"].faster == pytest.approx(2 * best.step_s / found["batch"].best.step_s)


def test_no_plan_at_all_is_an_error_that_lists_the_rules() -> None:
    job = replace(space(SMALL, 7), global_batch=3)
    with pytest.raises(PlanError, match="keeps the rules"):
        best_of(job)


def test_a_batch_in_tokens_becomes_sequences_that_devices_can_split() -> None:
    assert suited(4e6 / 8192, 64) == 512  # 488.3 to a multiple of 64: 4.9 % more
    assert suited(4e6 / 8192, 2048) == 512  # 2,048 and 1,024 are too far off, 512 is not
    assert suited(4e6 / 8192, 24) == 480  # 1.7 % less
    assert suited(10.4, 7) == 10  # 7 and 14 are too far off, so the nearest whole number
    assert suited(0.2, 8) == 1


def test_search_from_python() -> None:
    found = bursar.search(bursar.load("llama-3-8b"), "h100-sxm", 8, seq=4096, global_batch_tokens=500_000, fix="tp=2")
    assert found.best[0].plan.devices == 8
    assert found.best[0].plan.tensor == 2
    assert found.best[0].peak <= bursar.device("h100-sxm").memory.si
