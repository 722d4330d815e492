"""Words of number formats and of what they do to numbers."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    "format": Words("format", "格式"),
    "bits": Words("bits", "位数"),
    "bias": Words("bias", "偏置"),
    "fields": Words("fields", "位域"),
    "largest": Words("max", "最大值"),
    "min_normal": Words("min normal", "最小规格化数"),
    "min_subnormal": Words("min subnormal", "最小非规格化数"),
    "eps": Words("eps", "机器精度 eps"),
    "finite_values": Words("finite values", "有限值个数"),
    "sign": Words("sign", "符号位"),
    "exponent_field": Words("exponent", "指数位"),
    "mantissa_field": Words("mantissa", "尾数位"),
    "value_field": Words("value", "数值位"),
    "index_field": Words("index", "索引位"),
    "block_formats": Words("Block formats", "分块格式"),
    "element": Words("element", "元素格式"),
    "block_size": Words("block", "块"),
    "block_scale": Words("scale", "缩放因子"),
    "bits_with_scale": Words("bits with the scale", "含缩放因子的位数"),
    "encoded": Words("encoded", "编码"),
    "decoded": Words("decoded", "解码"),
    "rounding_error": Words("error", "误差"),
    "meaning": Words("meaning: {formula}", "含义：{formula}"),
    "format_bits": Words("{bits} bits", "{bits} 位"),
    "format_source": Words("source: {title}", "来源：{title}"),
    "error_line": Words("error: {error}", "误差：{error}"),
    "relative_to_value": Words(" ({relative} of the value)", "（为该值的 {relative}）"),
    "finite_line": Words("finite values: {count}", "有限值个数：{count}"),
    "scale_line": Words("scale of the block: {scale}", "该块的缩放因子：{scale}"),
    "block_line": Words(
        "{bits} bits with the scale; elements {element}, {size} of them share a scale in {scale}",
        "含缩放因子为 {bits} 位；元素为 {element}，每 {size} 个共享一个 {scale} 缩放因子",
    ),
    "neighbours": Words("between {below} and {above}, rounding {rounding}", "位于 {below} 与 {above} 之间，舍入方式 {rounding}"),
    "chance_above": Words(
        "; stochastic rounding takes the upper one with probability {chance}", "；随机舍入取上邻值的概率为 {chance}"
    ),
    "sum_title": Words(
        "{count} additions of {addend} to {start}; exact {exact}", "从 {start} 起将 {addend} 累加 {count} 次；精确值 {exact}"
    ),
    "method": Words("method", "方法"),
    "plain": Words("rounded to nearest", "就近舍入"),
    "stochastic": Words("stochastic rounding", "随机舍入"),
    "kahan": Words("Kahan's sum", "Kahan 补偿求和"),
    "sum": Words("sum", "和"),
    "lost_additions": Words("additions that changed nothing", "未改变和的加法次数"),
    "last_change": Words("last addition that did", "最后一次有效的加法"),
    "sum_lesson": Words(
        "An addend below half the distance to the next number is lost: the sum stalls. Hence FP32 master weights.",
        "加数小于到下一个可表示数距离的一半时会丢失，和便停滞不前。这就是需要 FP32 主权重的原因。",
    ),
    "scaling_title": Words("Loss scaling, {format}: scale {before} → {after}", "损失缩放，{format}：缩放因子 {before} → {after}"),
    "scaling_steps": Words("{applied} of {steps} optimizer steps applied", "{steps} 步中有 {applied} 步执行了参数更新"),
    "loss_scale": Words("loss scale", "损失缩放因子"),
    "becomes_zero": Words("becomes zero", "变为零"),
    "becomes_subnormal": Words("subnormal", "成为非规格化数"),
    "becomes_infinite": Words("overflows", "溢出"),
    "survival_title": Words(
        "{count} log-normal gradients, median {median}, {decades} decades (seed {seed})",
        "{count} 个对数正态梯度，中位数 {median}，标准差 {decades} 个数量级（种子 {seed}）",
    ),
    "tiny_gradient": Words(
        "gradient {value}: {without_scale} without a scale; stored as {stored} with it, unscaled {unscaled}",
        "梯度 {value}：不缩放时为 {without_scale}；缩放后存为 {stored}，还原为 {unscaled}",
    ),
    "scaler_step": Words("step", "步"),
    "event": Words("event", "事件"),
    "train_title": Words(
        "A regression, {steps} steps of gradient descent, lr {lr} (seed {seed})",
        "线性回归，梯度下降 {steps} 步，学习率 {lr}（种子 {seed}）",
    ),
    "weights_kept": Words("weights", "权重"),
    "train_loss": Words("loss over that at the start", "损失 / 初始损失"),
    "lost_updates": Words("updates that changed nothing", "未改变权重的更新"),
    "train_fp32": Words("FP32", "FP32"),
    "train_bf16": Words("BF16", "BF16"),
    "train_bf16-master": Words("BF16, FP32 master copy", "BF16，FP32 主副本"),
    "train_bf16-stochastic": Words("BF16, stochastic rounding", "BF16，随机舍入"),
    "train_bf16-kahan": Words("BF16, Kahan's compensation", "BF16，Kahan 补偿"),
    "train_fp16-tiny": Words("FP16, FP32 master, tiny gradients", "FP16，FP32 主副本，梯度极小"),
    "train_fp16-tiny-scaled": Words("the same, loss scaled", "同上，使用损失缩放"),
    "train_lesson": Words(
        "An update below half the spacing at its weight is lost in 16 bits: keep a master copy, round stochastically, or carry the "
        "rest along. Gradients below half of FP16's least number become zero: scale the loss.",
        "更新量小于权重处间距的一半时，16 位权重会丢失它：应保留主副本、随机舍入，或补偿余数。"
        "梯度小于 FP16 最小数的一半时会变为零：应缩放损失。",
    ),
    "product_title": Words(
        "Relative error of a product, {size} × {size}, standard normal (seed {seed})",
        "矩阵乘法的相对误差，{size} × {size}，标准正态（种子 {seed}）",
    ),
    "outlier_channels": Words("with outlier channels in the left operand", "左操作数含离群通道"),
    "shares_scale": Words("elements per scale", "每个缩放因子的元素数"),
    "product_error": Words("product", "乘积"),
    "left_error": Words("left operand", "左操作数"),
    "right_error": Words("right operand", "右操作数"),
    "no_scale": Words("none", "无"),
    "line_title": Words("{name} from {low} to {high}", "{name}，{low} 至 {high}"),
    "from_value": Words("from", "起"),
    "to_value": Words("to below", "止（不含）"),
    "spacing": Words("spacing", "间距"),
    "values_count": Words("values", "个数"),
    "subnormal": Words("subnormal", "非规格化"),
}
