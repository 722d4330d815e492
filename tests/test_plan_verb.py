"""Proves what `plan` says beside a search's own tests: several counts of devices and their front, a run from start to end, a plan
as the launch of a framework, which is read back as the same plan, and an error that names the rule where no plan keeps them all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import bursar
from bursar import launch
from bursar.cli import main
from bursar.options.counts import MOST, counts
from tests.command import answer, refused

SMALL = "llama-3.2-1b --device h100 --seq 4k --global-batch 64"
FEW = "--fix schedule=1f1b,micro_batch=1/2,recompute=none/full"


@pytest.mark.parametrize(
    ("text", "node", "expected"),
    [
        ("32", 8, (32,)),
        ("32-64", 8, (32, 40, 48, 56, 64)),
        ("32-256:64", 8, (32, 96, 160, 224)),
        ("64,32,64", 8, (32, 64)),
        ("1-4:1, 1k", 8, (1, 2, 3, 4, 1000)),
    ],
)
def test_counts_are_read(text: str, node: int, expected: tuple[int, ...]) -> None:
    assert counts(text).each(node) == expected


@pytest.mark.parametrize("text", ["", "8-", "-8", "16-8", "8-16:0", "8;9", "eight", "8-16-32", "1-2:3:4", "8,"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"count|whole number"):
        counts(text)


def test_counts_are_not_without_end() -> None:
    with pytest.raises(bursar.BursarError, match=f"at most {MOST}"):
        counts("1-1000000:1").each(8)


def test_every_count_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    """The row of a count is the best of a search of that count; the answer is that of the fastest."""
    found = answer(capsys, f"plan {SMALL} {FEW} --devices 4,8 --tokens 1B")
    alone = [answer(capsys, f"plan {SMALL} {FEW} --devices {count} --tokens 1B") for count in (4, 8)]
    for row, one in zip(found["counts"], alone, strict=True):
        keys = ("devices", "step_s", "peak", "days", "cost_usd")
        assert [row[key] for key in keys] == [one["best"][0][key] for key in keys]
    assert found["searched"] == sum(one["searched"] for one in alone)
    assert found["best"][0]["step_s"] == min(one["best"][0]["step_s"] for one in alone)


def test_the_front_of_counts_has_no_point_that_another_undercuts(capsys: pytest.CaptureFixture[str]) -> None:
    front = answer(capsys, f"plan {SMALL} {FEW} --devices 4,8")["pareto"]
    points = [(point["step_s"], point["peak"], point["device_hours_per_step"]) for point in front]
    assert {point["devices"] for point in front} == {4, 8}
    pairs = [(one, other) for one in points for other in points if one != other]
    assert not [pair for pair in pairs if all(ours <= theirs for ours, theirs in zip(*pair, strict=True))]


def test_a_count_without_a_plan_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    """7 does not divide 64 sequences; states of 70.55e9 parameters are more than 8 devices hold."""
    found = answer(capsys, f"plan {SMALL} {FEW},pp=1,cp=1 --devices 7,8")
    assert [row["fits"] for row in found["counts"]] == [False, True]
    assert "no plan for 7 devices" in found["counts"][0]["why"]
    large = answer(capsys, f"plan {SMALL.replace('3.2-1b', '3-70b')} {FEW} --devices 4,8")
    assert [row["fits"] for row in large["counts"]] == [False, False]
    assert large["counts"][1]["leanest_peak"] > large["device_memory"]
    assert large["would_fit"]["devices"] == 16


def test_a_plan_says_what_its_run_takes_from_start_to_end(capsys: pytest.CaptureFixture[str]) -> None:
    """As `time` says it of the same plan."""
    asked = "--devices 8 --tokens 1T --grid france --convention 6nd"
    best = answer(capsys, f"plan {SMALL} --fix tp=2,schedule=1f1b,pp=1,micro_batch=1,recompute=none,shard=all {asked}")["best"][0]
    degrees = f"--tp 2 --sp --cp {best['cp']} --cp-comm {best['cp_comm']} --zero {best['zero']}"
    time = answer(capsys, f"time {SMALL} {degrees} {asked}")
    for key in ("step_s", "days", "goodput", "wall_days", "wall_cost_usd", "energy_kwh", "co2_kg", "conventions"):
        assert best[key] == time[key], key


def test_a_plan_says_how_much_it_hides(capsys: pytest.CaptureFixture[str]) -> None:
    """What a step would be longer by if nothing overlapped; a plan that hides more than any published run is told so."""
    line = f"{SMALL} --fix tp=1,pp=1,cp=1,schedule=1f1b,micro_batch=1,recompute=none,zero=3,shard=all --devices 64"
    found = answer(capsys, f"plan {line}")
    best = found["best"][0]
    bare = answer(capsys, f"time {SMALL} --devices 64 --zero 3 --overlap none")
    assert best["hidden_share"] == pytest.approx(bare["step_s"] / best["step_s"] - 1)
    assert best["hidden_share"] > found["hidden"]["most"]
    assert main(["plan", *line.split()]) == 0
    assert "The first plan hides traffic" in capsys.readouterr().out


@pytest.mark.parametrize("framework", ["megatron", "nemo", "torchtitan", "deepspeed"])
def test_a_plan_is_written_as_a_launch(framework: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Every plan of the search is one that the framework can express; the file is the first one's, and says the same plan."""
    file = tmp_path / "launch"
    model = SMALL.replace("llama-3.2-1b", "llama-3-8b")
    found = answer(capsys, f"plan {model} --devices 8 --framework {framework} --out {file}")
    said, best = found["launch"], found["best"][0]
    assert (said["framework"], said["place"], said["refused"]) == (framework, 0, [])
    assert file.read_text() == said["text"]
    left = {"kernels": best["kernels"], "recompute": best["recompute"], "checkpoint": best["checkpointing"]}
    given = {"devices": 8, "model": "llama-3-8b", "length": 4096, **(left if framework == "deepspeed" else {})}
    name, read = launch.read(said["text"], given)
    assert name == framework
    assert {key: best[key] for key in read.plan.options()} == json.loads(json.dumps(read.plan.options()))
    assert read.global_batch == 64


