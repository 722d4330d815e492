"""Proves how failures and checkpoints stretch a run: Daly's closed form against a replay of random failures, his own check values,
the published interruptions of Llama 3, checkpoint sizes as published; and MFU by the conventions of others beside ours."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bursar
from bursar import Plan, Training
from bursar.cli import main
from bursar.errors import PlanError
from bursar.questions import goodput
from tests.command import answer, refused

MINUTE, HOUR = 60.0, 3600.0
LLAMA = Plan(tensor=8, sequence=True, pipeline=16, data=128, zero=1)


@pytest.mark.parametrize(("hours", "minutes"), [(24, 117), (6, 57), (0.25, 9.1)])
def test_daly_s_own_values(hours: float, minutes: float) -> None:
    """Figures 3 to 5 of the paper: a dump of 5 minutes, and the intervals that its model predicts."""
    found = goodput.daly(5 * MINUTE, hours * HOUR) / MINUTE
    assert found == pytest.approx(minutes, abs=0.5 if minutes > 10 else 0.05)


def replayed(work: float, interval: float, write: float, again: float, mtbf: float, seed: int) -> float:
    """Seconds until so much work is done, with failures at random, also while a checkpoint is written or the job restarts."""
    chance = random.Random(seed)
    clock, done, left = 0.0, 0.0, chance.expovariate(1 / mtbf)
    restarting = False
    while done < work:
        need = again if restarting else interval + write
        if left >= need:
            clock, left = clock + need, left - need
            done += 0 if restarting else interval
            restarting = False
        else:
            clock, left, restarting = clock + left, chance.expovariate(1 / mtbf), True
    return clock


@pytest.mark.parametrize(("mtbf", "write", "again"), [(3 * HOUR, 120.0, 600.0), (HOUR, 300.0, 600.0), (HOUR, 30.0, 30.0)])
def test_the_closed_form_is_what_a_replay_takes(mtbf: float, write: float, again: float) -> None:
    """4,000 stretches of work: the mean of the replay is within 2 % of the closed form."""
    interval = goodput.daly(write, mtbf)
    share = goodput.useful(interval, mtbf, math.exp(again / mtbf), math.exp((interval + write) / mtbf))
    work = 4000 * interval
    assert work / replayed(work, interval, write, again, mtbf, seed=7) == pytest.approx(share, rel=0.02)


@settings(max_examples=50)
@given(st.floats(1.0, 600.0), st.floats(2000.0, 1e6))
def test_no_interval_is_better(write: float, mtbf: float) -> None:
    """Daly's interval is within 0.1 % of the best of many, where a checkpoint takes less than the time between failures."""

    def share(interval: float) -> float:
        return goodput.useful(interval, mtbf, 1, math.exp((interval + write) / mtbf))

    best = goodput.daly(write, mtbf)
    assert share(best) > 0.999 * max(share(best * factor) for factor in (0.25, 0.5, 0.8, 0.9, 1.1, 1.25, 2, 4))


def test_llama_3_s_run() -> None:
    """419 unexpected interruptions in 54 days on 16,384 GPUs are one in 3.1 hours; effective training time was above 90 %."""
    job = Training(bursar.load("llama-3.1-405b"), LLAMA, bursar.device("h100-sxm"), length=8192, global_batch=2048)
    found = goodput.of_training(job, device_hours=None, bandwidth=None, again=None, every_steps=None)
    assert found.mtbf_s == pytest.approx(54 * 24 * HOUR / 419)
    assert 0.90 < found.goodput < 0.95
    assert found.goodput + found.lost_to_checkpoints + found.lost_to_failures == pytest.approx(1)


def test_a_checkpoint_of_bloom() -> None:
    """176.2e9 parameters of 2 + 4 + 8 bytes; published as 2.3 TB with optimizer states, 329 GB of weights, both in powers of 2."""
    model = bursar.load("bloom-176b")
    found = goodput.checkpoint_bytes(Training(model, Plan(), length=2048))
    assert found == 14 * model.params()
    assert found / 2**40 == pytest.approx(2.3, rel=0.03) and 2 * model.params() / 2**30 == pytest.approx(329, rel=0.01)


@pytest.mark.parametrize("plan", [
    Plan(tensor=2, data=2, zero=1), Plan(pipeline=4, data=2), Plan(data=8, zero=3), Plan(data=8, zero=3, sharding="per-parameter"),
])  # fmt: skip
def test_a_checkpoint_is_the_same_whatever_ranks_it_lies_on(plan: Plan) -> None:
    model = bursar.load("llama-3.2-1b")
    whole = goodput.checkpoint_bytes(Training(model, Plan(), length=1024))
    assert goodput.checkpoint_bytes(Training(model, plan, length=1024)) == whole == 14 * model.params()


