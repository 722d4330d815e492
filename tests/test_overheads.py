"""Device memory that is no tensor of a job: every fact has a band in order and a source, a plan's groups are counted one by one,
what others measured lies within the band, and the report says where the band decides whether a job fits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sympy

from bursar import Plan, Training, device, load
from bursar.cli import main
from bursar.facts import Fact
from bursar.memory import overheads
from bursar.memory.overheads import LEVELS, buffers, communicators, of_plan, runtime

MIB = 2**20
H100, A100 = device("h100-sxm"), device("a100-80-sxm")
PIPELINE = Plan(tensor=8, sequence=True, pipeline=4, data=2, zero=1)


def bands(tables: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in tables.items():
        if isinstance(value, dict):
            yield from [(path + key, value)] if "usual" in value else bands(value, f"{path}{key}.")


BANDS = dict(bands(overheads.tables()))


@pytest.mark.parametrize("name", BANDS)
def test_a_band_is_in_order_and_each_end_has_a_source(name: str) -> None:
    facts = [BANDS[name][level] for level in LEVELS]
    assert all(isinstance(fact, Fact) and fact.source.url and fact.source.as_of for fact in facts)
    low, usual, high = (fact.si for fact in facts)
    assert 0 < low <= usual <= high


def test_the_bands_are_all_there() -> None:
    nccl = {f"nccl.{part}" for part in ("connection", "channels", "collective", "pair", "network")}
    assert set(BANDS) == nccl | {"context.default", "context.blackwell", "allocator.reserved"}


@pytest.mark.parametrize(
    "plan", [Plan(), PIPELINE, Plan(tensor=2, context=4, context_comm="ulysses"), Plan(data=16, zero=3, shard_group=8)]
)
def test_runtime_is_the_sum_of_the_overheads(plan: Plan) -> None:
    job = Training(load("llama-3-70b"), plan, H100, length=8192)
    found = job.overheads()
    assert all(one.low <= one.bytes <= one.high and type(one.bytes) is int and one.source.as_of for one in found)
    assert sum(one.bytes for one in found) == job.runtime == runtime(plan, H100, experts=False)
    assert {stage.runtime for stage in job.memory()} == {job.runtime}


def test_one_rank_talks_to_nobody() -> None:
    assert [one.name for one in of_plan(Plan(), H100, experts=True)] == ["context", "workspace"]


def test_every_group_of_a_plan_has_a_communicator() -> None:
    found = {one.name: one for one in communicators(PIPELINE, H100, experts=False)}
    assert (found["tensor"].collective, found["data"].collective, found["context"].peers) == (1, 1, 0)
    assert (found["pipeline"].peers, found["pipeline"].network) == (0, 1)  # the next stage is 8 · 2 devices on: another domain of 8
    within = {one.name: one for one in communicators(Plan(pipeline=4), H100, experts=False)}
    assert (within["pipeline"].peers, within["pipeline"].network) == (2, 0)  # the stages before and after
    two = {one.name: one for one in communicators(Plan(pipeline=2), H100, experts=False)}
    assert two["pipeline"].peers == 1  # before and after are the same one
    spread = {one.name: one for one in communicators(Plan(data=64, expert=64), H100, experts=True)}
    assert (spread["expert"].peers, spread["expert"].network, spread["expert_data"].collective) == (7, 1, 0)
    replicas = {one.name for one in of_plan(Plan(data=16, zero=3, shard_group=8), H100, experts=False)}
    assert {"nccl.data", "nccl.data_replicas"} <= replicas


@pytest.mark.parametrize(("comm", "peers", "collective"), [("ring", 2, 0), ("ulysses", 3, 0), ("all-gather", 0, 1)])
def test_context_parallelism_connects_what_it_needs(comm: str, peers: int, collective: int) -> None:
    (found,) = [one for one in communicators(Plan(context=4, context_comm=comm), H100, experts=False) if one.name == "context"]
    assert (found.peers, found.collective) == (peers, collective)


def test_a_model_without_experts_has_no_groups_of_them() -> None:
    dense = Training(load("llama-3-8b"), Plan(data=8), H100, length=1024).overheads()
    mixture = Training(load("mixtral-8x7b"), Plan(data=8, expert=4), H100, length=1024).overheads()
    assert {one.name for one in mixture} - {one.name for one in dense} == {"nccl.expert", "nccl.expert_data"}


def test_arrays_and_symbols_read_as_ints() -> None:
    degrees = [(8, 2, 4), (1, 64, 32), (4, 1, 1), (2, 8, 16)]
    arrays = [np.array(column, dtype=float) for column in zip(*degrees, strict=True)]
    many = runtime(Plan(tensor=arrays[0], data=arrays[1], expert=arrays[2], expert_tensor=1, sequence=True), H100, experts=True)
    ones = [runtime(Plan(tensor=t, data=d, expert=e, expert_tensor=1, sequence=True), H100, experts=True) for t, d, e in degrees]
    assert many.tolist() == ones
    t, d = sympy.symbols("t d", positive=True, integer=True)
    formula = runtime(Plan(tensor=t, data=d, sequence=True), H100, experts=False)
    assert formula.subs({t: 8, d: 2}) == runtime(Plan(tensor=8, data=2, sequence=True), H100, experts=False)


def test_a_connection_is_the_buffers_of_three_protocols() -> None:
    """NCCL's defaults: LL 8 lines · 512 threads · 8 steps · 16 B, LL128 120 · 640 · 8 · 8 B, Simple 4 MiB."""
    assert BANDS["nccl.connection"]["low"].si == 8 * 512 * 8 * 16 + 120 * 640 * 8 * 8 + 4 * MIB


