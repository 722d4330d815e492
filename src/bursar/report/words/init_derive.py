"""The steps that the variance rules come from."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    "init_derive_sum": Words(
        "An output sums n_in products of independent weights and inputs of mean 0, and variances of independent terms add up.",
        "每个输出是 n_in 个乘积之和，权重与输入相互独立且均值为 0，独立项的方差相加。",
    ),
    "init_derive_forward": Words("The variance is kept forward where n_in·Var w = 1.", "前向保持方差要求 n_in·Var w = 1。"),
    "init_derive_gradient_sum": Words(
        "The gradient of an input sums those of the n_out outputs that it reaches.",
        "输入的梯度是它所影响的 n_out 个输出的梯度之和。",
    ),
    "init_derive_backward": Words("It is kept backward where n_out·Var w = 1.", "反向保持方差要求 n_out·Var w = 1。"),
    "init_derive_harmonic": Words(
        "Both at once only for equal fans; Xavier takes the harmonic mean of the two variances.",
        "只有扇入等于扇出时两者才能同时成立；Xavier 取两个方差的调和平均。",
    ),
    "init_derive_wide": Words(
        "Where n_in is much larger than n_out it tends to 2/n_in, not to 1/n_in: twice the variance is carried forward.",
        "当 n_in 远大于 n_out 时趋于 2/n_in 而非 1/n_in：前向的方差变为两倍。",
    ),
    "init_derive_square": Words("It is 1/n where both fans are n.", "扇入、扇出均为 n 时即为 1/n。"),
    "init_derive_uniform": Words("A uniform distribution from −l to l has variance l²/3.", "−l 到 l 上均匀分布的方差为 l²/3。"),
    "init_derive_limit": Words(
        "So its limit for Xavier's variance is √(6/(n_in + n_out)).", "因此 Xavier 的均匀分布边界为 √(6/(n_in + n_out))。"
    ),
    "init_derive_second_moment": Words(
        "Inputs after an activation have a mean; what the sum needs of them is their second moment.",
        "经过激活函数的输入均值不为 0；求和所需的是其二阶矩。",
    ),
    "init_derive_relu_half": Words("A ReLU keeps half of N(0, 1): its right side.", "ReLU 保留 N(0, 1) 的一半，即右半侧。"),
    "init_derive_leaky": Words("A leaky one keeps c² of the other half.", "Leaky ReLU 另保留左半侧的 c² 倍。"),
    "init_derive_he_rule": Words("He's variance makes good what is lost.", "He 的方差补偿所损失的部分。"),
    "init_derive_he_relu": Words("Without a slope it is 2/n_in.", "斜率为 0 时即 2/n_in。"),
    "init_derive_relu_variance": Words(
        "The variance after a ReLU is less than its second moment, by the square of its mean.",
        "ReLU 之后的方差比二阶矩小，差值为均值的平方。",
    ),
    "init_derive_inside": Words(
        "Share of a normal distribution within k standard deviations.", "正态分布位于 k 倍标准差之内的比例。"
    ),
    "init_derive_cut_variance": Words(
        "Variance of what is left, for a standard deviation of 1 before the cut.", "截断后的方差（截断前标准差为 1）。"
    ),
    "init_derive_stream": Words(
        "Each of L blocks adds two independent branches of variance v to a stream that begins with 1.",
        "L 个块各向残差流加入两个独立的、方差为 v 的分支；残差流起始方差为 1。",
    ),
    "init_derive_stream_scaled": Words(
        "With the projections' std over √(2L) it grows by v alone, however deep.", "投影的标准差除以 √(2L) 后，无论多深只增加 v。"
    ),
    "init_derive_logits": Words("q·k sums d products of unit variance.", "q·k 是 d 个单位方差乘积之和。"),
    "init_derive_logit_scale": Words("A factor of 1/√d makes its variance 1.", "乘以 1/√d 使其方差为 1。"),
}
