"""Options of launches and of sweeps."""

from __future__ import annotations

from bursar.options.option import Option, degree

ROWS: tuple[Option, ...] = (
    Option(
        "out",
        str,
        None,
        (),
        "file for a launch or a calibration, folder for a sweep",
        "启动文件或校准文件的路径，或参数扫描的结果目录",
    ),
    Option(
        "framework", None, None, ("megatron", "torchtitan", "deepspeed", "accelerate", "fsdp", "nemo"),
        "framework that a file is of, or is written for", "文件所属的、或要写成的框架",
    ),
    Option(
        "engine", None, "local", ("local", "ray"), "what a sweep runs on: processes here, or a Ray cluster",
        "扫描的运行方式：本机进程池或 Ray 集群",
    ),
    Option(
        "workers",
        degree,
        None,
        (),
        "processes or Ray tasks of a sweep; default: the cores",
        "扫描的进程数或 Ray 任务数，默认为核数",
    ),
)  # fmt: skip
