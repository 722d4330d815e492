"""A calibration finds the multipliers that runs were made with, a prior draws few runs towards one, every log is read as its tool
wrote it, and what does not fit is refused by name.

Log lines are recorded from public issues and pages, cited beside each; their loss columns are as printed there.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import bursar
from bursar import Plan, Training, jobs
from bursar.calibrate import file, fit, logs, runs
from bursar.calibrate.logs.point import Point
from bursar.calibrate.runs import MEASURES, Run
from bursar.calibrate.steady import steady
from bursar.cli import main
from bursar.errors import BursarError, FactError, PlanError
from bursar.facts import Fact
from bursar.machines.devices import band_of, rates
from bursar.machines.multipliers import Multipliers, band_for, scaled
from bursar.options import OPTIONS
from bursar.questions.conventions import train_flops
from bursar.step import Step

# NVIDIA/Megatron-LM issue 756, 2024-04-06
MEGATRON = """
 [2024-04-06 02:59:36] iteration       43/     100 | consumed samples:         5504 | elapsed time per iteration (ms): 5444.9 | throughput per GPU (TFLOP/s/GPU): 239.8 | learning rate: 8.600000E-06 | global batch size:   128 | lm loss: 1.825991E+00 | load_balancing_loss: 1.019746E+00 | loss scale: 1.0 | grad norm: 1.426 | num zeros: 0.0 | number of skipped iterations:   0 | number of nan iterations:   0 |
 [2024-04-06 02:59:41] iteration       44/     100 | consumed samples:         5632 | elapsed time per iteration (ms): 5533.8 | throughput per GPU (TFLOP/s/GPU): 236.0 | learning rate: 8.800000E-06 | global batch size:   128 | lm loss: 1.875063E+00 | load_balancing_loss: 1.020033E+00 | loss scale: 1.0 | grad norm: 1.327 | num zeros: 0.0 | number of skipped iterations:   0 | number of nan iterations:   0 |
 [2024-04-06 02:59:47] iteration       45/     100 | consumed samples:         5760 | elapsed time per iteration (ms): 5718.6 | throughput per GPU (TFLOP/s/GPU): 228.4 | learning rate: 9.000000E-06 | global batch size:   128 | lm loss: 1.834162E+00 | load_balancing_loss: 1.018004E+00 | loss scale: 1.0 | grad norm: 1.611 | num zeros: 0.0 | number of skipped iterations:   0 | number of nan iterations:   0 |
