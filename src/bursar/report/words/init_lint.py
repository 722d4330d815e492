"""What is wrong in an initialization call, and why: two sentences for each finding."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    "lint_one_axis": Words("a tensor of one axis ({shape}) has no fan-in and fan-out", "一维张量（{shape}）没有扇入与扇出"),
    "lint_one_axis_why": Words(
        "torch.nn.init raises ValueError: a bias or the gain of a norm is no sum of inputs",
        "torch.nn.init 会抛出 ValueError：偏置与归一化增益不是对输入求和",
    ),
    "lint_empty": Words("the tensor is not initialized", "张量未初始化"),
    "lint_empty_why": Words(
        "torch.empty leaves what memory held before: any number, NaN too", "torch.empty 保留内存中的旧内容，可能是任意数，包括 NaN"
    ),
    "lint_constant": Words("all weights are {value}", "所有权重均为 {value}"),
    "lint_constant_why": Words(
        "the {neurons} outputs are one and the same and get the same gradient, so they stay alike; zeros pass nothing back either",
        "{neurons} 个输出完全相同，梯度也相同，训练后仍然相同；全零权重还会阻断反向传播",
    ),
    "lint_bounds_in_sigmas": Words(
        "the bounds a={a:g}, b={b:g} are {low_sigmas:.6g} and {high_sigmas:.6g} standard deviations of {std:g}: nothing is cut",
        "边界 a={a:g}、b={b:g} 相当于标准差 {std:g} 的 {low_sigmas:.6g} 与 {high_sigmas:.6g} 倍：未截断任何值",
    ),
    "lint_bounds_in_sigmas_why": Words(
        "trunc_normal_ takes values, not standard deviations; a cut at ±{sigmas:g} of them is at ±{cut:.6g}",
        "trunc_normal_ 的边界是绝对值，不是标准差的倍数；在 ±{sigmas:g} 倍标准差处截断应为 ±{cut:.6g}",
    ),
    "lint_default_bounds": Words(
        "without a and b the bounds are ±2, {high_sigmas:.6g} standard deviations of {std:g}: nothing is cut",
        "未给出 a、b 时边界为 ±2，即标准差 {std:g} 的 {high_sigmas:.6g} 倍：未截断任何值",
    ),
    "lint_default_bounds_why": Words(
        "the defaults of trunc_normal_ are values too; this is a plain normal distribution",
        "trunc_normal_ 的默认边界同样是绝对值；此时等同于普通正态分布",
    ),
    "lint_truncation_shrinks": Words(
        "after the cut at ±{sigmas:.4g} standard deviations the std is {true_std:.6g}, not {std:g}",
        "在 ±{sigmas:.4g} 倍标准差处截断后，标准差为 {true_std:.6g}，而非 {std:g}",
    ),
    "lint_truncation_shrinks_why": Words(
        "a cut takes the largest weights: {ratio:.6f} of the std is left, so the normal before it must be wider by as much",
        "截断去掉了最大的权重，标准差只剩 {ratio:.6f} 倍，因此截断前的正态分布要相应加宽",
    ),
    "lint_off_centre": Words(
        "the weights have mean {mean:.6g}, which is {sigmas:.4g} of their standard deviations",
        "权重均值为 {mean:.6g}，是其标准差的 {sigmas:.4g} 倍",
    ),
    "lint_off_centre_why": Words(
        "inputs of mean 1, as after a ReLU or a sigmoid, shift every output by the same {shift:.6g} (fan-in {fan_in} times it)",
        "若输入均值为 1（如 ReLU、sigmoid 之后），每个输出都平移 {shift:.6g}（扇入 {fan_in} 乘以均值）",
    ),
    "lint_no_scale": Words(
        "a standard normal without a scale: outputs of std {output_std:.6g} for inputs of std 1",
        "标准正态且没有缩放：输入标准差为 1 时输出标准差为 {output_std:.6g}",
    ),
    "lint_no_scale_why": Words(
        "a sum of {fan_in} products has {fan_in} times the variance; the factor √(gain²/fan_in) = {std:.6g} is missing",
        "{fan_in} 个乘积之和的方差是单个的 {fan_in} 倍；缺少系数 √(增益²/扇入) = {std:.6g}",
    ),
    "lint_variance_as_std": Words(
        "std={std:.6g} is the variance that a rule gives; its root is {right_std:.6g}",
        "std={std:.6g} 是规则给出的方差；其平方根为 {right_std:.6g}",
    ),
    "lint_variance_as_std_why": Words(
        "the argument is a standard deviation: with a fan-in of {fan_in} outputs have variance {output_variance:.3g}",
        "该参数是标准差：扇入为 {fan_in} 时输出方差只有 {output_variance:.3g}",
    ),
    "lint_limit_as_std": Words(
        "U(−{limit:.6g}, {limit:.6g}) has variance {variance:.6g}, a third of {wanted:.6g}",
        "U(−{limit:.6g}, {limit:.6g}) 的方差为 {variance:.6g}，是 {wanted:.6g} 的三分之一",
    ),
    "lint_limit_as_std_why": Words(
        "a uniform distribution on ±l has variance l²/3, so its limit is √3 times the standard deviation: {right_limit:.6g}",
        "±l 上均匀分布的方差为 l²/3，因此边界应为标准差的 √3 倍：{right_limit:.6g}",
    ),
    "lint_wrong_axis": Words(
        "the scale is that of {fan_out}, but an output sums {fan_in} inputs: outputs of variance {output_variance:.6g}",
        "缩放按 {fan_out} 计算，而每个输出对 {fan_in} 个输入求和：输出方差为 {output_variance:.6g}",
    ),
    "lint_wrong_axis_why": Words(
        "in the layout {layout} the fan-in is {fan_in}; torch stores (out, in), with the fan-in in shape[1], and x @ w has it in "
        "shape[0]",
        "在 {layout} 存储方式下扇入为 {fan_in}；torch 按（out, in）存储，扇入为 shape[1]，而 x @ w 的扇入在 shape[0]",
    ),
    "lint_embedding_fans": Words(
        "the fans of a table of {rows} × {width} mean nothing: the rule gives std {std:.6g}",
        "{rows} × {width} 的嵌入表没有有意义的扇入、扇出：按规则得到标准差 {std:.6g}",
    ),
    "lint_embedding_fans_why": Words(
        "a look-up takes one row and sums nothing, so the std of the table is that of what it hands on",
        "查表只取一行，不做求和，因此嵌入表的标准差就是其输出的标准差",
    ),
    "lint_fans_of_layout": Words(
        "mode='{mode}' counts {counted} for a weight in the layout {layout}, whose {mode} is {true}",
        "对 {layout} 存储方式的权重，mode='{mode}' 数得 {counted}，而其 {mode} 为 {true}",
    ),
    "lint_fans_of_layout_why": Words(
        "torch.nn.init takes axis 1 for the inputs and axis 0 for the outputs, whatever the weight is used for",
        "torch.nn.init 一律把第 1 轴当作输入、第 0 轴当作输出，不管权重如何使用",
    ),
    "lint_groups_counted": Words(
        "the fan-out is counted as {counted}, but with {groups} groups an input reaches {true}",
        "扇出被计为 {counted}，而分为 {groups} 组时每个输入只影响 {true} 个输出",
    ),
    "lint_groups_counted_why": Words(
        "the fan-in of torch.nn.init is that of one group, its fan-out that of all of them",
        "torch.nn.init 的扇入按一组计，扇出却按所有组计",
    ),
    "lint_fused_projections": Words(
        "{fan_out} outputs are three times the {fan_in} inputs: if they are q, k and v, each gets variance {variance:.6g} instead "
        "of {separate:.6g}",
        "{fan_out} 个输出是 {fan_in} 个输入的三倍：若为合并的 q、k、v，每个的方差是 {variance:.6g} 而非 {separate:.6g}",
    ),
    "lint_fused_projections_why": Words(
        "Xavier divides by fan-in and fan-out together, so a weight of three projections is made smaller than each alone",
        "Xavier 除以扇入与扇出之和，三个投影合成一个权重时会比单独初始化更小",
    ),
    "lint_xavier_with_relu": Words(
        "Xavier keeps {kept:.4g} of the second moment per layer with {nonlinearity}, {after_ten:.4g} after ten layers",
        "配合 {nonlinearity}，Xavier 每层只保留二阶矩的 {kept:.4g}，十层之后为 {after_ten:.4g}",
    ),
    "lint_xavier_with_relu_why": Words(
        "its gain 1 is for activations that are linear around 0; {nonlinearity} leaves {kept:.4g} of N(0, 1), which He's gain "
        "makes good",
        "增益 1 适用于在 0 附近近似线性的激活函数；{nonlinearity} 只留下 N(0, 1) 二阶矩的 {kept:.4g}，He 的增益正是对此的补偿",
    ),
    "lint_wrong_gain": Words(
        "the gain is {used:.6g}; for {nonlinearity} it is {gain:.6g}", "增益为 {used:.6g}；对 {nonlinearity} 应为 {gain:.6g}"
    ),
    "lint_wrong_gain_why": Words(
        "with equal fans a layer multiplies the second moment by {kept:.4g}", "扇入与扇出相等时，每层使二阶矩变为 {kept:.4g} 倍"
    ),
    "lint_kaiming_gain": Words(
        "the gain is that of {said}, {used:.6g}; {nonlinearity} needs {gain:.6g}",
        "所用增益是 {said} 的 {used:.6g}；{nonlinearity} 需要 {gain:.6g}",
    ),
    "lint_kaiming_gain_why": Words(
        "kaiming_ takes leaky_relu with slope 0, a ReLU, unless nonlinearity says otherwise; a layer multiplies the second moment "
        "by {kept:.4g}",
        "未指定 nonlinearity 时 kaiming_ 取斜率为 0 的 leaky_relu，即 ReLU；每层使二阶矩变为 {kept:.4g} 倍",
    ),
    "lint_kaiming_default": Words(
        "a=√5 gives the limit {limit:.6g} and the variance {variance:.6g}: outputs of variance {output_variance:.4g}",
        "a=√5 给出边界 {limit:.6g}、方差 {variance:.6g}：输出方差为 {output_variance:.4g}",
    ),
    "lint_kaiming_default_why": Words(
        "this is what torch.nn.Linear does by itself: gain² = 2/(1 + 5), so a layer keeps a third, whatever activation follows",
        "这正是 torch.nn.Linear 的默认做法：增益² = 2/(1 + 5)，无论后接何种激活函数，每层只保留三分之一",
    ),
    "lint_slope_ignored": Words(
        "the slope a={a:g} is ignored with nonlinearity='{nonlinearity}'", "nonlinearity='{nonlinearity}' 时斜率 a={a:g} 不起作用"
    ),
    "lint_slope_ignored_why": Words(
        "calculate_gain reads the slope for leaky_relu alone", "calculate_gain 只对 leaky_relu 读取斜率"
    ),
    "lint_fan_out_mode": Words(
        "fan_out keeps gradients; forward the second moment changes by {fan_in}/{fan_out} = {ratio:.4g}",
        "fan_out 保持梯度的方差；前向传播时二阶矩变为 {fan_in}/{fan_out} = {ratio:.4g} 倍",
    ),
    "lint_fan_out_mode_why": Words(
        "both are kept only where fan-in and fan-out are equal; nets that are not chains of one width start with fan_in",
        "只有扇入等于扇出时两者才能兼顾；宽度不一的网络通常用 fan_in",
    ),
    "lint_residual_depth": Words(
        "{branches} branches of this variance make the stream grow to {grows:.4g} times; over √{branches} it would be {scaled:.4g}",
        "{branches} 个这样的分支使残差流的方差增至 {grows:.4g} 倍；若除以 √{branches}，则为 {scaled:.4g} 倍",
    ),
    "lint_residual_depth_why": Words(
        "each of {depth} blocks adds two branches, and variances add up; GPT-2 divides the std of these projections by √(2·layers)",
        "{depth} 个块各加入两个分支，方差逐次相加；GPT-2 将这些投影的标准差除以 √(2·层数)",
    ),
    "lint_xavier_unequal": Words(
        "with fans of {fan_in} and {fan_out} a layer multiplies the variance by {forward:.4g} forward and {backward:.4g} backward",
        "扇入 {fan_in}、扇出 {fan_out} 时，每层方差前向变为 {forward:.4g} 倍，反向变为 {backward:.4g} 倍",
    ),
    "lint_xavier_unequal_why": Words(
        "2/(in + out) lies between 1/in and 1/out; it keeps both only where they are equal",
        "2/(扇入 + 扇出) 介于 1/扇入 与 1/扇出 之间；只有两者相等时才能都保持",
    ),
    "lint_variance_off": Words(
        "std {std:.6g}: the layer multiplies the second moment by {factor:.4g} of what keeps it ({nonlinearity})",
        "标准差 {std:.6g}：该层的二阶矩是保持不变所需的 {factor:.4g} 倍（{nonlinearity}）",
    ),
    "lint_variance_off_why": Words(
        "variance must be gain²/fan_in, a std of {right_std:.6g}; a norm after the layer hides a wrong one, a chain does not",
        "方差应为 增益²/扇入，即标准差 {right_std:.6g}；层后若有归一化则影响被掩盖，多层直接相连时则不会",
    ),
}
