"""The book of a step's seconds adds up to the step, entry by entry, each with the formula behind it and its source."""

from __future__ import annotations

import json

import pytest

import bursar
from bursar import Plan, Training
from bursar.cli import main
from bursar.facts import sources
from bursar.formula import FORMULAS
from bursar.questions import time_ledger

JOBS = {
    "tensor and pipeline": ("llama-3-70b", Plan(tensor=8, sequence=True, pipeline=4, data=2, zero=1), "h100"),
    "all that overlaps": (
        "llama-3-70b",
        Plan(tensor=8, sequence=True, pipeline=4, data=2, zero=1, recompute="full", overlap=("data", "tensor"), precision="fp8"),
        "h100",
    ),
    "experts": (
        "deepseek-v3",
        Plan(pipeline=4, data=64, expert=64, zero=1, overlap=("data", "expert"), expert_comm="deduplicated", precision="mxfp8"),
        "gb200",
    ),
    "zero bubble": ("llama-3-8b", Plan(pipeline=4, data=2, zero=1, schedule="zb-h1"), "h100"),
    "gradients added up": (
        "llama-3-8b",
        Plan(tensor=2, sequence=True, data=4, grad_dtype="fp32", grad_buffer="accumulated"),
        "h100",
    ),
    "ring": ("llama-3-8b", Plan(context=4, data=2, zero=3), "h100"),
    "gathered keys": ("llama-3-8b", Plan(context=4, data=2, zero=3, context_comm="all-gather", recompute="full"), "h100"),
    "bound by launches": ("gpt2", Plan(data=2, recompute="selective"), "a100-80-sxm"),
    "offload": ("llama-3-8b", Plan(data=8, zero=3, offload=("optimizer", "parameters")), "h100"),
}


def training(name: str) -> Training:
    model, plan, device = JOBS[name]
    batch = 16 * plan.data * plan.micro_batch
    return Training(bursar.load(model), plan, bursar.device(device), length=1024, global_batch=batch)


@pytest.mark.parametrize("name", JOBS)
def test_the_entries_add_up_to_the_step(name: str) -> None:
    job = training(name)
    assert time_ledger.of_step(job).total() == pytest.approx(job.time().step, rel=1e-12)


@pytest.mark.parametrize("name", JOBS)
def test_every_entry_names_its_formula_and_its_source(name: str) -> None:
    for entry in time_ledger.of_step(training(name)):
        assert entry.formula in FORMULAS
        assert entry.source in sources()
        assert entry.unit == "s"


def test_what_overlaps_is_less_than_nothing() -> None:
    book = time_ledger.of_step(training("all that overlaps"))
    hidden, shown = book.where(path="tensor_parallel.hidden").total(), book.where(kind="tensor_parallel").total()
    assert hidden < 0 < shown  # shown is what is left of all that was sent


def test_the_command_prints_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["time", "llama-3-8b", "--device", "h100", "--tp", "2", "--sp", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sum(entry["seconds"] for entry in found["entries"]) == pytest.approx(found["step_s"], rel=1e-9)
    assert found["band_origin"] == "uncalibrated"