"""  # noqa: E501
# torchtitan's tutorial in the documentation of torchao: Llama-3-8B on eight H100, its rows
TORCHTITAN = """
[rank0]:[titan] 2025-06-04 08:51:48,074 - root - INFO - step:  1  loss: 12.2254  memory: 27.34GiB(28.78%)  tps: 375  tflops: 21.73  mfu: 2.20%
[rank0]:[titan] 2025-06-04 08:51:58,557 - root - INFO - step: 10  loss: 10.7069  memory: 30.99GiB(32.62%)  tps: 7,034  tflops: 407.35  mfu: 41.19%
[rank0]:[titan] 2025-06-04 08:52:10,224 - root - INFO - step: 20  loss:  8.9196  memory: 30.99GiB(32.62%)  tps: 7,022  tflops: 406.65  mfu: 41.12%
[rank0]:[titan] 2025-06-04 08:52:21,904 - root - INFO - step: 30  loss:  8.1423  memory: 30.99GiB(32.62%)  tps: 7,014  tflops: 406.23  mfu: 41.08%
"""  # noqa: E501
# karpathy/nanoGPT issue 178
NANOGPT = """
iter 0: loss 4.2648, time 9371.81ms, mfu -100.00%
iter 10: loss 3.2202, time 893.76ms, mfu 16.68%
iter 20: loss 2.7697, time 894.88ms, mfu 16.67%
iter 30: loss 2.6104, time 893.50ms, mfu 16.68%
iter 40: loss 2.5339, time 893.90ms, mfu 16.68%
step 250: train loss 1.5440, val loss 1.7220
saving checkpoint to out-shakespeare
"""
# deepspeedai/DeepSpeed issue 3742, and a page of eth-cscs of 2022 for the earlier form
DEEPSPEED = """
[2023-07-25 21:03:17,269] [INFO] [timer.py:215:stop] epoch=0/micro_step=34/global_step=34, RunningAvgSamplesPerSec=7.864669709950182, CurrSamplesPerSec=8.00912418308922, MemAllocated=59.65GB, MaxMemAllocated=63.31GB
[2022-08-29 06:59:18,687] [INFO] [timer.py:198:stop] 0/35, RunningAvgSamplesPerSec=230.82135336499695, CurrSamplesPerSec=227.45044884073528, MemAllocated=0.36GB, MaxMemAllocated=15.06GB
[2022-08-29 06:59:41,140] [INFO] [logging.py:68:log_dist] [Rank 0] step=40, skipped=17, lr=[5e-05], mom=[(0.9, 0.999)]
"""  # noqa: E501
# a QLoRA example of intel-analytics/ipex-llm
TRAINER = """
{'loss': 1.1406, 'learning_rate': 2.2222222222222223e-05, 'epoch': 0.29}
{'loss': 1.1728, 'learning_rate': 0.0, 'epoch': 0.32}
{'train_runtime': 225.8005, 'train_samples_per_second': 3.543, 'train_steps_per_second': 0.886, 'train_loss': 1.211241865158081, 'epoch': 0.32}
100%|██████████████████████████████████████████████████████████████████████████████████████████████████| 200/200 [03:45<00:00,  1.13s/it]
TrainOutput(global_step=200, training_loss=1.211241865158081, metrics={'train_runtime': 225.8005, 'train_steps_per_second': 0.886})
"""  # noqa: E501
METER = "\n".join([json.dumps({"step": step, "seconds_per_step": 0.5, "mfu": 0.4}) for step in range(1, 7)])
RECORDED = {
    "megatron": (MEGATRON, [Point(43, 5.4449, 128), Point(44, 5.5338, 128), Point(45, 5.7186, 128)]),
    "torchtitan": (TORCHTITAN, [Point(1, 375), Point(10, 7034), Point(20, 7022), Point(30, 7014)]),
    "nanogpt": (NANOGPT, [Point(0, 9.37181), Point(10, 0.89376), Point(20, 0.89488), Point(30, 0.8935), Point(40, 0.8939)]),
    "deepspeed": (DEEPSPEED, [Point(34, 8.00912418308922), Point(35, 227.45044884073528)]),
    "bursar": (METER, [Point(step, 0.5) for step in range(1, 7)]),
    "trainer": (TRAINER, [Point(200, 225.8005 / 200, mean=True)]),
}
SHAPES = [
    (Plan(tensor=tensor, sequence=tensor > 1, data=8 // tensor, zero=zero, launch="graph"), length)
    for tensor in (1, 2, 8) for length in (2048, 16384, 65536) for zero in (1, 3)
]  # fmt: skip


LLAMA = bursar.load("llama-3-8b")


def job(plan: Plan, length: int, device: str = "h100") -> Training:
    return Training(LLAMA, plan, bursar.device(device), length=length, global_batch=8)


def made(by: Multipliers, shapes: list[tuple[Plan, int]] = SHAPES) -> list[Run]:
    """Runs of a machine that takes so many times as long."""
    found = []
    for plan, length in shapes:
        one = job(plan, length)
        found.append(Run("", one, replace(one, rates=scaled(one.achieved, by)).time().step))
    return found


@pytest.mark.parametrize("by", [Multipliers(1.3, 1.0, 1.0), Multipliers(1.2, 1.8, 1.0), Multipliers(1.1, 0.8, 1.3)])
def test_what_runs_were_made_with_is_found(by: Multipliers) -> None:
    """Up to what the prior draws: noise² over the number of runs that settle each."""
    found = fit.fit(made(by))
    assert found.multipliers == pytest.approx(by, rel=0.1)
    assert found.after == pytest.approx([1] * len(SHAPES), rel=0.04)
    assert min(found.settled) > 0.8


def test_one_run_moves_all_three_and_not_the_whole_way() -> None:
    """ln m = 0.04 / (0.04 + 0.01) · ln 1.3 where compute alone governs; attention and communication follow by what they share."""
    found = fit.fit(made(Multipliers(1.3, 1.3, 1.3), SHAPES[:1]))
    assert found.jobs == 1 and found.left_out == (None,)
    assert all(1.15 < by < 1.3 for by in found.multipliers)
    assert 1 < found.after[0] < found.before[0] == pytest.approx(1.3, rel=0.01)
    known = fit.known()["one"]
    assert (found.fastest, found.slowest) == (known["fastest"].si, known["slowest"].si)


def test_the_same_run_again_says_nothing_more() -> None:
    once, often = fit.fit(made(Multipliers(1.3, 1, 1), SHAPES[:1])), fit.fit(made(Multipliers(1.3, 1, 1), SHAPES[:1] * 5))
    assert often.multipliers == pytest.approx(once.multipliers)
    assert often.jobs == 1 and often.left_out == (None,) * 5


def test_leaving_out_is_honest() -> None:
    """One job that takes twice as long as its kind is off by that much where it is left out, and the others hardly are."""
    found = made(Multipliers(1.1, 1.1, 1.1))
    odd = [found[0]._replace(step_s=2 * found[0].step_s), *found[1:]]
    result = fit.fit(odd)
    assert result.left_out[0] == pytest.approx(2, rel=0.1)
    assert result.after[0] < result.left_out[0]  # type: ignore[operator]  # fitted to it, it looks better than it is
    assert result.slowest > fit.fit(found).slowest


def test_a_band_narrows_with_runs_that_agree() -> None:
    widths = [fit.fit(made(Multipliers(1.2, 1.2, 1.2), SHAPES[::step])).slowest for step in (6, 3, 1)]
    assert widths[0] > widths[1] > widths[2] > 1


def test_a_run_that_is_repeated_narrows_no_band() -> None:
    found = made(Multipliers(1.2, 1.2, 1.2), SHAPES[:3])
    assert fit.fit([*found, *found]).slowest == pytest.approx(fit.fit(found).slowest)


def test_runs_of_two_devices_are_no_calibration() -> None:
    other = job(*SHAPES[0], device="a100")
    with pytest.raises(PlanError, match="2 devices"):
        fit.fit([*made(Multipliers()), Run("", other, other.time().step)])
    with pytest.raises(PlanError, match="no runs"):
        fit.fit([])


@pytest.mark.parametrize("name", logs.FORMATS)
def test_every_log_is_read_as_it_was_written(name: str, tmp_path: Path) -> None:
    text, points = RECORDED[name]
    (tmp_path / "train.log").write_text(text, encoding="utf-8")
    found = logs.read(tmp_path / "train.log")
    assert found.format == name
    assert list(found.points) == points
    assert found.measures in MEASURES


def test_the_option_names_every_format() -> None:
    assert OPTIONS["log_format"].valid == tuple(logs.FORMATS)


def test_a_progress_bar_is_timed_over_long_stretches() -> None:
    """1.13 s a step in whole seconds: stretches of 20 s are off by at most one in twenty, single steps by up to one in one."""
    bar = [f"{step}/200 [{int(1.13 * step) // 60:02d}:{int(1.13 * step) % 60:02d}<00:00,  1.13s/it]" for step in range(201)]
    points = list(logs.trainer.points(["\r".join(bar)]))
    assert len(points) > 5 and not points[0].mean
    assert [point.value for point in points] == pytest.approx([1.13] * len(points), rel=0.05)


def test_colours_and_ranks_of_a_log() -> None:
    lines = [
        f"[rank{rank}]: \x1b[31mstep: \x1b[0m{step} \x1b[32mtps: 7,00{rank}\x1b[0m" for step in range(1, 9) for rank in range(3)
    ]
    points = list(logs.torchtitan.points(lines))
    assert points == list(logs.torchtitan.points([line.replace("tps:", "wps:") for line in lines]))
    assert points[0] == Point(1, 7000.0) and len(points) == 24
    assert steady(points, "log") == (7001.0, 7, 1, 0.0, None, False)  # the middle rank of every step but the first


def test_the_start_and_outliers_do_not_count() -> None:
    """nanoGPT issue 215: an iteration after an evaluation takes 35 s, others 1.1 s."""
    times = [9.0, 3.0, *[1.1] * 17, 35.4]
    found = steady([Point(step, time) for step, time in enumerate(times)], "log")
    assert (found.value, found.points, found.left_out) == (1.1, 18, 2)


def test_only_the_batch_that_a_run_ends_with_counts() -> None:
    """A ramp-up of the batch; and a run that goes on from a checkpoint prints steps a second time."""
    ramp = [Point(step, 1.0, 16) for step in range(10)] + [Point(step, 2.0, 32) for step in range(10, 20)]
    assert steady(ramp, "log")[:3] == (2.0, 9, 1)
    again = [Point(step, 5.0) for step in range(8)] + [Point(step, 1.0) for step in range(4, 20)]
    assert steady(again, "log").value == 1.0


def test_too_few_steps_are_refused() -> None:
    with pytest.raises(PlanError, match="times 3 steps"):
        steady([Point(step, 1.0) for step in range(3)], "train.log")


ROW = {"model": "llama-3-8b", "device": "h100", "devices": "8", "zero": "3", "seq": "8k", "global_batch": "16"}


def table(folder: Path, *rows: dict[str, Any]) -> Path:
    (folder / "runs.json").write_text(json.dumps(list(rows)), encoding="utf-8")
    return folder / "runs.json"


def test_measures_of_one_run_say_the_same_seconds(tmp_path: Path) -> None:
    """16 sequences of 8,192 tokens on 8 devices in 2.5 s."""
    tokens = 16 * 8192
    flops = sum(train_flops(bursar.load("llama-3-8b"), Step(16, 8192), "torchtitan").values())
    said = {
        "step_s": 2.5, "samples_per_s": 16 / 2.5, "tokens_per_s": tokens / 2.5, "tokens_per_s_per_device": tokens / 2.5 / 8,
        "tflops_per_device": flops / 2.5 / 8 / 1e12,
    }  # fmt: skip
    assert said.keys() == MEASURES.keys()
    rows = [{**ROW, "convention": "torchtitan", measure: value} for measure, value in said.items()]
    found = runs.read(table(tmp_path, *rows))
    assert [one.step_s for one in found] == pytest.approx([2.5] * len(said))
    assert found[0].job.plan.zero == 3 and found[0].job.plan.data == 8


def test_a_csv_says_what_a_json_says(tmp_path: Path) -> None:
    row = {**ROW, "tp": "2", "sp": "true", "micro-batch": "2", "zero": "1", "step_s": "2.5"}
    (tmp_path / "runs.csv").write_text(",".join(row) + "\n" + ",".join(row.values()) + "\n\n", encoding="utf-8")
    (one,) = runs.read(tmp_path / "runs.csv")
    assert (one.job.plan.tensor, one.job.plan.sequence, one.job.plan.micro_batch, one.step_s) == (2, True, 2, 2.5)
    assert runs.read(table(tmp_path, row))[0].job.plan == one.job.plan


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"tpp": 2}, "unknown column 'tpp'"),
        ({"step_s": "fast"}, "step_s='fast'"),
        ({"step_s": -1}, "step_s=-1"),
        ({"step_s": math.inf}, "step_s=inf"),
        ({"step_s": None}, "no measure"),
        ({"tokens_per_s": 5}, "step_s and tokens_per_s"),
        ({"step_s": None, "tflops_per_device": 400}, "counted by a convention"),
        ({"convention": "mine"}, "unknown convention"),
        ({"step_s": 2500}, "times the predicted"),
        ({"seq": None}, "says its length"),
        ({"global_batch": None}, "says its batch"),
        ({"devices": None}, "says its devices"),
        ({"model": "/etc/passwd"}, "unknown model"),
        ({"device": "my.toml"}, "of the catalog"),
        ({"device": "h1000"}, "unknown device"),
        ({"sp": "perhaps"}, "true or false"),
        ({"global_batch": 7}, "run 1"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_by_name(change: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(BursarError) as error:
        runs.read(table(tmp_path, {**ROW, "step_s": 2.5, **change}))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", "[1]", "{", "[" * 100_000, '{"runs": 5}'])
def test_a_table_that_does_not_parse_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "runs.json").write_text(text, encoding="utf-8")
    with pytest.raises(PlanError):
        runs.read(tmp_path / "runs.json")


@pytest.mark.parametrize(
    "text", ["", "hello", "iteration 5/", "step: 1 tps:", "\x00\xff" * 1000, "iter 1: loss , time ms" * 10_000]
)
def test_a_log_that_times_nothing_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "train.log").write_text(text, encoding="utf-8")
    with pytest.raises(PlanError, match="times a step"):
        logs.read(tmp_path / "train.log")
    with pytest.raises(PlanError, match="no file"):
        logs.read(tmp_path / "none.log")


def calibration(folder: Path, **changes: str) -> Path:
    achieved = rates("h100-sxm")
    text = file.text(
        file.Calibration(
            "h100-sxm", file.digest(achieved), Multipliers(1.25, 2.0, 1.5), 0.9, 1.1, 3, "llama", 3,
            (2.7, 0, 0, 0, 0.01, 0, 0, 0, 0),
        ),
        "2026-11-21",
    )  # fmt: skip
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    return folder / "mine.toml"


def test_a_file_gives_a_device_at_its_rates(tmp_path: Path) -> None:
    found = file.applied(bursar.device("h100"), str(calibration(tmp_path)))
    before = rates("h100-sxm")
    assert found.rates is not None and found.rates.origin == "run"
    assert found.rates.matmul.si == pytest.approx(before.matmul.si / 1.25)
    assert found.rates.attention.si == pytest.approx(before.attention.si / 2)
    assert found.rates.link_latency.si == pytest.approx(before.link_latency.si * 1.5)
    assert [end.si for end in band_of(found.rates)] == [0.9, 1.1]
    assert band_of(found.rates)[0].source.title == "3 runs: llama"
    one = Training(bursar.load("llama-3-8b"), Plan(data=8, zero=1, launch="graph"), found, length=4096, global_batch=8)
    run = jobs.run(one, 10**9)
    assert run.days_high / run.days == pytest.approx(band_for(one)[1].si)


def test_a_band_widens_where_the_runs_say_little(tmp_path: Path) -> None:
    """Runs whose seconds are products' say what products take. The band of a job like them is theirs; it grows with the share of
    what they leave open: of attention, by the length."""
    found = file.applied(bursar.device("h100"), str(calibration(tmp_path)))
    plan, model = Plan(data=8, zero=1, launch="graph"), bursar.load("llama-3-8b")
    short, long, longest = [Training(model, plan, found, length=length, global_batch=8) for length in (4096, 16384, 65536)]
    widths = [high.si / low.si for low, high in map(band_for, (short, long, longest))]
    assert 1.1 / 0.9 <= widths[0] < widths[1] < widths[2]
    unknown = fit.covariance()[1, 1] ** 0.5  # of attention, before any run
    assert math.log(widths[2]) / 2 < fit.QUANTILE * math.hypot(unknown, math.log(1.1 / 0.9))
    assert [end.si for end in band_for(replace(short, rates=rates("h100-sxm")))] == [end.si for end in band_of(rates("h100-sxm"))]


def test_a_job_like_the_runs_has_their_band(tmp_path: Path) -> None:
    found = made(Multipliers(1.2, 1.2, 1.2))
    result = fit.fit(found)
    text = file.text(
        file.Calibration(
            "h100-sxm", file.digest(rates("h100-sxm")), result.multipliers, result.fastest, result.slowest, len(found), "llama",
            result.jobs, result.governed,
        ),
        "2026-11-21",
    )  # fmt: skip
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    applied = file.applied(bursar.device("h100"), str(tmp_path / "mine.toml"))
    wider = [band_for(replace(run.job, device=applied, rates=None))[1].si / result.slowest for run in found]
    assert min(wider) == pytest.approx(1, rel=1e-3)
    assert max(wider) < 1.1


def test_a_file_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="is of h100-sxm"):
        file.applied(bursar.device("a100"), str(calibration(tmp_path)))
    with pytest.raises(PlanError, match="other achieved rates"):
        file.applied(bursar.device("h100"), str(calibration(tmp_path, **{file.digest(rates("h100-sxm")): "0123456789abcdef"})))
    with pytest.raises(PlanError, match="has no multipliers"):
        file.applied(bursar.device("h100"), str(calibration(tmp_path, **{"compute = 1.25\n": ""})))
    with pytest.raises(FactError, match="unknown key"):
        file.applied(bursar.device("h100"), str(calibration(tmp_path, **{"attention =": "attentoin ="})))


def test_the_digest_is_of_the_numbers() -> None:
    found = rates("h100-sxm")
    assert file.digest(found) == file.digest(replace(found, origin="run"))
    assert file.digest(found) != file.digest(replace(found, matmul=Fact(0.5, "1", found.matmul.source)))


def run_cli(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    status = main(list(words))
    out = capsys.readouterr()
    return status, out.out if status == 0 else out.err


def test_a_log_becomes_a_file_that_time_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """torchtitan's rows: 7,022 tokens a second and device is 8192 / 7022 = 1.1666 s for a sequence on each of eight."""
    log, out = tmp_path / "train.log", tmp_path / "mine.toml"
    log.write_text(TORCHTITAN, encoding="utf-8")
    asked = ("llama-3-8b", "--device", "h100", "--devices", "8", "--zero", "3", "--seq", "8k", "--global-batch", "8")
    status, text = run_cli(capsys, "calibrate", str(log), *asked, "--out", str(out), "--json")
    found = json.loads(text)
    assert status == 0 and found["format"] == "torchtitan"
    (row,) = found["runs"]
    assert row["measured_s"] == pytest.approx(8192 / 7022)
    assert row["predicted_s"] < row["calibrated_s"] < row["measured_s"]
    _, text = run_cli(capsys, "time", *asked, "--calibration", str(out), "--json")
    timed = json.loads(text)
    assert timed["band_origin"] == "run"
    assert timed["step_s"] == pytest.approx(row["calibrated_s"], rel=0.01)
    assert timed["step_s_band"][1] / timed["step_s"] == pytest.approx(found["band"][1], rel=1e-3)
    for lang in ("en", "zh"):
        status, text = run_cli(capsys, "calibrate", str(log), *asked, "--lang", lang)
        assert status == 0 and "torchtitan" in text and f"{found['multipliers']['compute']:.3f}" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "needs runs"),
        (("LOG",), "names no model"),
        (("LOG", "llama-3-8b"), "names no device"),
        (("LOG", "llama-3-8b", "--device", "h100"), "says its length"),
        (("LOG", "llama-3-8b", "--device", "h100", "--seq", "4k", "--devices", "8", "--global-batch", "64"), "global batch of 128"),
        (("LOG", "llama-3-8b", "--log-format", "nanogpt"), "nanogpt"),
        (("LOG", "llama-3-8b", "--out", "mine.txt"), "out='mine.txt'"),
        (("LOG", "--measure"), "reads no file"),
        (("runs.csv",), "no file"),
    ],
)
def test_what_is_missing_is_said_in_a_line(
    words: tuple[str, ...], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "train.log"
    lines = [f" iteration {step}/ 50 | elapsed time per iteration (ms): 900.0 | global batch size: 128 |" for step in range(1, 9)]
    log.write_text("\n".join(lines), encoding="utf-8")
    status, text = run_cli(capsys, "calibrate", *[str(log) if word == "LOG" else word for word in words])
    assert status == 2 and says in text and text.count("\n") == 1
