"""Words and sentences of calibration."""

from __future__ import annotations

from bursar.report.words.words import Words

WORDS: dict[str, Words] = {
    "calibrate_title": Words("{device}; runs: {runs}, different jobs: {jobs}", "{device} 上 {jobs} 种训练任务的 {runs} 次训练"),
    "calibrate_log": Words(
        "{format} log: the median once warm (timed steps: {points}, left out: {left_out}), half of them within {scatter} of it",
        "{format} 日志：去掉前 {left_out} 个计时点，取其后 {points} 个的中位数，其中一半与之相差不超过 {scatter}",
    ),
    "calibrate_log_mean": Words(
        "{format} log: the mean of the whole run, its start included, since no line times a step",
        "{format} 日志：没有逐步计时，取整个训练（含启动阶段）的平均值",
    ),
    "calibrate_run": Words("run", "训练"),
    "calibrate_measured": Words("measured", "实测"),
    "calibrate_predicted": Words("predicted", "预测"),
    "calibrate_calibrated": Words("calibrated", "校准后"),
    "calibrate_off": Words("off by", "误差"),
    "calibrate_alone": Words("without it", "不含本任务"),
    "calibrate_multiplier": Words("multiplier of seconds", "用时倍数"),
    "calibrate_settled": Words("settled by the runs", "由训练确定的程度"),
    "calibrate_compute": Words("compute", "计算"),
    "calibrate_attention": Words("attention", "注意力"),
    "calibrate_communication": Words("communication", "通信"),
    "calibrate_errors": Words(
        "mean error {before} uncalibrated, {after} calibrated; {left_out}", "平均误差：未校准 {before}，校准后 {after}；{left_out}"
    ),
    "calibrate_left_out": Words(
        "{mean} for jobs that the fit did not see (bias {bias}, worst {worst})",
        "对未参与拟合的任务为 {mean}（偏差 {bias}，最大 {worst}）",
    ),
    "calibrate_one_job": Words("one job, so none to test it on", "只有一种任务，无法留出检验"),
    "calibrate_band": Words(
        "expect nine in ten further runs of this kind at {low:.2f}–{high:.2f} times the calibrated prediction",
        "预计同类训练十有九次的实际用时为校准后预测的 {low:.2f}–{high:.2f} 倍",
    ),
    "calibrate_prior": Words("drawn towards 1 by a prior: {prior}", "先验将倍数拉向 1：{prior}"),
    "calibrate_written": Words(
        "written to {file}: bursar time … --calibration {file}", "已写入 {file}：bursar time … --calibration {file}"
    ),
    "microbench_title": Words("{name}, measured {date} with {software}", "{name}，{date} 测于 {software}"),
    "microbench_what": Words("measured", "测量项"),
    "microbench_value": Words("value", "数值"),
    "microbench_written": Words("written to {file}: bursar time … --device {file}", "已写入 {file}：bursar time … --device {file}"),
}