def test_measured_communicators_lie_within_the_band() -> None:
    low, usual, high = (buffers(level) for level in LEVELS)
    assert low.collective < 544 * MIB < usual.collective < 688 * MIB < high.collective  # four A100, groups of two and of more
    (group,) = [one for one in communicators(Plan(data=8, expert=8), H100, experts=True) if one.name == "expert"]
    grown = 4.34e9 - 1.06e9  # an all-to-all of eight H100
    assert group.bytes(low) < group.bytes(usual) < grown <= group.bytes(high) * 1.001


def test_workspaces() -> None:
    """cuBLAS :4096:2:16:8 is 8,519,680 B, 32 MiB from Hopper on, for two threads; cuBLASLt 4 or 32 MiB beside each, Transformer
    Engine 4 or 32 MiB."""
    found = [next(one for one in of_plan(Plan(), which, experts=False) if one.name == "workspace") for which in (A100, H100)]
    assert [one.low for one in found] == [8_519_680, 32 * MIB]
    assert [one.bytes for one in found] == [2 * 8_519_680, 64 * MIB]
    assert [one.high for one in found] == [2 * 8_519_680 + 8 * MIB + 4 * MIB, 64 * MIB + 64 * MIB + 32 * MIB]


def test_context_by_architecture() -> None:
    assert [of_plan(Plan(), which, experts=False)[0].bytes for which in (A100, device("b200"))] == [426 * MIB, 555 * MIB]


def test_what_the_allocator_reserves() -> None:
    """Half a block of 512 B for each tensor, the workspaces, and the gaps of its segments."""
    found = overheads.reserved(10**9, 1000, H100)
    allocated = 10**9 + 1000 * 256 + 64 * MIB
    assert found == tuple(int(allocated * ratio) for ratio in (1.007, 1.04, 1.22))
    job = Training(load("llama-3-70b"), PIPELINE, H100, length=8192, global_batch=16)
    assert job.peak() - job.runtime < job.reserved().low


def test_tensors_are_counted_by_hand() -> None:
    """Weights of a layer of Llama: 7 products and 2 norms; embedding, head and last norm 3; four tensors each."""
    job = Training(load("llama-3-8b"), Plan(), H100, length=1024)
    (stage,) = job.stages
    kept = sum(times * len(list(block.kept(job.step, job.kernels.keeps))) for block, times in stage.blocks())
    assert overheads.tensors(stage, job.step, job.plan, job.kernels) == 4 * (32 * 9 + 3) + kept
    assert kept > 32 * 9


def answer(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    assert main(["memory", *options, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_answer_names_every_overhead(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "llama-3-8b", "--device", "h100", "--devices", "8", "--zero", "1", "--seq", "4k")
    assert [one["name"] for one in found["overheads"]] == ["context", "workspace", "nccl.data"]
    assert all(one["source"] and one["url"] and one["as_of"] for one in found["overheads"])
    assert sum(one["bytes"] for one in found["overheads"]) == found["stages"][0]["runtime"]
    spread = [found["peak"] + sum(one[end] - one["bytes"] for one in found["overheads"]) for end in ("low", "high")]
    assert [found["peak_band"]["low"], found["peak_band"]["high"]] == spread
    assert found["reserved"]["low"] < found["reserved"]["value"] < found["reserved"]["high"]
    assert (found["fits"], found["certain"]) == (True, True)


@pytest.mark.parametrize(("lang", "words"), [("en", "depends on what is measured"), ("zh", "取决于实测开销")])
def test_the_report_says_when_the_band_decides(lang: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    job = ["llama-3-8b", "--device", "h100", "--devices", "8", "--zero", "1", "--seq"]
    found = answer(capsys, *job, "8k")
    assert found["peak_band"]["low"] < found["device_memory"] < found["peak_band"]["high"]
    assert found["certain"] is False
    shown = {}
    for length in ("8k", "4k"):
        assert main(["memory", *job, length, "--lang", lang]) == 0
        shown[length] = "".join(capsys.readouterr().out.split())
    assert ["".join(words.split()) in shown[length] for length in ("8k", "4k")] == [True, False]
    assert all("NCCL0.56GiB" in text for text in shown.values())  # 24 channels · 2 connections · 12 MiB
