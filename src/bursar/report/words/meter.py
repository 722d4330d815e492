"""Words of why the memory of a training loop is not what was predicted of its job."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    "gap_line": Words(
        "{part}: predicted {predicted:,}, measured {measured:,} bytes ({difference:+,}): {reason}",
        "{part}：预测 {predicted:,} 字节，实测 {measured:,} 字节（{difference:+,}）：{reason}",
    ),
    "gap_same": Words("{part}: {measured:,} bytes, as predicted", "{part}：{measured:,} 字节，与预测相同"),
    "gap_name_parameters": Words("parameters", "参数"),
    "gap_name_buffers": Words("buffers", "缓冲区"),
    "gap_name_optimizer_state": Words("optimizer state", "优化器状态"),
    "gap_name_gradients_and_activations": Words("gradients and activations", "梯度与激活值"),
    "gap_name_allocator": Words("reserved by the allocator", "分配器占有"),
    "gap_parameters": Words("parameters that are cut, padded, or of another dtype", "参数经切分、补齐，或为其他数据类型"),
    "gap_buffers": Words("tensors that are no parameters", "不属于参数的张量"),
    "gap_optimizer_state": Words("counters of steps, one for every tensor", "步数计数器，每个张量一个"),
    "gap_gradients_and_activations": Words(
        "inputs, and what other kernels keep or make in passing", "输入，以及其他核函数保留或临时产生的张量"
    ),
    "gap_allocator": Words("blocks that are held and not in use", "已占有而未使用的内存块"),
}
