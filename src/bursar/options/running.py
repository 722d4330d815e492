"""Options of a run beside its step: how its FLOPs are counted, failures and checkpoints, energy."""

from __future__ import annotations

from bursar.options.option import Option, count, degree, positive


def bandwidth(text: str | int) -> int:
    """Bytes per second: 200G, 2T."""
    return count(text, high=10**16)


ROWS: tuple[Option, ...] = (
    Option(
        "mtbf_device_hours",
        positive,
        None,
        (),
        "device-hours between failures; default: those of Llama 3's run",
        "平均每次故障间隔的设备小时数，默认取 Llama 3 训练所公布的值",
    ),
    Option(
        "storage_bandwidth",
        bandwidth,
        None,
        (),
        "bytes per second at which a checkpoint is written, by all devices together (200G)",
        "所有设备合计写检查点的带宽（字节/秒，如 200G）",
    ),
    Option("restart", positive, None, (), "seconds from a failure until training goes on", "从故障到恢复训练的秒数"),
    Option(
        "checkpoint_every",
        degree,
        None,
        (),
        "steps between checkpoints; default: as often as is best",
        "检查点间隔的步数，默认取最优间隔",
    ),
    Option("pue", str, "average", (), "power usage effectiveness: a name or a number", "电能利用效率（PUE）：名称或数值"),
    Option("grid", str, "world", (), "grid: a name, or kg of CO2 per kWh", "电网：名称，或每千瓦时二氧化碳千克数"),
)
