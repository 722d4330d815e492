"""Words of matrix calculus: costs of products, derivations of gradients, what backward keeps."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    # costs
    "matrix_product": Words("(N, M)·(M, P): ({left})·({right}) → ({result})", "(N, M)·(M, P)：({left})·({right}) → ({result})"),
    "matrix_flops": Words("FLOP, a multiply-add as two: 2·N·M·P", "FLOP，一次乘加计为两次运算：2·N·M·P"),
    "matrix_exact": Words(
        "exactly, (2M − 1)·N·P: {multiplications} multiplications and {additions} additions",
        "精确值 (2M − 1)·N·P：{multiplications} 次乘法与 {additions} 次加法",
    ),
    "matrix_relative": Words("relative difference, 1/(2M − 1)", "相对差，1/(2M − 1)"),
    "matrix_macs": Words("multiply-accumulates", "乘加次数"),
    "matrix_per_result": Words("FLOP per entry of the result, 2M", "结果每个元素的 FLOP，2M"),
    "matrix_bytes": Words("bytes moved, each operand once, {dtype}", "访存字节数，每个操作数各一次，{dtype}"),
    "matrix_intensity": Words("arithmetic intensity, FLOP/byte", "算术强度，FLOP/字节"),
    "matrix_format": Words("format", "数据类型"),
    "matrix_bound": Words(
        "{device}: ridge {ridge:.1f} FLOP/byte; at least {least}, bound by {bound}",
        "{device}：屋脊点 {ridge:.1f} FLOP/字节；至少 {least}，受限于{bound}",
    ),
    "matrix_bound_compute": Words("compute", "计算"),
    "matrix_bound_memory": Words("memory bandwidth", "显存带宽"),
    "matrix_weights": Words("weights N = outputs · inputs", "权重数 N = 输出维 · 输入维"),
    "matrix_vector_why": Words(
        "Every weight takes part in one multiplication and one addition for each vector: 2N FLOP. Exactly m·(2k − 1), since the "
        "first product of a sum is added to nothing.",
        "每个权重对每个向量各参与一次乘法和一次加法，因此为 2N FLOP。精确值为 m·(2k − 1)，因为求和的第一项无须相加。",
    ),
    "matrix_chain": Words("cheapest of {count} orders: {text}", "{count} 种结合顺序中代价最小的：{text}"),
    "matrix_order": Words("order", "结合顺序"),
    "matrix_cheapest": Words("cheapest", "代价最小"),
    "matrix_left_first": Words("from the left", "从左到右"),
    "matrix_right_first": Words("from the right", "从右到左"),
    "matrix_dearest": Words("dearest", "代价最大"),
    "matrix_conv": Words("({input}) * ({weight}) → ({output})", "({input}) * ({weight}) → ({output})"),
    "matrix_conv_patches": Words(
        "{groups} × (unfolded patches)·(filters): ({patches})·({filters})",
        "{groups} × （展开的图像块）·（卷积核）：({patches})·({filters})",
    ),
    "matrix_conv_gradients": Words(
        "each gradient, of the input and of the weight, costs as much again", "输入梯度与权重梯度各需同样多的运算"
    ),
    "matrix_operation": Words("operation", "运算"),
    "matrix_per_element": Words("FLOP per element", "每元素 FLOP"),
    "matrix_per_row": Words("and per row", "另加每行"),
    "matrix_special": Words("exp, tanh, erf per element", "每元素 exp、tanh、erf"),
    "matrix_special_row": Words("roots per row", "每行开方"),
    "matrix_priced": Words(
        "An exp, tanh, erf or root counts as {special} FLOP here (--special); a row has n elements.",
        "此处每次 exp、tanh、erf 或开方计为 {special} FLOP（--special）；一行有 n 个元素。",
    ),
    "matrix_elementwise": Words("{operation} on ({shape}): {flops} FLOP", "{operation}，张量 ({shape})：{flops} FLOP"),
    "matrix_for_product": Words(
        "Beside them, for every entry of a result: a product takes {product}, a convolution {convolution}.",
        "相比之下，结果的每个元素：矩阵乘积需 {product}，卷积需 {convolution}。",
    ),
    "matrix_per_element_chart": Words(
        "FLOP per element, exp, tanh, erf as {special}", "每元素 FLOP，exp、tanh、erf 各计 {special}"
    ),
    # gradients
    "matrix_what": Words("what", "对象"),
    "matrix_as": Words("product", "乘积"),
    "matrix_shapes": Words("shapes", "形状"),
    "matrix_its_shape": Words("shape", "结果形状"),
    "matrix_by_elements": Words("Element by element", "逐元素推导"),
    "matrix_by_differentials": Words("By differentials", "用微分推导"),
    "matrix_element_forward": Words("An entry of the result is a sum over the inner index.", "结果的每个元素是对内层下标求和。"),
    "matrix_element_gradient": Words(
        "An entry goes into a whole row or column of results: sum what comes back, and read the sum as a product.",
        "一个元素影响结果的整行或整列：把传回的梯度求和，再把和式写成矩阵乘积。",
    ),
    "matrix_bias_whole": Words("A bias of Y's shape receives G as it is.", "与 Y 同形状的偏置直接得到 G。"),
    "matrix_bias_spread": Words(
        "A bias that is broadcast receives the sum over the axis it was spread along.", "被广播的偏置得到沿广播轴求和的梯度。"
    ),
    "matrix_differential_define": Words("G = dL/dY, of Y's shape, is defined by this.", "由此定义 G = dL/dY，形状与 Y 相同。"),
    "matrix_differential_product": Words("The product rule, factors in their order.", "乘积法则，因子顺序不变。"),
    "matrix_differential_move": Words(
        "⟨G, P·Q⟩ = ⟨G·Qᵀ, P⟩ = ⟨Pᵀ·G, Q⟩ moves the other factor over; what stands beside a differential is the gradient.",
        "由 ⟨G, P·Q⟩ = ⟨G·Qᵀ, P⟩ = ⟨Pᵀ·G, Q⟩ 把另一因子移到左边；与微分配对的就是梯度。",
    ),
    "matrix_wrong_orders": Words("Orders that are none", "不成立的顺序"),
    "matrix_shape_error": Words(
        "{inner} columns on the left against {other} rows on the right", "左侧 {inner} 列与右侧 {other} 行不匹配"
    ),
    "matrix_wrong_shape": Words(
        "the result is {made}, but a gradient has its operand's shape, {wanted}",
        "结果形状为 {made}，而梯度应与操作数同形，即 {wanted}",
    ),
    "matrix_fits": Words(
        "the shapes agree by chance, since sizes are equal; it is another matrix in general",
        "尺寸恰好相等，形状碰巧匹配；一般而言是另一个矩阵",
    ),
    "matrix_numbers": Words("In numbers", "数值"),
    "matrix_error": Words("largest difference from central differences: {error:.1e}", "与中心差分的最大差：{error:.1e}"),
    "matrix_loss": Words("loss: {loss:g}", "损失：{loss:g}"),
    "matrix_layouts": Words("all layouts agree: {agree}", "各种排布结果一致：{agree}"),
    "matrix_yes": Words("yes", "是"),
    "matrix_no": Words("no", "否"),
    "matrix_jacobian": Words(
        "d vec(Y)/d vec({operand}) = {formula}: {shape}, {entries} entries, {filled} of them not always zero",
        "d vec(Y)/d vec({operand}) = {formula}：{shape}，共 {entries} 个元素，其中 {filled} 个不恒为零",
    ),
    "matrix_jacobian_cost": Words(
        "{relation}: {flops} FLOP by the whole Jacobian, {short} by the short form",
        "{relation}：用完整雅可比矩阵需 {flops} FLOP，用简式只需 {short}",
    ),
    "matrix_agrees": Words("both give the same: {agree}", "两者结果一致：{agree}"),
    # the perceptron
    "matrix_mlp": Words(
        "{widths}, batch {batch}: {weights} weights, no biases", "{widths}，批量 {batch}：{weights} 个权重，无偏置"
    ),
    "matrix_mlp_forward": Words("Forward; samples are rows.", "前向传播；样本为行。"),
    "matrix_mlp_error": Words(
        "The error of L = Σ (z_n − y)², through the last activation.", "L = Σ (z_n − y)² 的误差，经过最后的激活函数。"
    ),
    "matrix_mlp_error_mean": Words(
        "The error of the mean of (z_n − y)²: 1/(B·M_n) stands here, once, and in no gradient after it.",
        "(z_n − y)² 取平均的误差：1/(B·M_n) 只在此处出现一次，后面的梯度不再除。",
    ),
    "matrix_mlp_weight": Words(
        "The gradient of a weight: what the layer read, transposed, times the error.", "权重梯度：该层输入的转置乘以误差。"
    ),
    "matrix_mlp_bias": Words(
        "A bias that every sample shares receives the sum over the batch.", "所有样本共享的偏置得到沿批量求和的梯度。"
    ),
    "matrix_mlp_back": Words(
        "The error goes back through the weight, not transposed itself, and then through σ′ element by element.",
        "误差乘以权重的转置向前一层传递（误差本身不转置），再逐元素乘以 σ′。",
    ),
    "matrix_mlp_ratio": Words(
        "Two products for each forward one, but no gradient of the network's input.",
        "每个前向乘积对应两个反向乘积，只是网络输入不需要梯度。",
    ),
    "matrix_mlp_deep": Words(
        "With N layers M → M and one M → C it goes to 2 with depth.", "N 层 M → M 再加一层 M → C 时，层数越多越接近 2。"
    ),
    "matrix_not_needed": Words("only if something before it is trained", "仅当其前还有可训练部分时才需要"),
    "matrix_counts": Words(
        "forward {forward} FLOP; backward {backward} FLOP = {ratio} = {value:.6f} times; with the gradient of the input "
        "{whole}, exactly twice",
        "前向传播 {forward} FLOP；反向传播 {backward} FLOP，为其 {ratio} = {value:.6f} 倍；若含输入梯度则为 {whole}，恰为 2 倍",
    ),
    "matrix_rule": Words(
        "6·batch·weights would say {six} FLOP; the products are {train}", "按 6·批量·权重数 为 {six} FLOP；各乘积之和为 {train}"
    ),
    "matrix_small": Words("activation", "激活函数"),
    "matrix_update": Words("update", "更新"),
    "matrix_layer": Words("layer", "层"),
    # what backward keeps
    "matrix_keeps": Words("keeps", "保留"),
    "matrix_drops": Words("does not need", "不需要"),
    "matrix_pair": Words("{name}: {text}", "{name}：{text}"),
    "matrix_nothing": Words("nothing", "无"),
    "matrix_dropout_scale": Words(
        "dropout of {p:g} scales what it keeps by 1/(1 − p) = {scale:.6f}",
        "丢弃概率 {p:g} 时，保留的元素乘以 1/(1 − p) = {scale:.6f}",
    ),
    "saved_product": Words(
        "Each gradient of a product contains the other factor; the result is in neither.",
        "乘积对每个因子的梯度都含另一个因子；结果本身不出现。",
    ),
    "saved_bias": Words("The gradient of a sum contains none of its terms.", "和的梯度不含任何一项。"),
    "saved_residual": Words("A sum hands G on to both branches: nothing is kept.", "加法把 G 原样传给两个分支：无须保留任何张量。"),
    "saved_relu": Words(
        "The slope is 0 or 1, and the sign of the result says which; a bit per element would do.",
        "斜率为 0 或 1，由结果的符号即可判断；每元素一比特就够。",
    ),
    "saved_tanh": Words("1 − y² is written in the result alone.", "1 − y² 只用到结果。"),
    "saved_sigmoid": Words("y·(1 − y) is written in the result alone.", "y·(1 − y) 只用到结果。"),
    "saved_gelu": Words(
        "The slope is a function of the input; the result does not give the input back, since GELU falls before it rises.",
        "斜率是输入的函数；GELU 先降后升，无法由结果还原输入。",
    ),
    "saved_silu": Words(
        "The slope is a function of the input; the result does not give the input back, since SiLU falls before it rises.",
        "斜率是输入的函数；SiLU 先降后升，无法由结果还原输入。",
    ),
    "saved_swiglu": Words(
        "Both factors of the product; silu(gate) can be computed again from gate.",
        "乘积的两个因子；silu(gate) 可由 gate 重新计算。",
    ),
    "saved_softmax": Words(
        "y ⊙ (G − rowsum(G ⊙ y)) contains the result alone: the logits are not kept.",
        "y ⊙ (G − rowsum(G ⊙ y)) 只含结果：不保留 logits。",
    ),
    "saved_dropout": Words(
        "A factor for every element, 0 or 1/(1 − p): the mask, one byte each; the input is not needed.",
        "每个元素乘以 0 或 1/(1 − p)：只需掩码，每元素一字节；不需要输入。",
    ),
    "saved_layernorm": Words(
        "x̂ comes from the input and two statistics of each row, μ and r; γ is a weight and there anyway.",
        "x̂ 由输入与每行两个统计量 μ、r 得到；γ 是权重，本来就在。",
    ),
    "saved_rmsnorm": Words(
        "x̂ comes from the input and one statistic of each row, r; γ is a weight and there anyway.",
        "x̂ 由输入与每行一个统计量 r 得到；γ 是权重，本来就在。",
    ),
    "saved_attention": Words(
        "Q, K and V are factors of products, and softmax needs its own result P; the scores S appear in no gradient.",
        "Q、K、V 是乘积的因子，softmax 需要自身的结果 P；分数 S 不出现在任何梯度中。",
    ),
    "saved_attention_dropout": Words(
        "As before, with the mask and the dropped weights A as the factor of V; A could be computed again from P and the mask.",
        "同上，另加掩码，以及作为 V 的因子的 A；A 也可由 P 与掩码重新计算。",
    ),
    "saved_flash_attention": Words(
        "P is computed again block by block from Q, K and one number per row; rowsum(dP ⊙ P) is rowsum(G ⊙ y). Nothing of size s² "
        "is kept.",
        "P 由 Q、K 与每行一个数逐块重新计算；rowsum(dP ⊙ P) 等于 rowsum(G ⊙ y)。不保留任何 s² 大小的张量。",
    ),
    "saved_cross_entropy": Words(
        "p − onehot needs the probabilities, or their logarithms, and the labels; not the logits beside them.",
        "p − onehot 只需概率（或其对数）与标签；不必再保留 logits。",
    ),
    "saved_embedding": Words("Rows of G are added where the ids point: the ids alone.", "按 ids 把 G 的各行累加到表中：只需 ids。"),
    # graph
    "matrix_graph": Words(
        "{widths}, batch {batch}: forward and gradient paths, FLOP", "{widths}，批量 {batch}：前向路径与梯度路径，FLOP"
    ),
    "matrix_forward_path": Words("forward path", "前向路径"),
    "matrix_gradient_path": Words("gradient path", "梯度路径"),
}
