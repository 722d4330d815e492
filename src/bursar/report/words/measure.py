"""Words of what is measured on a live module."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    "trace_title": Words("{module} on {device}", "{module}，运行于 {device}"),
    "trace_module": Words("module", "模块"),
    "trace_forward": Words("forward FLOP", "前向 FLOP"),
    "trace_backward": Words("backward FLOP", "反向 FLOP"),
    "trace_saved": Words("saved bytes", "为反向保存的字节"),
    "trace_again": Words(
        "{flops} FLOP more are executed: what checkpoints run and kernels compute a second time; no model FLOPs",
        "另外执行 {flops} FLOP：检查点重算与核函数的重复计算，不计入模型 FLOP",
    ),
    "trace_forward_peak": Words(
        "forward, at most {all} bytes of tensors at once besides parameters, buffers and inputs; at most {temporary} of them are "
        "not kept, after {operator} in {module}",
        "前向传播：除参数、缓冲区与输入外，同时存在的张量至多 {all} 字节；其中不为反向保留者至多 {temporary} 字节，"
        "出现在 {module} 的 {operator} 之后",
    ),
    "trace_backward_peak": Words(
        "backward, at most {all} bytes at once; at most {temporary} of them neither kept nor gradients of parameters, after "
        "{operator} in {module}",
        "反向传播：同时存在的张量至多 {all} 字节；其中既非保留、也非参数梯度者至多 {temporary} 字节，"
        "出现在 {module} 的 {operator} 之后",
    ),
    "trace_convention": Words(
        "one multiply-add is 2 FLOP ({macs} MAC forward); matrix products alone; every pair of attention, masked or not; bytes are "
        "those that this device's kernels keep, each storage once",
        "一次乘加计 2 FLOP（前向 {macs} MAC）；仅计矩阵乘积；注意力的所有位置对（不论掩码）均计入；"
        "字节数为该设备的核函数所保留者，每块存储计一次",
    ),
    "trace_state": Words("state {name}: {elements} elements, {bytes} bytes", "状态 {name}：{elements} 个元素，{bytes} 字节"),
    "trace_values": Words(
        "{path}: mean {mean:.4g}, std {std:.4g}, largest {largest:.4g}",
        "{path}：均值 {mean:.4g}，标准差 {std:.4g}，最大绝对值 {largest:.4g}",
    ),
    "trace_unknown": Words(
        "no formula for {names}: FLOPs may be missing (register one with bursar.measure.counts)",
        "没有 {names} 的公式：FLOP 可能不全（可用 bursar.measure.counts 登记）",
    ),
}
