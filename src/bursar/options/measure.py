"""Options of what measures a live module."""

from __future__ import annotations

from bursar.options.option import Option

ROWS: tuple[Option, ...] = (
    Option("on", str, "meta", (), "device that a module runs on: meta (nothing is computed), cpu, cuda …", "模块运行的设备：meta（不作计算）、cpu、cuda 等"),
    Option("strict", None, False, (), "refuse operators that no formula is known of", "遇到没有公式的算子即报错"),
    Option("html", str, None, (), "file for the report as HTML", "HTML 报告文件"),
)
