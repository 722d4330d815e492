"""Proves the inverse questions and the adviser against the forward ones: what is found fits and keeps its deadline, the next
smaller or larger one that was tried does not, limits add up to the step, and a remedy is the job with a knob really turned."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bursar import planner
from bursar.cli import main
from bursar.errors import PlanError
from bursar.machines.devices import device
from bursar.model import load
from bursar.options import OPTIONS
from bursar.plan import Plan
from bursar.planner import Space
from bursar.questions import adviser, bounds, inverse, whatif
from bursar.training import Training

DEFAULTS = {name: option.default for name, option in OPTIONS.items()}
H100 = device("h100-sxm")


def space(model: str, **asked: Any) -> Space:
    return planner.space_of(load(model), {**DEFAULTS, **asked}, H100)[0]


def job(**fields: Any) -> Training:
    return Training(load("llama-3-8b"), Plan(data=8, zero=3, **fields), H100, length=4096, global_batch=96)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_smallest_cluster_fits_and_smaller_ones_do_not() -> None:
    asked = space("llama-3-8b", devices=8, seq=4096, global_batch=64)
    found = inverse.cluster(asked)
    assert found.candidate is not None
    assert found.candidate.plan.devices == found.value
    assert found.candidate.peak <= H100.memory.si
    for fewer in [count for count in found.tried if count < found.value]:
        assert planner.best_if_any(replace(asked, devices=fewer)) is None


def test_a_deadline_takes_more_devices() -> None:
    asked = space("llama-3-8b", devices=8, seq=4096, global_batch=256)
    without, within = inverse.cluster(asked), inverse.cluster(asked, inverse.Deadline(10**12, days=60.0, price=2.0))
    assert within.value > without.value
    assert within.run is not None
    assert within.run.days <= 60
    assert within.run.cost_usd == pytest.approx(within.run.device_hours * 2)


def test_bounds_rule_out_no_plan() -> None:
    """No plan of a space runs sooner, or with less memory, than the bounds say; twice the devices halve the days."""
    asked = space("llama-3.2-1b", devices=8, seq=4096, global_batch=64)
    days = bounds.least_days(asked, 10**12)
    scored = planner.score(asked)
    fastest = float(scored.step_s.min()) / (64 * 4096) * 10**12 / 86_400
    assert 0.3 * fastest < days < fastest
    assert bounds.least_days(replace(asked, devices=16), 10**12) == pytest.approx(days / 2)
    lean = float(scored.peak.min())
    memory = replace(H100.memory, value=lean / 2**30, unit="GiB")
    assert bounds.holds(replace(asked, device=replace(H100, memory=memory)))
    # 1.24e9 parameters of 16 bytes are 2.3 GiB on each of 8
    assert not bounds.holds(replace(asked, device=replace(H100, memory=replace(memory, value=2.2))))


def test_images_have_one_length(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--device", "h100", "--devices", "8", "--global-batch", "64"]
    assert main(["find", "context", "vit-base-patch16-224", *asked]) == 2
    assert "one length" in capsys.readouterr().err


@pytest.mark.parametrize("asked", [["--global-batch", "64"], ["--devices", "8"]])
def test_the_largest_model_needs_devices_and_a_batch(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "model", "--device", "h100", *asked]) == 2
    assert "a search needs" in capsys.readouterr().err


def test_an_impossible_deadline_is_no_answer() -> None:
    asked = space("llama-3-8b", devices=8, seq=4096, global_batch=8)
    found = inverse.cluster(asked, inverse.Deadline(10**15, days=1e-6))
    assert (found.value, found.candidate) == (None, None)
    assert max(found.tried) == inverse.MOST_DEVICES
    with pytest.raises(PlanError, match="needs the tokens"):
        inverse.cluster(asked, inverse.Deadline(days=1.0))


def test_the_longest_context_fits_and_the_next_does_not() -> None:
    asked = space("llama-3.2-1b", devices=1, seq=4096, global_batch=8)
    found = inverse.context(asked)
    assert found.candidate is not None
    assert found.candidate.peak <= H100.memory.si
    longer = [length for length in found.tried if length > found.value]
    assert longer
    assert all(planner.best_if_any(replace(asked, length=length, global_batch=1)) is None for length in longer)


def test_learned_positions_end_a_context() -> None:
    assert inverse.context(space("gpt2", devices=1, seq=1024, global_batch=8)).value == 1024


def test_the_largest_micro_batch_fits_and_one_more_does_not() -> None:
    training = job()
    most = inverse.micro_batch(training).value
    held = [replace(training, plan=replace(training.plan, micro_batch=n), global_batch=8 * 12 * n).peak() for n in (most, most + 1)]
    assert held[0] <= H100.memory.si < held[1]


def test_a_job_of_which_nothing_fits_has_no_micro_batch() -> None:
    alone = Training(load("llama-3-70b"), Plan(), H100, length=4096)
    assert inverse.micro_batch(alone).value is None


def test_the_largest_model_fits_and_larger_ones_that_were_searched_do_not() -> None:
    asked = {**DEFAULTS, "devices": 1, "seq": 512, "global_batch": 1}
    found = inverse.model(asked, H100)
    assert found.candidate is not None
    assert found.candidate.peak <= H100.memory.si
    assert found.tried[-1] == found.value
    sizes = [load(name).params() for name in found.tried]
    assert sizes == sorted(sizes, reverse=True)
    # 16 bytes of weights, gradients, masters and moments for every parameter
    assert 16 * sizes[-1] <= H100.memory.si


def test_the_cheapest_device_keeps_the_deadline() -> None:
    asked = {**DEFAULTS, "seq": 4096, "global_batch": 256}
    deadline = inverse.Deadline(10**11, days=30.0)
    offers = inverse.devices(load("llama-3.2-1b"), asked, deadline, among=("h100-sxm", "a100-80-sxm", "l40s"))
    assert {offer.device for offer in offers} == {"h100-sxm", "a100-80-sxm", "l40s"}
    costs = [offer.run.cost_usd for offer in offers if offer.run.cost_usd is not None]
    assert costs == sorted(costs)
    assert offers[-1].device == "l40s", "no price is in the catalog, so it is not known to be cheap"
    assert all(offer.run.days <= 30 for offer in offers)
    assert inverse.devices(load("llama-3.2-1b"), asked, replace(deadline, days=1e-4), among=("h100-sxm",)) == []


@pytest.mark.parametrize("question", ["cluster", "context", "batch"])
def test_a_question_without_a_device_is_refused(question: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", question, "llama-3-8b", "--seq", "4k", *(["--global-batch", "8"] if question != "batch" else [])]) == 2
    assert "--device NAME" in capsys.readouterr().err


def test_a_deadline_needs_tokens_and_days(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "device", "llama-3-8b", "--seq", "4k", "--global-batch", "8"]) == 2
    assert "--tokens N --days N" in capsys.readouterr().err


def test_limits_add_up_to_the_step() -> None:
    training = job()
    limits = adviser.limits(training)
    assert sum(limit.seconds for limit in limits) == pytest.approx(training.seconds.step)
    assert sum(limit.share for limit in limits) == pytest.approx(1)
    assert {part for held in adviser.LIMITS.values() for part in held} == set(training.seconds._fields)


def test_a_remedy_is_the_job_with_a_knob_turned() -> None:
    training = job(recompute="full")
    advice = adviser.advise(training)
    remedy = next(one for one in advice.remedies + advice.too_large if one.knob == "recompute none")
    changed = replace(training, plan=replace(training.plan, recompute="none"))
    assert remedy.saves_s == pytest.approx(training.seconds.step - changed.seconds.step)
    assert (remedy.peak, remedy.fits) == (changed.peak(), changed.peak() <= H100.memory.si)
    assert remedy.part == "recompute"
    assert all(one.knob in {knob.name for knob in whatif.KNOBS} for one in advice.remedies)


def test_a_job_that_does_not_fit_is_told_what_makes_it_fit() -> None:
    training = Training(load("llama-3-8b"), Plan(data=8), H100, length=8192, global_batch=8)
    advice = adviser.advise(training)
    assert training.peak() > H100.memory.si
    assert advice.to_fit
    assert all(remedy.peak <= H100.memory.si for remedy in advice.to_fit)
    assert not adviser.advise(job()).to_fit
