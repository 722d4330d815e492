"""Titles, headings and assumptions of `bursar explain`."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    "explain_activations": Words("bytes kept for the backward pass of one micro-batch", "一个微批量为反向传播保留的字节数"),
    "explain_params": Words("parameters", "参数量"),
    "explain_flops": Words("model FLOPs of forward and backward pass", "前向传播与反向传播的模型 FLOPs"),
    "explain_flops_exact": Words("the exact count, product by product", "精确计数：逐个乘法"),
    "explain_kv": Words("KV cache of all sequences", "全部序列的 KV 缓存"),
    "explain_state": Words("state of one sequence, whatever its length", "每条序列的状态，与长度无关"),
    "explain_memory": Words("memory of stage {stage} at its peak", "流水线级 {stage} 的显存峰值"),
    "explain_time": Words("seconds of a step", "每步用时（秒）"),
    "explain_layer": Words("one layer ({kind})", "单层（{kind}）"),
    "explain_layer_of": Words("layer {layer} ({kind})", "第 {layer} 层（{kind}）"),
    "explain_layers": Words("{count} layers ({kind}), the first is layer {first}", "{count} 层（{kind}），首层为第 {first} 层"),
    "explain_head": Words("final norm, output layer and loss", "末端归一化、输出层与损失"),
    "explain_rule": Words("the rule 6ND", "6ND 法则"),
    "rule_forward": Words("forward: one multiply-add per weight and token", "前向传播：每个权重、每个词元一次乘加"),
    "rule_input_grad": Words("gradient of the inputs G·W: once more", "输入的梯度 G·W：再一次"),
    "rule_weight_grad": Words("gradient of the weights Gᵀ·x: once more", "权重的梯度 Gᵀ·x：再一次"),
    "beside_core": Words("attention core", "注意力核心"),
    "beside_index": Words("indexer of sparse attention", "稀疏注意力的索引器"),
    "beside_scan": Words("recurrences", "递推"),
    "beside_shared_weight": Words("weights that are used again", "重复使用的权重"),
    "beside_other_tokens": Words("weights that see other tokens", "所见词元数不同的权重"),
    "beside_idle_experts": Words("experts that a token does not use", "词元未使用的专家"),
    "beside_frozen": Words("frozen weights", "冻结的权重"),
    "beside_no_gradient": Words("weights without a gradient", "没有梯度的权重"),
    "beside_convolution": Words("short convolutions", "短卷积"),
    "beside_lookup": Words("embedding look-up", "嵌入查表"),
    "beside_small": Words("norms and other vectors", "归一化与其他向量"),
    "beside_biases": Words("biases", "偏置"),
    # assumptions
    "assume_two": Words("one multiply-add is 2 FLOP; matrix products only", "一次乘加计 2 FLOP；只计矩阵乘法"),
    "assume_mask_full": Words("the attention core is counted in full, as papers do", "注意力核心按整个方阵计（与论文一致）"),
    "assume_mask_causal": Words("the attention core is counted as its mask leaves it", "注意力核心按掩码实际保留的部分计"),
    "assume_no_recompute": Words("recomputation is not counted: these are model FLOPs", "不计重计算：此为模型 FLOPs"),
    "assume_tied": Words("a tied tensor counts once", "共享张量只计一次"),
    "assume_all": Words("all experts count, used or not", "全部专家计入，无论是否激活"),
    "assume_cache": Words("at the length s; a window holds its last tokens only", "长度为 s 时；窗口只保留最近的词元"),
    "assume_kernels": Words("{kernels} kernels, {precision}, recomputation {recompute}", "{kernels} 算子，{precision} 精度，重计算 {recompute}"),
    "assume_autograd": Words(
        "each storage once, at its own width: autograd holds a tensor, not a use of it", "每块存储按自身宽度只计一次：自动求导保留的是张量，而不是它的每次使用"
    ),
    # headings
    "explain_formula": Words("formula", "公式"),
    "explain_grouped": Words("grouped", "合并后"),
    "explain_numbers": Words("numbers", "数值"),
    "explain_assumed": Words("assumed: {what}", "假定：{what}"),
    "explain_source": Words("source: {what}", "来源：{what}"),
    "explain_about": Words("{path}: {title}", "{path}：{title}"),
    "explain_semicolon": Words("; ", "；"),
    "explain_meant": Words("  (with {what})", "（其中 {what}）"),
    "explain_by": Words(" of {by}", "（{by}）"),
    "explain_instances": Words(", {count} of them", "，共 {count} 个"),
}  # fmt: skip
