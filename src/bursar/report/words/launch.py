"""Words of launches and their audit."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    "launch_written": Words("{out}: written for {framework}", "{out}：已写成 {framework} 的启动文件"),
    "launch_not_said": Words(
        "the file does not say, and your script must: {fields}", "以下各项文件不能表达，须由你的脚本给出：{fields}"
    ),
    "launch_title": Words("{framework}: {model}, {params} parameters", "{framework}：{model}，{params} 参数"),
    "launch_job": Words(
        "{devices} devices, {batch} sequences of {seq} tokens per step: {plan}",
        "{devices} 张设备，每步 {batch} 条序列、每条 {seq} 个词元：{plan}",
    ),
    "launch_peak": Words("peak {peak}", "峰值 {peak}"),
    "launch_time": Words(
        "step {step} ({low} to {high}), MFU {mfu}, {tokens} tokens/s",
        "每步 {step}（{low} 至 {high}），MFU {mfu}，每秒 {tokens} 个词元",
    ),
    "launch_clean": Words("nothing wrong, nothing wasteful found", "未发现错误，也未发现浪费"),
    "launch_not_read": Words("not read: {keys}", "未读取：{keys}"),
    "launch_kind_wrong": Words("wrong:", "错误："),
    "launch_kind_wasteful": Words("wasteful:", "浪费："),
    "launch_kind_note": Words("note:", "注意："),
    "launch_auto": Words(
        "{keys}: auto, which the training script fills in; read as --precision {precision}",
        "{keys} 为 auto，由训练脚本填写；此处按 --precision {precision} 读取",
    ),
    "launch_rule": Words("{problem}; valid: {valid} ({option})", "{problem}；可取：{valid}（{option}）"),
    "launch_too_large": Words(
        "it does not fit: {peak_bytes} of {capacity_bytes}", "放不下：需 {peak_bytes}，设备有 {capacity_bytes}"
    ),
    "launch_to_fit": Words("with {knob} it fits: peak {peak_bytes}", "改为 {knob} 即可放下：峰值 {peak_bytes}"),
    "launch_no_sp": Words(
        "tensor parallelism without sequence parallelism; with it: peak {peak_bytes}, step {new_step_s}",
        "有张量并行而无序列并行；启用后峰值为 {peak_bytes}，每步 {new_step_s}",
    ),
    "launch_no_zero": Words(
        "every data-parallel rank holds all optimizer states; with ZeRO 1: peak {peak_bytes}, step {new_step_s}",
        "每个数据并行进程都持有全部优化器状态；用 ZeRO 1 时峰值为 {peak_bytes}，每步 {new_step_s}",
    ),
    "launch_no_overlap": Words(
        "gradients are reduced after the backward pass, not beside it; with overlap: step {new_step_s}",
        "梯度在反向传播之后才规约，没有与之重叠；重叠后每步 {new_step_s}",
    ),
    "launch_recompute": Words(
        "recomputation is not needed: recompute {to} fits, peak {peak_bytes}, step {new_step_s}",
        "不需要这样的重计算：改为 {to} 也放得下，峰值为 {peak_bytes}，每步 {new_step_s}",
    ),
    "launch_bubble": Words(
        "the pipeline idles for {share} of a step: {micro_batches} micro-batches on {stages} stages",
        "流水线有 {share} 的时间空闲：{stages} 级上只有 {micro_batches} 个微批量",
    ),
    "launch_padding": Words(
        "the vocabulary is padded by {rows} rows to {vocab}, which is counted", "词表补齐 {rows} 行至 {vocab}，已计入"
    ),
    "launch_vocab": Words(
        "a vocabulary of {vocab} on {tp} tensor-parallel ranks fills no whole tiles of {tile}; {valid} would",
        "词表 {vocab} 分到 {tp} 个张量并行进程，不是 {tile} 的整数倍；补齐到 {valid} 即可",
    ),
    "launch_remedy": Words(
        "{knob} saves {saves_s} of a step ({faster} more tokens per second), peak {peak_bytes}",
        "{knob} 每步可省 {saves_s}（吞吐提高 {faster}），峰值 {peak_bytes}",
    ),
    "launch_hidden_dropout": Words(
        "dropout {p} of hidden states is on (Megatron-LM's default is 0.1); its masks are not counted",
        "隐藏状态的丢弃概率为 {p}（Megatron-LM 默认 0.1），其掩码未计入",
    ),
    "launch_param_gather": Words(
        "gradients overlap and gathered weights do not (--overlap-param-gather); both are counted as overlapped",
        "梯度规约已重叠而权重聚合没有（--overlap-param-gather）；两者均按重叠计算",
    ),
    "launch_reduced": Words(
        "Accelerate reduces gradients in {dtype} and keeps them in FP32; both are counted as FP32",
        "Accelerate 以 {dtype} 规约梯度、以 FP32 保存；两者均按 FP32 计算",
    ),
    "launch_fsdp1": Words(
        "FSDP 1 keeps FP32 chunks alone; 2 bytes per parameter of a chunk are counted beside them",
        "FSDP 1 只保存 FP32 分片；此处每参数多计 2 字节",
    ),
}
