"""Overlap hides communication at a price and never more than there is; a token that goes once to each place costs no more than its
copies; the host's launches bound small models and no others; rates scale a step as they should."""

from __future__ import annotations

from dataclasses import replace

import pytest

import bursar
from bursar import Plan, Training
from bursar.cli import main
from bursar.errors import PlanError
from bursar.machines.multipliers import Multipliers, scaled
from bursar.machines.network import distinct
from bursar.parallel import overlap
from bursar.seconds.step_time import Seconds

MOE = Plan(data=16, expert=16, expert_tensor=1, zero=1)


def seconds(name: str, plan: Plan, device: str = "h100", *, length: int = 4096, batch: int = 32) -> Seconds:
    return Training(bursar.load(name), plan, bursar.device(device), length=length, global_batch=batch).time()


@pytest.mark.parametrize(
    ("sent", "beside", "alone", "left"),
    [(10, 100, 0, 1), (10, 4, 0, 6.4), (10, 100, 0.5, 5.5), (10, 0, 0, 10), (0, 5, 0, 0)],
)
def test_what_outlasts(sent: float, beside: float, alone: float, left: float) -> None:
    """At a price of a tenth: max(C, X) + X/10 − C where all hides; 10 − 4 + 0.4; half finds nothing beside it."""
    assert overlap.exposed(sent, beside, 0.1, alone) == pytest.approx(left)


@pytest.mark.parametrize("tensor", [2, 4, 8])
def test_tensor_parallelism_hides_all_but_a_part(tensor: int) -> None:
    plan = Plan(tensor=tensor, sequence=True)
    shown = seconds("llama-3-70b", plan).tensor_parallel
    hidden = seconds("llama-3-70b", replace(plan, overlap=("data", "tensor"))).tensor_parallel
    assert shown / tensor < hidden < shown


def test_only_with_sequence_parallelism() -> None:
    plan = Plan(tensor=4, overlap=("data", "tensor"))
    assert seconds("llama-3-8b", plan) == seconds("llama-3-8b", replace(plan, overlap=("data",)))


def test_expert_parallelism_hides_beside_another_micro_batch() -> None:
    own, beside = (seconds("mixtral-8x7b", replace(MOE, data=8, expert=8, overlap=o)) for o in (("data",), ("data", "expert")))
    assert own.forward == beside.forward
    assert beside.expert_parallel == pytest.approx(0.15 * own.expert_parallel)  # the price: compute is longer than its talk


def test_without_overlap_data_parallelism_waits() -> None:
    plan = Plan(data=8, zero=1)
    beside, after = (seconds("llama-3-8b", replace(plan, overlap=o)) for o in (("data",), ()))
    assert beside.data_parallel < 0.1 * after.data_parallel
    assert after.step - after.data_parallel == pytest.approx(beside.step - beside.data_parallel)


@pytest.mark.parametrize(("places", "copies", "found"), [(1, 8, 1), (2, 1, 1), (2, 2, 1.5), (8, 1, 1), (4, 2, 1.75)])
def test_places_that_hold_any_expert_of_a_token(places: int, copies: int, found: float) -> None:
    """Two copies over two places meet in one half of the time."""
    assert distinct(places, copies) == pytest.approx(found)


@pytest.mark.parametrize("ways", [8, 16, 64])
def test_a_token_that_goes_once_to_each_place_is_faster(ways: int) -> None:
    plan = replace(MOE, data=ways, expert=ways)
    copies = seconds("qwen3-235b-a22b", plan, batch=64).expert_parallel
    once = seconds("qwen3-235b-a22b", replace(plan, expert_comm="deduplicated"), batch=64).expert_parallel
    assert 0 < once < copies


def test_the_host_bounds_small_models_only() -> None:
    small, large = seconds("gpt2", Plan(data=1), length=1024, batch=1), seconds("llama-3-70b", Plan(tensor=8, sequence=True))
    assert small.launching > 0.5 * small.step
    assert large.launching < 1e-3 * large.step
    assert seconds("gpt2", Plan(data=1, launch="graph"), length=1024, batch=1).launching == 0


def test_a_layer_however_small_takes_as_long_as_its_launches() -> None:
    """A layer of GPT: 14 operators forward and backward, two collectives each way that one rank does not have."""
    tiny = {"model_type": "gpt2", "n_embd": 64, "n_head": 2, "n_layer": 10, "n_positions": 64, "vocab_size": 256}
    job = Training(bursar.load(tiny), Plan(), bursar.device("h100"), length=64, global_batch=1)
    layer = sum(job.paces[id(job.stages[0].layers[0][2])])
    assert layer == pytest.approx(28 * 120e-6)


@pytest.mark.parametrize("factor", [0.5, 1.3])
def test_a_machine_that_is_so_many_times_slower_takes_so_many_times_as_long(factor: float) -> None:
    """All seconds scale with rates, latencies and overheads, but for the optimizer's host and what the host launches."""
    plan = Plan(tensor=4, sequence=True, pipeline=2, data=2, zero=1, launch="graph", overlap=("data", "tensor"))
    job = Training(bursar.load("llama-3-8b"), plan, bursar.device("h100"), length=4096, global_batch=32)
    slower = replace(job, rates=scaled(job.achieved, Multipliers(factor, factor, factor)))
    assert slower.time().step == pytest.approx(factor * job.time().step)


def test_what_overlaps_is_read_once_and_refused_by_name() -> None:
    assert overlap.read("tensor, data") == ("data", "tensor")
    assert overlap.read("none") == ()
    with pytest.raises(PlanError, match="overlap='everything'"):
        Plan(overlap=("everything",))


@pytest.mark.parametrize(
    ("option", "value", "word"),
    [("--overlap", "all", "tensor"), ("--ep-comm", "magic", "deduplicated"), ("--launch", "x", "graph")],
)
def test_the_command_line_refuses_what_it_does_not_know(
    option: str, value: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["time", "llama-3-8b", "--device", "h100", option, value]) == 2
    assert word in capsys.readouterr().err
