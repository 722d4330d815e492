"""Words of a profiled step and of recorded measurements."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    "profile_title": Words("a training step of {module} {step}", "{module} 的一个训练步 {step}"),
    "profile_asked": Words(
        "{layers} layers, {micro_batch} sequences of {seq} tokens, {precision}, kernels {kernels}, {optimizer}",
        "{layers} 层，{micro_batch} 条长度为 {seq} 个词元的序列，{precision}，算子实现 {kernels}，{optimizer}",
    ),
    "profile_highest": Words(
        "the highest moment between operators: {phase}, {operator} in {module}; bytes",
        "算子之间的最高时刻：{phase}，{module} 中的 {operator}；单位为字节",
    ),
    "profile_parameters": Words("parameters", "参数"),
    "profile_optimizer_state": Words("optimizer state", "优化器状态"),
    "profile_gradients": Words("gradients", "梯度"),
    "profile_activations": Words("activations", "激活值"),
    "profile_inputs": Words("inputs", "输入"),
    "profile_temporary": Words("temporary", "临时张量"),
    "profile_peak": Words(
        "the allocator's peak above parameters and optimizer state: {bytes} bytes, in {operator}",
        "分配器峰值（参数与优化器状态之上）：{bytes} 字节，位于 {operator}",
    ),
    "profile_predicted": Words(
        "predicted: {bytes} bytes, {moment}; measured less predicted: {difference} at the allocator, {between_operators} between "
        "operators, of which {scalars} are numbers of Python that are kept as tensors",
        "预测：{bytes} 字节，{moment}；实测减预测：分配器处 {difference}，算子之间 {between_operators}，"
        "其中 {scalars} 为保存成张量的 Python 数值",
    ),
    "profile_sdpa": Words(
        "the prediction is for CUDA's attention kernel, whose backward pass sums the gradient of Q in FP32; the CPU's does not",
        "预测针对 CUDA 的注意力核函数：其反向传播以 FP32 累加 Q 的梯度，而 CPU 的核函数不这样做",
    ),
    "profile_operator": Words("operator", "算子"),
    "profile_calls": Words("calls", "调用次数"),
    "profile_measured": Words("measured", "实测"),
    "profile_least": Words("roofline", "屋顶线下限"),
    "check_measured": Words("recorded measurements", "已记录的实测"),
    "record_params": Words("parameters of the module", "模块的参数量"),
    "record_train_flops": Words("FLOPs of a training step", "一个训练步的 FLOP"),
    "record_peak": Words(
        "bytes above parameters and optimizer state at the highest moment between operators",
        "算子之间最高时刻在参数与优化器状态之上的字节数",
    ),
    "profile_rates": Words(
        "roofline: the larger of FLOPs at {flops:.3g} FLOP/s and bytes read and made at {bandwidth:.3g} B/s, both measured here",
        "屋顶线：取 FLOP ÷ {flops:.3g} FLOP/s 与读写字节 ÷ {bandwidth:.3g} B/s 之较大者，两个速率均在本机实测",
    ),
}
