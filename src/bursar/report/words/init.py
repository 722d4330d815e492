"""Words of initialization: its tables, and what is wrong in a call and why."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    "init_rule_line": Words(
        "{title}: variance {formula} = {variance:.9g}, std {std:.9g}", "{title}：方差 {formula} = {variance:.9g}，标准差 {std:.9g}"
    ),
    "init_use_lecun": Words(
        "keeps the variance forward, for activations that are linear around 0", "保持前向方差，适用于 0 附近近似线性的激活函数"
    ),
    "init_use_xavier": Words(
        "between the variance that keeps the forward and that which keeps the backward pass", "在保持前向与保持反向的方差之间折中"
    ),
    "init_use_he": Words("makes good what the activation takes of the second moment", "补偿激活函数损失的二阶矩"),
    "init_use_normal": Words("a fixed standard deviation, whatever the layer", "固定的标准差，与层的大小无关"),
    "init_use_gpt2": Words("projections into the residual stream, of which a block has two", "残差投影，每个块有两个"),
    "init_use_small": Words("weights of a transformer that read from the stream", "Transformer 中从残差流读取的权重"),
    "init_use_wang": Words("projections into the residual stream, smaller with depth", "残差投影，随深度减小"),
    "init_use_deepnorm": Words(
        "value, output and MLP weights; the residual is scaled up by (2·layers)^¼", "值、输出与 MLP 的权重；残差放大 (2·层数)^¼ 倍"
    ),
    "init_use_torch-linear": Words(
        "what torch.nn.Linear and Conv start with: a third of LeCun's variance",
        "torch.nn.Linear 与 Conv 的默认值：LeCun 方差的三分之一",
    ),
    "init_use_orthogonal": Words(
        "orthonormal rows or columns: a square one keeps every length", "行或列标准正交：方阵保持所有向量的长度"
    ),
    "init_distribution": Words("distribution", "分布"),
    "init_parameters": Words("parameters", "参数"),
    "init_normal": Words("normal", "正态"),
    "init_uniform": Words("uniform", "均匀"),
    "init_truncated": Words("normal cut at ±{sigmas:g} std", "在 ±{sigmas:g} 倍标准差处截断的正态"),
    "init_output": Words(
        "inputs of mean 0 and variance 1 give outputs of variance {variance:.6g} (std {std:.6g})",
        "均值为 0、方差为 1 的输入，得到方差为 {variance:.6g} 的输出（标准差 {std:.6g}）",
    ),
    "init_backward": Words(
        "gradients of variance 1 arrive at the inputs with variance {variance:.6g}",
        "方差为 1 的梯度反向传播到输入时，方差为 {variance:.6g}",
    ),
    "init_share": Words("{share:.4%} of the outputs have a size in that range", "{share:.4%} 的输出绝对值落在该区间"),
    "init_source": Words("source: {title}", "来源：{title}"),
    "init_call": Words("call: {call}", "调用：{call}"),
    "init_cut_line": Words(
        "N({mean:g}, {std:g}²) cut at {low:g} and {high:g}, which are {low_sigmas:.4g} and {high_sigmas:.4g} std from its mean",
        "N({mean:g}, {std:g}²) 在 {low:g} 与 {high:g} 处截断，距均值 {low_sigmas:.4g} 与 {high_sigmas:.4g} 倍标准差",
    ),
    "init_cut_left": Words(
        "{inside:.10g} of it lies between; what is left has mean {mean:.6g}, variance {variance:.9g} and std {std:.9g}, "
        "{ratio:.7f} of that before",
        "其中 {inside:.10g} 位于两界之间；截断后均值 {mean:.6g}，方差 {variance:.9g}，标准差 {std:.9g}（为截断前的 {ratio:.7f}）",
    ),
    "init_gain_line": Words(
        "{name} of z ~ N(0, {q:g}): mean {mean:.7g}, second moment {second:.7g}, variance {variance:.7g}; E φ′(z)² = {slope:.7g}",
        "z ~ N(0, {q:g}) 经过 {name}：均值 {mean:.7g}，二阶矩 {second:.7g}，方差 {variance:.7g}；E φ′(z)² = {slope:.7g}",
    ),
    "init_gain_customary": Words(
        "gain {gain:.7f} (torch.nn.init.calculate_gain); exact 1/√E φ(z)² at variance 1: {exact:.7f}",
        "增益 {gain:.7f}（torch.nn.init.calculate_gain）；方差为 1 时的精确值 1/√E φ(z)²：{exact:.7f}",
    ),
    "init_gain_exact": Words(
        "gain 1/√E φ(z)² at variance 1: {exact:.7f} (torch.nn.init.calculate_gain has none)",
        "方差为 1 时的增益 1/√E φ(z)²：{exact:.7f}（torch.nn.init.calculate_gain 未给出）",
    ),
    "init_mup_line": Words(
        "width {width:,} from a base of {base:,}: ratio {ratio:g}; factors on what was tuned there",
        "宽度由基准 {base:,} 增至 {width:,}，比值 {ratio:g}；下表为相对基准调参值的系数",
    ),
    "init_form": Words("form", "形式"),
    "init_class": Words("weights", "权重类别"),
    "init_variance": Words("init variance", "初始化方差"),
    "init_multiplier": Words("multiplier", "乘数"),
    "init_sgd_rate": Words("SGD rate", "SGD 学习率"),
    "init_adam_rate": Words("Adam rate", "Adam 学习率"),
    "init_class_input": Words("input, biases, norms", "输入层、偏置、归一化"),
    "init_class_hidden": Words("hidden", "隐藏层"),
    "init_class_output": Words("output", "输出层"),
    "init_attention_line": Words(
        "logits q·k of {head_dim} products, entries of variance {entry:.6g}",
        "{head_dim} 项之和的注意力分数 q·k，各分量方差 {entry:.6g}",
    ),
    "init_scale": Words("scale", "缩放"),
    "init_std": Words("std", "标准差"),
    # propagation
    "init_network_line": Words("{scheme}, {name}, {sizes}: predicted {holds}", "{scheme}，{name}，{sizes}：预测值{holds}"),
    "init_holds_every width": Words(
        "second moments, right in the mean over networks of every width", "的二阶矩在任意宽度下对网络取平均均成立"
    ),
    "init_holds_first order in 1/width": Words("moments, right to first order in 1/width", "精确到宽度倒数的一阶"),
    "init_holds_large width": Words("moments of the limit of large width", "为大宽度极限"),
    "init_layer": Words("layer", "层"),
    "init_sums": Words("Var y", "Var y"),
    "init_mean": Words("E φ(y)", "E φ(y)"),
    "init_second_moment": Words("E φ(y)²", "E φ(y)²"),
    "init_stream_mean": Words("E x", "E x"),
    "init_stream": Words("E x²", "E x²"),
    "init_gradient": Words("E g²", "E g²"),
    "init_measured": Words("measured", "实测"),
    "init_off": Words("Δ/s.e.", "偏差/误差"),
    "init_factors": Words(
        "per layer ×{forward:.4g} forward, ×{backward:.4g} backward", "每层前向 ×{forward:.4g}，反向 ×{backward:.4g}"
    ),
    "init_agrees": Words(
        "{samples:,} inputs of {networks} networks agree with the prediction within 5 standard errors",
        "{networks} 个网络、共 {samples:,} 个输入的测量与预测在 5 倍标准误内一致",
    ),
    "init_disagrees": Words(
        "{samples:,} inputs of {networks} networks depart from the prediction by more than 5 standard errors",
        "{networks} 个网络、共 {samples:,} 个输入的测量与预测相差超过 5 倍标准误",
    ),
    "init_unjudged": Words(
        "{samples:,} inputs of {networks} networks; the prediction leaves out terms of depth/width, so none is judged",
        "{networks} 个网络、共 {samples:,} 个输入；预测略去深度/宽度量级的项，故不作判定",
    ),
    "init_module_line": Words(
        "{module}: each layer's outputs and gradients beside what its weights and what it gets predict, off by spreads over draws "
        "of weights",
        "{module}：各层的输出与梯度，以及由其权重和输入得到的预测；偏差以权重抽样的标准差计",
    ),
    "init_weight_std": Words("weight std", "权重标准差"),
    "init_fan_gain": Words("fan-in·E w²", "扇入·E w²"),
    "init_input": Words("E x²", "E x²"),
    "init_output_moment": Words("E y²", "E y²"),
    "init_forward_chart": Words("forward: second moment by layer", "前向传播：各层二阶矩"),
    "init_backward_chart": Words("backward: second moment of the gradient by layer", "反向传播：各层梯度的二阶矩"),
    "init_predicted": Words("predicted", "预测"),
    # lint
    "lint_read": Words(
        "weights of mean {mean:.6g} and std {std:.6g}; fan-in {fan_in}, fan-out {fan_out}: outputs of variance {output:.6g}",
        "权重均值 {mean:.6g}，标准差 {std:.6g}；扇入 {fan_in}，扇出 {fan_out}：输出方差 {output:.6g}",
    ),
    "lint_clean": Words("nothing found", "未发现问题"),
    "lint_right": Words("right: {call}", "应为：{call}"),
}
