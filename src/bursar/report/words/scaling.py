"""Words of scaling laws."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    # scaling laws
    "law": Words("law", "定律"),
    "constants": Words("constants", "常数"),
    "answers": Words("answers", "可回答"),
    "counts_of": Words("counts as N", "N 的计数规则"),
    "tokens": Words("tokens", "词元数"),
    "tokens_per_param": Words("tokens per parameter", "每参数词元数"),
    "unit": Words("unit", "单位"),
    "outside": Words("outside its range", "超出拟合范围"),
    "factor": Words("times the optimal N", "最优 N 的倍数"),
    "wasted": Words("compute wasted", "浪费的计算量"),
    "saving": Words("saving", "节省"),
    "learning_rate": Words("learning rate", "学习率"),
    "batch_tokens": Words("tokens per step", "每步词元数"),
    "more": Words("more", "其他"),
    "approach": Words("approach", "方法"),
    "exponent": Words("a of N ∝ C^a", "N ∝ C^a 的指数 a"),
    "stderr": Words("std. error", "标准误差"),
    "interval": Words("95 % interval", "95 % 区间"),
    "value": Words("value", "数值"),
    "line": Words("line", "行"),
    "residual": Words("residual of ln L", "ln L 的残差"),
    "minimum_inside": Words("minimum inside", "极小值在内部"),
    "runs": Words("runs", "运行数"),
    "formula": Words("formula", "公式"),
    "split_uncertain": Words(
        "tokens per parameter are known to about ±{factor:g}×; N is each law's own count, and losses of different laws are not "
        "comparable",
        "每参数词元数的不确定度约为 ±{factor:g} 倍；各定律对 N 的计数规则不同，不同定律的损失不可比较",
    ),
    "interval_line": Words(
        "95 % by bootstrap: N {params}, D {tokens}, {ratio} tokens per parameter",
        "自助法 95 % 区间：N {params}，D {tokens}，每参数 {ratio} 词元",
    ),
    "loss_line": Words(
        "{law}: N {params}, D {tokens}: loss {loss:.5f} ({unit})", "{law}：N {params}，D {tokens}：损失 {loss:.5f}（{unit}）"
    ),
    "loss_band": Words(
        "laws of the same text and unit: {low:.4f} to {high:.4f}", "同一语料与单位的各定律：{low:.4f} 至 {high:.4f}"
    ),
    "optimum_line": Words(
        "{law}, {flops} FLOP: N {params}, D {tokens}, {ratio} tokens per parameter, loss {loss}",
        "{law}，{flops} FLOP：N {params}，D {tokens}，每参数 {ratio} 词元，损失 {loss}",
    ),
    "model_scale": Words("M {scale} FLOP/token", "M {scale} FLOP/词元"),
    "outside_line": Words("extrapolated: {what}", "外推：{what}"),
    "at_point": Words(
        "N {params}, D {tokens}: loss {loss:.5f}; the optimum reaches it with {wasted} less compute",
        "N {params}，D {tokens}：损失 {loss:.5f}；按最优分配可少用 {wasted} 计算量",
    ),
    "how_long": Words(
        "{params} parameters reach a loss of {loss} after {tokens} tokens", "{params} 参数达到损失 {loss} 需要 {tokens} 词元"
    ),
    "how_big": Words(
        "{tokens} tokens bring {params} parameters to a loss of {loss}", "{tokens} 词元使 {params} 参数达到损失 {loss}"
    ),
    "in_use": Words(
        "used for {tokens} tokens: the cheapest model of the same loss", "推理 {tokens} 词元：同样损失下总成本最低的模型"
    ),
    "limited_line": Words(
        "{unique} unique tokens (muennighoff): N {params}, D {tokens} in {epochs:.2f} epochs, worth {worth} fresh ones, "
        "loss {loss:.4f}",
        "{unique} 不重复词元（muennighoff）：N {params}，D {tokens}，共 {epochs:.2f} 遍，相当于 {worth} 新词元，损失 {loss:.4f}",
    ),
    "batch_band": Words(
        "batches of different laws: {low} to {high} tokens per step; within a factor of four the cost is small",
        "不同定律的批量：每步 {low} 至 {high} 词元；四倍以内代价很小",
    ),
    "fit_line": Words(
        "{file}: {points} runs, {form}; {agreement} of the starts agree", "{file}：{points} 个运行，{form}；{agreement} 的起点一致"
    ),
    "held_out": Words(
        "held out, {rows} runs from {flops} FLOP: mean error {mean:+.2%}, worst {worst:+.2%}",
        "留出 {rows} 个运行（自 {flops} FLOP）：平均误差 {mean:+.2%}，最大 {worst:+.2%}",
    ),
    "without_outliers": Words("without the outliers: {constants}", "去除离群点后：{constants}"),
    "warning": Words("warning: {text}", "警告：{text}"),
    "design_line": Words(
        "{family}: {params} parameters ({active} active), {count} by the law's rule ({rule}), wanted {target}; {tokens} tokens",
        "{family}：{params} 参数（激活 {active}），按定律规则（{rule}）为 {count}，目标 {target}；{tokens} 词元",
    ),
    "design_plan": Words(
        "{devices:,} × {device}: {layout}; step {step}, MFU {mfu}, peak {peak}",
        "{devices:,} × {device}：{layout}；每步 {step}，MFU {mfu}，峰值 {peak}",
    ),
    "isoflop_chart": Words("loss by parameters at each budget", "各计算预算下损失与参数量"),
    "residual_chart": Words("residuals of approach 3 by compute", "方法三的残差与计算量"),
    # doubts
    "doubt_outside": Words(
        "{name} {value:.3g} is outside {low:.3g} to {high:.3g}", "{name} {value:.3g} 超出 {low:.3g} 至 {high:.3g}"
    ),
    "doubt_repeated": Words("{rows} rows repeat another row: they count twice", "{rows} 行与其他行重复：被计算两次"),
    "doubt_same_tokens": Words(
        "all runs have about the same tokens: the data term cannot be told from the constant",
        "所有运行的词元数几乎相同：无法区分数据项与常数项",
    ),
    "doubt_same_params": Words(
        "all runs have about the same parameters: the model term cannot be told from the constant",
        "所有运行的参数量几乎相同：无法区分模型项与常数项",
    ),
    "doubt_few_budgets": Words(
        "{budgets} compute budgets: an exponent of compute rests on two or three points",
        "仅 {budgets} 个计算预算：计算量的指数只依赖两三个点",
    ),
    "doubt_narrow_compute": Words(
        "compute spans less than a hundredfold: do not extrapolate far", "计算量跨度不足一百倍：不宜远距离外推"
    ),
    "doubt_few_starts": Words(
        "only {share:.1%} of the starts reach the least objective: it may be a local one",
        "仅 {share:.1%} 的起点达到最小目标值：可能只是局部极小",
    ),
    "doubt_outliers": Words("{count} outliers: compare the fit without them", "{count} 个离群点：请与去除后的拟合比较"),
    "doubt_no_term": Words(
        "an exponent is zero or less: one of the two terms is not in these runs", "有指数不大于零：这些运行中缺少两项之一"
    ),
    "doubt_left_out": Words("{approach} is left out: {why}", "{approach} 略去：{why}"),
    "doubt_no_minimum": Words(
        "the budget of {flops:.3g} FLOP has no minimum inside its sizes: left out",
        "{flops:.3g} FLOP 的预算在其模型尺寸内没有极小值：已略去",
    ),
    "doubt_dense_law": Words(
        "law {law} is of dense models: it is read as one of active parameters", "定律 {law} 针对稠密模型：此处按激活参数理解"
    ),
    "doubt_unspent": Words(
        "{share:.1%} of the budget is left: the plan of a slightly larger model is that much slower",
        "预算剩余 {share:.1%}：稍大模型的方案慢得多",
    ),
    # derivations
    "derive_loss": Words("The loss of N parameters on D tokens.", "N 个参数、D 个词元时的损失。"),
    "derive_budget": Words("Compute that is spent: the constraint.", "所用计算量，即约束条件。"),
    "derive_lagrange_n": Words(
        "Lagrange's condition in N: the derivative of L + μ(6ND − C), times N, is zero.",
        "对 N 的拉格朗日条件：L + μ(6ND − C) 的导数乘以 N 为零。",
    ),
    "derive_lagrange_d": Words("The same in D.", "对 D 同理。"),
    "derive_balance": Words(
        "The multiplier drops out: at the optimum both terms fall equally fast.", "消去乘子：在最优点两项的下降速度相等。"
    ),
    "derive_logs": Words("With D = C/6N this is linear in n = ln N.", "代入 D = C/6N 后，对 n = ln N 是线性的。"),
    "derive_best_n": Words("So N* = G(C/6)^a with a = β/(α+β).", "因此 N* = G(C/6)^a，其中 a = β/(α+β)。"),
    "derive_best_d": Words("And D* = C/6N*, with the exponent b = 1 − a.", "D* = C/6N*，指数 b = 1 − a。"),
    "derive_best_loss": Words(
        "Put back into L: what is above E falls as a power of compute, γ = αβ/(α+β).",
        "代回 L：高于 E 的部分按计算量的幂次下降，γ = αβ/(α+β)。",
    ),
    "derive_exponent_n": Words("Hoffmann's exponent of N*, from the fitted α and β.", "由拟合的 α、β 得到 Hoffmann 的 N* 指数。"),
    "derive_exponent_d": Words("And that of D*.", "以及 D* 的指数。"),
    "derive_kaplan_loss": Words("Kaplan's loss of N parameters after S steps.", "Kaplan 的损失：N 个参数、S 步。"),
    "derive_kaplan_batch": Words(
        "The critical batch depends on the loss alone, so C = 6·N·B·S.", "临界批量只取决于损失，因此 C = 6·N·B·S。"
    ),
    "derive_kaplan_balance": Words(
        "At a given loss N·S is least where both terms fall equally fast.", "给定损失时，N·S 在两项下降速度相等处最小。"
    ),
    "derive_kaplan_powers": Words(
        "So both terms are fixed shares of L, and N, S and B are powers of it.", "因此两项各占 L 的固定比例，N、S、B 都是 L 的幂。"
    ),
    "derive_kaplan_compute": Words("Hence L ∝ C^(−α_C).", "由此 L ∝ C^(−α_C)。"),
    "derive_kaplan_n": Words(
        "N ∝ C^p with p = α_C/α_N; the paper's own fit is .73.", "N ∝ C^p，p = α_C/α_N；论文直接拟合为 0.73。"
    ),
    "derive_kaplan_b": Words("The batch grows with p = α_C/α_B (.24).", "批量的指数 p = α_C/α_B（0.24）。"),
    "derive_kaplan_s": Words("The steps hardly grow: p = α_C/α_S (.03).", "步数几乎不变：p = α_C/α_S（0.03）。"),
    "derive_kaplan_d": Words(
        "Tokens are batch times steps, so their exponent is 1 − p_N (.27).", "词元数是批量乘步数，指数为 1 − p_N（0.27）。"
    ),
}