def test_accelerate_holds_its_own_gradients(capsys: pytest.CaptureFixture[str]) -> None:
    """FP32 gradients of sharded chunks, with no parallelism beside data."""
    found = answer(capsys, f"plan {SMALL} --devices 8 --framework fsdp")
    assert found["launch"]["framework"] == "accelerate"
    for plan in found["best"]:
        assert (plan["zero"], plan["grad_dtype"], plan["tp"], plan["pp"], plan["cp"]) == (3, "fp32", 1, 1, 1)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("--framework megatron --fix zero=3", "megatron cannot express zero=3; valid: 0, 1"),
        ("--framework megatron --optimizer lion", "megatron cannot express optimizer='lion'"),
        ("--framework torchtitan --precision fp8", "torchtitan"),
        ("--out launch.sh", "a launch is written for a framework"),
        ("--fix tp=3", "tp=3 does not divide heads=32"),
        ("--device rtx-3090 --devices 32", "no network between them"),
        ("--precision mxfp8", "precision=mxfp8 needs dense peaks of fp8, fp4"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(asked: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    error = refused(capsys, f"plan {SMALL} {FEW if 'fix' not in asked else ''} --devices 8 {asked}")
    assert said in error
    assert len(error.splitlines()) == 1


def test_the_report_prints_counts_front_run_and_launch(capsys: pytest.CaptureFixture[str]) -> None:
    for lang, words in (
        ("en", ("the front", "Goodput", "Energy", "megatron, plan 1")),
        ("zh", ("前沿", "有效", "能耗", "megatron，方案 1")),
    ):
        line = f"plan {SMALL} {FEW} --devices 4,8 --tokens 1B --framework megatron --lang {lang}"
        assert main(line.split()) == 0
        printed = capsys.readouterr().out
        assert all(word in printed for word in words), lang
        assert "--tensor-model-parallel-size" in printed


def test_a_tower_that_sees_nothing_waits_for_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Without images a vision tower has no FLOPs to split between the two gradients of its products."""
    found = answer(capsys, "time qwen2-vl-7b --device h100 --devices 4 --pp 4 --schedule zb-h1 --seq 1k")
    assert 0 < found["bubble_fraction"] < 1


@pytest.mark.parametrize("model", ["deepseek-v3.2", "qwen2.5-vl-7b", "chinchilla-70b"])
def test_attention_that_cannot_be_spread_is_searched_without_it(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Attention of chosen tokens, within windows, or with relative positions has plans with cp=1 alone."""
    few = "--fix schedule=1f1b,micro_batch=1,recompute=full,zero=3,ep=1"
    found = answer(capsys, f"plan {model} --device gb300 --devices 64 --seq 8k --global-batch 64 {few}")
    assert found["axes"]["cp"] == [1, 2, 4]
    assert found["searched"] > 0
    assert {plan["cp"] for plan in [*found["best"], *found["pareto"], found["leanest"]]} == {1}
