"""Words of sweeps."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    "sweep_chunks": Words("chunks", "批次"),
    "sweep_done": Words(
        "{rows} rows in {out}: {chunks} chunks, {skipped} were there, {computed} were computed",
        "{out} 中共 {rows} 行：{chunks} 批，{skipped} 批已有，{computed} 批为本次计算",
    ),
    "sweep_best": Words("most tokens per second and device, for every model and device", "每个模型在每种设备上单卡吞吐最高者"),
    "sweep_model": Words("model", "模型"),
    "sweep_seq": Words("length", "长度"),
    "sweep_batch": Words("sequences per step", "每步序列数"),
    "sweep_rate": Words("tokens/s per device", "单卡每秒词元数"),
    "sweep_plan": Words("plan", "方案"),
}
