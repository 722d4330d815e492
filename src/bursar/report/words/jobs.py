"""Words of a job: its memory, its time, its plan."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    # memory
    "weights": Words("weights", "权重"),
    "gradients": Words("grads", "梯度"),
    "master_weights": Words("master", "主权重"),
    "optimizer_state": Words("optim.", "优化器"),
    "activations": Words("activ.", "激活值"),
    "logits": Words("logits", "logits"),
    "temporary": Words("temp.", "临时"),
    "communication": Words("comm.", "通信"),
    "runtime": Words("run*", "运行时*"),
    "peak": Words("peak", "峰值"),
    "flops_by_length": Words("FLOP of a forward pass per token, by length", "每词元前向 FLOP 随序列长度的变化"),
    "sequence_length": Words("tokens of a sequence", "序列长度（词元）"),
    "layer_chart": Words(
        "{model}, a layer ({kind}), {kernels}: shaded tensors are kept for backward",
        "{model}，一层（{kind}），{kernels}：着色的张量为反向传播所保留",
    ),
    "moment": Words("moment of the step", "步内时刻"),
    "host": Words("host", "主机"),
    # time
    "forward": Words("forward", "前向传播"),
    "backward": Words("backward", "反向传播"),
    "recompute": Words("recomputation", "重计算"),
    "tensor_parallel": Words("tensor-parallel comm.", "张量并行通信"),
    "expert_parallel": Words("expert-parallel comm.", "专家并行通信"),
    "context_parallel": Words("context-parallel comm., exposed", "上下文并行通信（未被掩盖）"),
    "bubble": Words("pipeline bubble", "流水线气泡"),
    "pipeline": Words("pipeline messages", "流水线消息"),
    "data_parallel": Words("data-parallel comm., exposed", "数据并行通信（未被掩盖）"),
    "optimizer": Words("optimizer step", "优化器更新"),
    "offload": Words("link to the host, exposed", "与主机的传输（未被掩盖）"),
    "launching": Words("waiting for the host to launch kernels", "等待主机启动内核"),
    # headings
    "part": Words("part", "部分"),
    "parameters": Words("parameters", "参数量"),
    "share": Words("share", "占比"),
    "total": Words("total", "合计"),
    "active": Words("active per token", "每词元激活"),
    "embedding": Words("embedding", "嵌入"),
    "head": Words("head", "输出层"),
    "stage": Words("stage", "流水线级"),
    "kind": Words("kind", "种类"),
    "layer_bytes": Words("bytes per layer", "每层字节数"),
    "count": Words("layers", "层数"),
    "shared": Words("tables of all layers", "各层共享的表"),
    "loss": Words("loss", "损失"),
    "step": Words("step", "每步用时"),
    "days": Words("days", "天数"),
    "cost": Words("cost", "费用"),
    "model": Words("model", "模型"),
    "family": Words("family", "系列"),
    "published": Words("published", "发布方数字"),
    "device": Words("device", "设备"),
    "memory": Words("memory", "显存"),
    "bandwidth": Words("bandwidth", "带宽"),
    "link": Words("link, one way", "互连（单向）"),
    "state": Words("state, bytes per parameter", "状态（每参数字节数）"),
    "update": Words("update", "更新公式"),
    "source": Words("source", "来源"),
    "why": Words("why", "原因"),
    "missing": Words("missing", "缺少"),
    "extra": Words("extra", "多出"),
    "shapes": Words("other shapes", "形状不符"),
    # sentences
    "assumed": Words("assumed: read as family {family}", "假定：按 {family} 系列读取"),
    "checkpoint": Words(
        "checkpoint: {total} elements, {bytes} B, {tensors} tensors; {difference} against the config",
        "检查点：{total} 个元素，{bytes} 字节，{tensors} 个张量；与配置相差 {difference}",
    ),
    "reconciled_tensors": Words("compared tensor by tensor", "已逐个张量核对"),
    "reconciled_totals": Words("compared in total: tensor names of this family are not known", "仅核对总数：该系列的张量名未知"),
    "runtime_note": Words(
        "grads: gradients; master: FP32 master weights; optim.: optimizer states; activ.: activations; temp.: temporary; comm.: "
        "communication buffers; run*: a measured overhead (CUDA context, NCCL), every other part is exact tensors. "
        "1 GiB = 2^30 bytes, 1 GB = 1e9.",
        "主权重：FP32 主权重；优化器：优化器状态；临时：临时张量；通信：通信缓冲；运行时*：实测开销（CUDA 上下文、NCCL），"
        "其余各项均为精确的张量字节数。1 GiB = 2^30 字节，1 GB = 1e9 字节。",
    ),
    "overheads": Words(
        "run*: {parts}; {low} to {high} in all. PyTorch's allocator may reserve {reserved} for the tensors ({reserved_low} to "
        "{reserved_high}).",
        "运行时*：{parts}；合计 {low} 至 {high}。PyTorch 分配器为张量预留约 {reserved}（{reserved_low} 至 {reserved_high}）。",
    ),
    "overhead_context": Words("CUDA context", "CUDA 上下文"),
    "overhead_workspace": Words("workspaces", "工作区"),
    "overhead_nccl": Words("NCCL", "NCCL"),
    "uncertain": Words(
        "whether it fits depends on what is measured: the peak is {low} to {high} of {memory}",
        "能否放入取决于实测开销：峰值为 {low} 至 {high}，而显存为 {memory}",
    ),
    "managed": Words(
        "optimizer states in managed memory: {bytes} per device, on the host where the device is full",
        "托管内存中的优化器状态：每设备 {bytes}，设备放不下时位于主机",
    ),
    "host_note": Words(
        "on the host, per device: {parts}; not part of the peak",
        "每设备在主机上：{parts}；不计入峰值",
    ),
    "host_band": Words(
        "the host's update takes {usual}, by what processors do it {low} to {high} (a measured rate of CPU-Adam)",
        "主机更新用时 {usual}，视处理器为 {low} 至 {high}（CPU-Adam 的实测速率）",
    ),
    "peak_moment": Words("the peak of the worst stage: {moment}", "最差流水线级的峰值时刻：{moment}"),
    "timeline": Words("memory over a step, stage {stage}", "一步之内的显存，流水线级 {stage}"),
    "what_if": Words("what if", "如果改变"),
    "what_if_refused": Words(
        "not possible here, or so already: {changes} (--json says why for each)",
        "此处不可行，或已经如此：{changes}（--json 逐一说明原因）",
    ),
    "change": Words("change", "改变"),
    "saved": Words("saves GiB", "节省 GiB"),
    "fits": Words("fits in {memory} of {device}: {free} left", "可放入 {device} 的 {memory}：剩余 {free}"),
    "fits_not": Words("does not fit in {memory} of {device}: {missing} too much", "放不进 {device} 的 {memory}：超出 {missing}"),
    "batch": Words(
        "global batch {sequences:,} sequences × {seq:,} = {tokens:,} tokens",
        "全局批量 {sequences:,} 条序列 × {seq:,} = {tokens:,} 词元",
    ),
    "batch_rounded": Words(" (rounded from {asked:,})", "（由 {asked:,} 取整）"),
    "band": Words(
        "uncalibrated: published runs took {low:.2f}–{high:.2f} times the predicted time, so expect {low_s} to {high_s} per step",
        "未校准：已发布的训练实际用时为预测的 {low:.2f}–{high:.2f} 倍，每步预计 {low_s} 至 {high_s}",
    ),
    "band_operators": Words(
        "operators measured on this machine: runs took {low:.2f}–{high:.2f} times such predictions, so expect "
        "{low_s} to {high_s} per step",
        "已在本机测量算子：实际用时为此类预测的 {low:.2f}–{high:.2f} 倍，每步预计 {low_s} 至 {high_s}",
    ),
    "band_run": Words(
        "calibrated by a run of this kind: others took {low:.2f}–{high:.2f} times such predictions, so expect "
        "{low_s} to {high_s} per step",
        "已用同类训练校准：其他训练实际用时为此类预测的 {low:.2f}–{high:.2f} 倍，每步预计 {low_s} 至 {high_s}",
    ),
    "mfu_note": Words(
        "MFU and HFU: {mask} mask, dense {dtype} peak of {device}; recomputation counts for HFU only.",
        "MFU 与 HFU：{mask}掩码，{device} 的稠密 {dtype} 峰值；重计算只计入 HFU。",
    ),
    "searched": Words(
        "{searched:,} valid plans searched in {seconds:.2f} s, {feasible:,} fit in {memory} of {device}",
        "{seconds:.2f} 秒内搜索 {searched:,} 个有效方案，其中 {feasible:,} 个可放入 {device} 的 {memory}",
    ),
    "why_first": Words(
        "fastest of {feasible:,} plans that fit: {useful} of the step is forward and backward work{rest}",
        "在 {feasible:,} 个可行方案中最快：每步 {useful} 用于前向与反向计算{rest}",
    ),
    "why_rest": Words("; the rest is {parts}", "；其余为{parts}"),
    "why_later": Words("{slower} slower than the first: {losses}", "比首选慢 {slower}：{losses}"),
    "why_gains": Words("; it saves {gains}", "；节省{gains}"),
    "none_fits": Words(
        "no plan fits: the leanest one ({layout}) needs {need}, {device} has {memory}",
        "没有可行方案：最省显存的方案（{layout}）需要 {need}，而 {device} 只有 {memory}",
    ),
    "would_fit": Words("{devices:,} devices would do: {layout}", "{devices:,} 个设备即可：{layout}"),
    "would_not": Words("doubling the devices eight times does not help either", "设备数翻倍八次仍不可行"),
    "run": Words(
        "{tokens:,} tokens: {steps:,} steps, {days:,.1f} days (band {low:,.1f}–{high:,.1f}), {hours:,.0f} device-hours{cost}",
        "{tokens:,} 词元：{steps:,} 步，{days:,.1f} 天（范围 {low:,.1f}–{high:,.1f}），{hours:,.0f} 设备小时{cost}",
    ),
    "cost_note": Words(", {usd} at {price} per device-hour", "，按每设备小时 {price} 计 {usd}"),
    "and": Words(" and ", "与"),
    "comma": Words(", ", "、"),
}