def test_what_is_not_trained_is_in_no_checkpoint() -> None:
    """An adapter of rank 8: its own parameters at 14 bytes; 8-bit states are narrower; in FP32 there are no masters."""
    model = bursar.load("llama-3.2-1b")

    def size(**options: Any) -> int:
        return goodput.checkpoint_bytes(Training(model, Plan(**options), length=1024))

    tuned = Training(model, Plan(lora_rank=8), length=1024)
    trained = sum(times * sum(block.trained) for _, times, block in tuned.architecture.parts())
    assert size(lora_rank=8) == 14 * trained < 0.01 * size()
    assert size(precision="fp32") == 12 * model.params() and size(optimizer="sgd") == 6 * model.params()
    assert 8 * model.params() < size(optimizer="adamw-8bit") < 8.2 * model.params()
    assert size(optimizer="muon") < size()  # one moment of most matrices


def test_a_time_says_what_failures_cost(capsys: pytest.CaptureFixture[str]) -> None:
    line = (
        "time llama-3.1-405b --device h100 --devices 16384 --tp 8 --sp --pp 16 --zero 1 --seq 8k --global-batch 2048 --tokens 15.6T"
    )
    found = answer(capsys, line)
    assert found["wall_days"] == pytest.approx(found["days"] / found["goodput"])
    assert found["wall_cost_usd"] == pytest.approx(found["cost_usd"] / found["goodput"])
    assert found["failures"]["expected"] == pytest.approx(found["wall_days"] * 419 / 54)
    never = answer(capsys, line + " --mtbf-device-hours 1e12")
    assert never["goodput"] > 0.999
    often = answer(capsys, line + " --mtbf-device-hours 10000 --storage-bandwidth 100G --restart 1200")
    assert often["goodput"] < found["goodput"] and often["failures"]["sources"] == []
    assert often["failures"]["checkpoint_s"] == often["failures"]["checkpoint_bytes"] / 100e9


def test_a_given_interval_is_no_better_than_the_best(capsys: pytest.CaptureFixture[str]) -> None:
    line = "time llama-3-8b --device h100 --devices 64 --zero 3 --seq 8k --global-batch 64 --tokens 1T --mtbf-device-hours 1000"
    best, rare = answer(capsys, line), answer(capsys, line + " --checkpoint-every 5000")
    assert rare["failures"]["interval_s"] == pytest.approx(5000 * rare["step_s"])
    assert rare["goodput"] < best["goodput"]


def test_what_never_ends_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    line = "time llama-3-8b --device h100 --devices 64 --zero 3 --tokens 1T --mtbf-device-hours"
    assert "before a stretch" in refused(capsys, f"{line} 0.001")
    assert "mtbf" in refused(capsys, f"{line} 0")
    with pytest.raises(PlanError, match="fail every"):
        goodput.stretched(10**12, 10**6, 1.0, 1e9, 600.0, None)


def test_without_tokens_there_is_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert "goodput" not in answer(capsys, "time llama-3-8b --device h100 --devices 8 --zero 3")


# ── conventions ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_mfu_by_other_conventions(capsys: pytest.CaptureFixture[str]) -> None:
    """Each is its own FLOPs over the same seconds: MFUs are as the FLOPs are; 6ND is six per parameter and token."""
    line = "time llama-3-8b --device h100 --devices 8 --zero 3 --seq 8k --global-batch 16 --recompute full"
    found = answer(capsys, f"{line} --convention bursar,6nd,palm,nanogpt,torchtitan,megatron,chinchilla")
    rows = {row["convention"]: row for row in found["conventions"]}
    assert len(rows) == 7 and rows["bursar"]["mfu"] == pytest.approx(found["mfu"])
    assert rows["bursar"]["hfu"] == pytest.approx(found["hfu"])
    params, tokens = bursar.load("llama-3-8b").params(), 16 * 8192
    assert rows["6nd"]["model_flops_per_step"] == 6 * params * tokens
    for row in rows.values():
        assert row["mfu"] / found["mfu"] == pytest.approx(row["model_flops_per_step"] / found["model_flops_per_step"])
        assert row["source"]
    assert "unknown convention" in refused(capsys, f"{line} --convention 7nd")
    assert "all weights" in refused(capsys, "time llama-3-8b --device h100 --devices 8 --lora-rank 8 --convention 6nd")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_report_says_it(lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = "time llama-3-8b --device h100 --devices 8 --zero 3 --tokens 1T --convention megatron --lang"
    assert main([*line.split(), lang]) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("megatron", "MWh", "CO₂", "PUE"))
