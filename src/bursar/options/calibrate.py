"""Options of calibration: what is read, what is measured, and where the answer goes."""

from __future__ import annotations

from bursar.options.option import Option

ROWS: tuple[Option, ...] = (
    Option(
        "calibration",
        str,
        None,
        (),
        "file of bursar calibrate --out: the device at the rates that its runs ask for",
        "bursar calibrate --out 写出的文件：按其中训练校准设备速率",
    ),
    Option(
        "log_format",
        None,
        None,
        ("megatron", "torchtitan", "nanogpt", "deepspeed", "bursar", "trainer"),
        "tool that wrote the log; default: the first whose lines are there",
        "写日志的工具，默认取首个匹配者",
    ),
    Option(
        "measure",
        None,
        False,
        (),
        "measures the machine at hand instead, --on cpu or cuda",
        "改为测量本机，用 --on 指定 cpu 或 cuda",
    ),
    Option(
        "device_file",
        str,
        None,
        (),
        "file for what was measured (.toml), which --device takes",
        "测量结果文件（.toml），可用于 --device",
    ),
    Option("quick", None, False, (), "small shapes, seconds instead of minutes: to try it out", "小尺寸快速测量，仅供试用"),
)
