"""Words of optimizers at work."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    "optimizer_step": Words("t", "t"),
    "gradient_column": Words("gradient", "梯度"),
    "theta_column": Words("weight", "权重"),
    "over_lr": Words("step / lr", "步长 / 学习率"),
    "on_the_way": Words("on the way", "中间量"),
    "update_rule": Words("rule: {update}", "更新规则：{update}"),
    "settings": Words("with {settings}", "超参数：{settings}"),
    "largest_step": Words("largest step / lr: {over_lr} at t = {t}", "最大步长 / 学习率：{over_lr}，在 t = {t}"),
    "torch_line": Words("torch.optim: {theta}, largest difference {difference}", "torch.optim：{theta}，最大差异 {difference}"),
    "torch_eps_inside": Words("torch.optim adds ε outside the root", "torch.optim 把 ε 加在根号外"),
    "torch_no_bias_correction": Words("torch.optim corrects the bias of moments", "torch.optim 对矩作偏差修正"),
    "torch_momentum_average": Words("torch.optim's velocity is v = γv + g", "torch.optim 的速度为 v = γv + g"),
    "torch_bf16_iterations": Words("torch.optim iterates in BF16", "torch.optim 以 BF16 迭代"),
    "accumulate_title": Words(
        "One step from {count} micro-batches of {samples} samples", "由 {count} 个微批量（样本数 {samples}）合成一步的梯度"
    ),
    "summed": Words("summed, not divided", "求和而不除"),
    "divided": Words("divided by the number of micro-batches", "除以微批量个数"),
    "weighted": Words("weighted by samples", "按样本数加权"),
    "whole_batch": Words("the whole batch at once", "整批一次计算"),
    "relative_error": Words("relative error", "相对误差"),
    "accumulate_lesson": Words(
        "The gradient of a mean loss is the mean over all samples (or tokens). Summing gives n times as much; dividing by the "
        "number of micro-batches is right only where all are as large.",
        "平均损失的梯度是对全部样本（或词元）的平均。只求和会放大 n 倍；只有各微批量大小相同时，除以其个数才正确。",
    ),
    "race_title": Words(
        "{problem}, loss {start} at the start, {steps} steps, noise {noise} (seed {seed})",
        "{problem}，初始损失 {start}，{steps} 步，噪声 {noise}（种子 {seed}）",
    ),
    "optimizer_name": Words("optimizer", "优化器"),
    "best_lr": Words("best lr", "最佳学习率"),
    "final_loss": Words("final loss", "最终损失"),
    "steps_to": Words("steps to a thousandth", "降至千分之一的步数"),
    "loss_curve": Words("loss by step (log)", "损失曲线（对数）"),
    "race_grid": Words(
        "Learning rates tried: {grid}. Other settings are each rule's defaults, without weight decay.",
        "尝试的学习率：{grid}。其余超参数取各规则的默认值，不用权重衰减。",
    ),
    "schedule_title": Words("{name}: {formula}", "{name}：{formula}"),
    "schedule_facts": Words(
        "{updates} updates, warm-up {warmup}, decay {decay}, peak {lr}, floor {floor} of it",
        "更新 {updates} 次，预热 {warmup} 次，末段衰减 {decay} 次，峰值 {lr}，下限为其 {floor} 倍",
    ),
    "learning_rate_axis": Words("learning rate", "学习率"),
    "lineage_title": Words("Where optimizers come from", "优化器的谱系"),
}
