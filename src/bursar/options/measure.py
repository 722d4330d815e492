"""Options of what measures a live module."""

from __future__ import annotations

from bursar.kernels import TRACED
from bursar.options.option import Option

COMPUTES = Option("on", str, "cpu", (), "device that computes: cpu, cuda", "执行计算的设备：cpu、cuda")
# of what is compared with transformers, which has no other implementations
KERNELS = Option(
    "kernels", None, "sdpa", TRACED, "attention of transformers: eager or sdpa", "transformers 的注意力实现：eager 或 sdpa"
)
ROWS: tuple[Option, ...] = (
    Option(
        "on",
        str,
        "meta",
        (),
        "device that a module runs on: meta (nothing is computed), cpu, cuda …",
        "模块运行的设备：meta（不作计算）、cpu、cuda 等",
    ),
    Option("strict", None, False, (), "refuse operators that no formula is known of", "遇到没有公式的算子即报错"),
    Option(
        "optimizer_states",
        None,
        None,
        ("sgd", "momentum", "nesterov", "rmsprop", "adagrad", "adam", "adamw", "amsgrad"),
        "optimizer of torch.optim whose states are counted after one step",
        "走一步后清点其状态的 torch.optim 优化器",
    ),
    Option(
        "values", None, False, (), "mean, std and largest magnitude of every parameter", "每个参数张量的均值、标准差与最大绝对值"
    ),
    Option("measured", None, False, (), "replay the recorded measurements instead", "改为重放已记录的实测"),
    Option("record", str, None, (), "file for a record of the measurement (JSON)", "实测记录文件（JSON）"),
    Option("trace_file", str, None, (), "file for the step as a Chrome trace", "Chrome trace 文件"),
    Option("html", str, None, (), "file for the report as HTML", "HTML 报告文件"),
)
