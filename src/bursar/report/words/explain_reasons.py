"""Why the backward pass needs a tensor, what a weight is, which products there are: the reasons of `bursar explain`."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    # kept by products
    "why_product_input": Words("input x of {by}: the weight gradient is Gᵀx", "{by} 的输入 x：权重梯度为 Gᵀx"),
    "why_product_copy": Words(
        "what {by} reads, in the format of its product: kept in place of x for Gᵀx",
        "{by} 的输入，以其乘法所用的格式保存：代替 x 用于 Gᵀx",
    ),
    "why_product_cast": Words("what {by} reads, cast for its product: Gᵀx", "{by} 的输入，已转换为乘法所用的精度：用于 Gᵀx"),
    "why_weight_cast": Words(
        "weight of {by}, cast for its product: the input gradient is G·W", "{by} 的权重，已转换为乘法所用的精度：输入梯度为 G·W"
    ),
    "why_fused_gradient": Words(
        "gradient that {by} computes together with the loss, in the forward pass", "{by} 在前向传播中与损失一并算出的梯度"
    ),
    "why_placeholder": Words(
        "placeholder for the weight gradient of {by}, which is added to its buffer; one for all layers",
        "{by} 权重梯度的占位张量（梯度已直接累加到缓冲区）；各层共用一个",
    ),
    # norms
    "why_norm_input": Words(
        "input x of {by}: it is normed again for the gradients of x and γ", "{by} 的输入 x：求 x 与 γ 的梯度时需重新归一化"
    ),
    "why_norm_upcast": Words(
        "FP32 copy of what {by} reads: x is a factor of x·r and of x² under the root",
        "{by} 输入的 FP32 副本：x 是 x·r 以及根号下 x² 的因子",
    ),
    "why_norm_statistics": Words(
        "mean and 1/σ of every row of {by} (RMSNorm: 1/rms): rows need not be summed again",
        "{by} 每行的均值与 1/σ（RMSNorm 为 1/rms）：不必重新求和",
    ),
    "why_norm_root": Words(
        "what every row of {by} is scaled by: a factor of the gradient of x", "{by} 每行的缩放系数：x 的梯度的因子"
    ),
    "why_norm_normed": Words("normed x̂ of {by}: the gradient of γ is Σ G ⊙ x̂", "{by} 归一化后的 x̂：γ 的梯度为 Σ G ⊙ x̂"),
    "why_norm_gain": Words(
        "γ of {by} as the product reads it: the gradient of x̂ is G ⊙ γ", "{by} 中参与乘法的 γ：x̂ 的梯度为 G ⊙ γ"
    ),
    "why_norm_centred": Words("x − μ of {by}: a factor of the normed x̂ and of the variance", "{by} 的 x − μ：x̂ 与方差的因子"),
    # attention
    "why_queries": Words("Q of {by}: the gradient of K is ∂Sᵀ·Q/√d", "{by} 的 Q：K 的梯度为 ∂Sᵀ·Q/√d"),
    "why_keys": Words("K of {by}: the gradient of Q is ∂S·K/√d", "{by} 的 K：Q 的梯度为 ∂S·K/√d"),
    "why_values": Words("V of {by}: the gradient of the softmax is G·Vᵀ", "{by} 的 V：softmax 的梯度为 G·Vᵀ"),
    "why_query_with_bias": Words(
        "Q and a learned vector, as a product of {by} reads them: the gradient of its other operand",
        "Q 与可学习向量之和，{by} 中乘法的操作数：用于另一操作数的梯度",
    ),
    "why_softmax": Words(
        "softmax P of {by}: ∂S = P ⊙ (∂P − rowsum(∂P ⊙ P)); the scores S themselves are not needed",
        "{by} 的 softmax 输出 P：∂S = P ⊙ (∂P − rowsum(∂P ⊙ P))；分数 S 本身不必保留",
    ),
    "why_softmax_narrow": Words(
        "softmax of {by} in the working dtype: the gradient of V is Pᵀ·G", "{by} 的 softmax 输出（工作精度）：V 的梯度为 Pᵀ·G"
    ),
    "why_softmax_dropped": Words(
        "softmax A of {by} after dropout: the gradient of V is Aᵀ·G", "{by} 的 softmax 经 dropout 后的 A：V 的梯度为 Aᵀ·G"
    ),
    "why_dropout_mask": Words(
        "dropout mask of {by}: its gradient is G ⊙ mask/(1 − p)", "{by} 的 dropout 掩码：其梯度为 G ⊙ mask/(1 − p)"
    ),
    "why_core_output": Words(
        "output O of {by}: rowsum(G ⊙ O) stands for rowsum(∂P ⊙ P)", "{by} 的输出 O：以 rowsum(G ⊙ O) 代替 rowsum(∂P ⊙ P)"
    ),
    "why_logsumexp": Words(
        "log-sum of every row of {by}: with Q and K the backward kernel computes P again from it",
        "{by} 每行的 logsumexp：反向算子据此与 Q、K 重算 P",
    ),
    "why_tanh": Words("tanh of {by}: its derivative is 1 − tanh²", "{by} 的 tanh：其导数为 1 − tanh²"),
    "why_score_bias": Words(
        "what is added to the scores of {by} or masks them: the scores are computed again with it",
        "加到 {by} 分数上的偏置或掩码：重算分数时需要",
    ),
    "why_layout": Words(
        "a tensor of {by} in the layout of its kernel, beside the one that others read",
        "{by} 的张量，按其算子的内存布局另存一份",
    ),
    "why_packed": Words(
        "V of {by} is a view of the product that makes Q, K and V: all of it stays",
        "{by} 的 V 是 QKV 合并乘积的视图：整个张量都要保留",
    ),
    "why_cast": Words("what {by} reads, cast to the format of its products", "{by} 的输入，已转换为其乘法所用的精度"),
    "why_buffer": Words("buffer for the scores of {by}, one for all layers, never freed", "{by} 的分数缓冲区，各层共用，从不释放"),
    # positions, tables, places
    "why_table_operand": Words(
        "sinusoids that {by} multiplies: the weight gradient is Gᵀx; one table for all layers",
        "{by} 所乘的正弦表：权重梯度为 Gᵀx；各层共用一份",
    ),
    "why_rotary_table": Words(
        "cos and sin of {by}: the gradient is turned back by the same angles; one table for all layers",
        "{by} 的 cos 与 sin：梯度按相同角度转回；各层共用一份",
    ),
    "why_rotary_own": Words(
        "cos and sin as {by} repeats them: the gradient is turned back by the same angles",
        "{by} 展开后的 cos 与 sin：梯度按相同角度转回",
    ),
    "why_scales": Words(
        "scales by position that {by} multiplies: its gradient is G ⊙ scale", "{by} 按位置所乘的系数：其梯度为 G ⊙ 系数"
    ),
    "why_index": Words("places that {by} took from: gradients go back to them", "{by} 取值的位置：梯度要写回这些位置"),
    "why_ids": Words(
        "token ids that {by} looked up: the rows whose gradient is added to", "{by} 查表的词元编号：梯度累加到对应的行"
    ),
    "why_offsets": Words("ends of every expert's rows in {by}", "{by} 中各专家行块的结束位置"),
    "why_labels": Words("labels of {by}: 1 is subtracted at the right token", "{by} 的标签：在正确词元处减 1"),
    "why_picture": Words(
        "pixels beyond whole patches: {by} keeps a view of the whole picture", "整块之外的像素：{by} 保留的是整幅图像的视图"
    ),
    "why_view": Words(
        "{by} hands on a view of one token, which holds all of them", "{by} 交出的是单个词元的视图，整个张量随之保留"
    ),
    # element-wise
    "why_function_input": Words("input of the function of {by}: its derivative is taken there", "{by} 中函数的输入：在此处求导"),
    "why_function_result": Words("result of {by}: the derivative follows from it", "{by} 的输出：导数可由它求得"),
    "why_exponential": Words("exponential in {by}: it is its own derivative", "{by} 中的指数：其导数即其自身"),
    "why_factor": Words(
        "factor in {by}: the gradient of the other factor is G times it", "{by} 中的因子：另一因子的梯度为 G 与它之积"
    ),
    "why_gate_input": Words("gate of {by}: φ′ is taken there", "{by} 的门控输入：在此处求 φ′"),
    "why_gate_result": Words(
        "φ(gate) of {by}: the gradient of the other factor is G ⊙ φ(gate)", "{by} 的 φ(gate)：另一因子的梯度为 G ⊙ φ(gate)"
    ),
    "why_divisor": Words("parts of a quotient in {by}: its gradient divides by them", "{by} 中的除式：其梯度要用到除数"),
    "why_excluded": Words("what {by} masks out: no gradient goes there", "{by} 屏蔽的位置：梯度不经过这些位置"),
    "why_operand": Words(
        "operand of a product in {by}: the gradient of the other operand", "{by} 中乘法的操作数：用于另一操作数的梯度"
    ),
    # mixtures of experts
    "why_router_scores": Words(
        "scores of {by} after softmax or σ: their derivative follows from them", "{by} 经 softmax 或 σ 后的得分：导数可由它求得"
    ),
    "why_router_weights": Words(
        "weight of every copy of a token by {by}: the gradient of the experts' outputs",
        "{by} 给每个词元副本的权重：用于专家输出的梯度",
    ),
    "why_expert_outputs": Words(
        "outputs of {by} before they are weighted: the gradient of the weights", "{by} 加权前的输出：用于路由权重的梯度"
    ),
    "why_expert_weights": Words(
        "weights of the copies in {by}: the gradient of what they multiply", "{by} 中各副本的权重：用于被乘张量的梯度"
    ),
    "why_unrouted": Words(
        "what {by} keeps of tokens that are not routed to an expert, which works on them all the same",
        "{by} 对未路由到该专家的词元照样计算，因而保留的张量",
    ),
    # losses
    "why_logits_wide": Words(
        "logits of {by} in FP32: their gradient is softmax − label", "{by} 的 FP32 logits：其梯度为 softmax − 标签"
    ),
    "why_log_softmax": Words(
        "log-softmax of {by}: its gradient is exp(log-softmax) − label", "{by} 的 log-softmax：其梯度为 exp(log-softmax) − 标签"
    ),
    "why_logits_in_place": Words(
        "logits of {by}: the forward pass writes their gradient over them", "{by} 的 logits：前向传播把梯度直接写在其上"
    ),
    # scans
    "why_scan_operand": Words(
        "operand of the recurrence of {by}: the gradients of the others are products with it",
        "{by} 递推式的操作数：其余操作数的梯度含与它之积",
    ),
    "why_states": Words(
        "states of {by}: the gradients of the decays and of what reads a state need them",
        "{by} 的状态：衰减系数与读取状态者的梯度都要用到",
    ),
    "why_solved": Words(
        "triangular system of {by} and its solution: the gradient of a solution is solved with it",
        "{by} 的三角方程组及其解：解的梯度由同一方程组求得",
    ),
    # recomputation, and what no row names
    "why_checkpoint_input": Words(
        "input of a checkpoint{by_line}: the forward pass runs again from it", "检查点的输入{by_line}：由此重新执行前向传播"
    ),
    "why_kept_by": Words("kept by {by} for its backward pass", "{by} 为其反向传播而保留"),
    # weights
    "weight_matrix": Words("matrix {shape}{copies}", "矩阵 {shape}{copies}"),
    "weight_bias": Words("bias {shape}{copies}", "偏置 {shape}{copies}"),
    "weight_vector": Words("learned vector {shape}{copies}", "可学习向量 {shape}{copies}"),
    "weight_token_table": Words("a row of the table for every token of the vocabulary, {shape}", "词表中每个词元一行，{shape}"),
    "weight_position_table": Words("a row for every learned position, {shape}", "每个可学习位置一行，{shape}"),
    "weight_bias_table": Words(
        "a bias of the scores for every bucket of distances and head, {shape}", "每个距离区间与注意力头一个分数偏置，{shape}"
    ),
    "weight_gain": Words("γ of the norm, {shape}{copies}", "归一化的 γ，{shape}{copies}"),
    "weight_shift": Words("β of the norm, {shape}{copies}", "归一化的 β，{shape}{copies}"),
    "weight_correction": Words(
        "bias of the choice of experts, updated without a gradient, {shape}", "专家选择的偏置，不经梯度更新，{shape}"
    ),
    "weight_sinks": Words(
        "a logit for every head that takes part in the softmax, {shape}", "每头一个参与 softmax 的 logit，{shape}"
    ),
    "weight_kernel": Words("kernel of the convolution, {shape}", "卷积核，{shape}"),
    "weight_class_token": Words("learned token in front of the others, {shape}", "置于序列之前的可学习词元，{shape}"),
    "weight_router": Words("scores of every expert, {shape}", "各专家的打分矩阵，{shape}"),
    "weight_score_vector": Words("learned vector added to Q of every head, {shape}", "加到每头 Q 上的可学习向量，{shape}"),
    "weight_mix": Words("shares of a token and the one before, {shape}", "当前词元与前一词元的混合比例，{shape}"),
    "weight_decay": Words("decay of the states, {shape}", "状态的衰减参数，{shape}"),
    "weight_first": Words("weight of a token for itself, {shape}", "词元对自身的权重，{shape}"),
    "weight_skip": Words("what goes past the states, {shape}", "绕过状态的直通系数，{shape}"),
    "weight_scale": Words("scale of the cosines, {shape}", "余弦相似度的缩放系数，{shape}"),
    "weight_magnitude": Words("magnitude of every row (DoRA), {shape}", "每行的模长（DoRA），{shape}"),
    # products
    "product_of_linear": Words("product with a weight", "与权重的乘法"),
    "product_of_adapter": Words("product with an adapter's matrix", "与适配器矩阵的乘法"),
    "product_of_router": Words("scores of the experts", "专家打分"),
    "product_of_logits": Words("logits", "logits"),
    "product_of_attention": Words("Q·Kᵀ and P·V of every pair of tokens and head", "每对词元、每个头的 Q·Kᵀ 与 P·V"),
    "product_of_scan": Words("products of a recurrence, chunk by chunk", "递推的分块乘法"),
    "product_forward": Words("forward: one multiply-add is 2 FLOP", "前向传播：一次乘加为 2 FLOP"),
    "product_input_grad": Words("gradients of what is read: G·W", "输入的梯度：G·W"),
    "product_weight_grad": Words("gradient of the weight: Gᵀ·x", "权重的梯度：Gᵀ·x"),
    # caches
    "cache_all": Words("every layer keeps K and V of all tokens so far", "每层保留此前全部词元的 K 与 V"),
    "cache_window": Words("K and V of the tokens in the window, no more", "只保留窗口内词元的 K 与 V"),
    "cache_chunk": Words("K and V of the tokens of the chunk, no more", "只保留所在块内词元的 K 与 V"),
    "cache_latent": Words(
        "a latent and one rotary key for all heads, from which K and V are made", "所有头共用的潜变量与一个旋转键，K 与 V 由此算出"
    ),
    "cache_index": Words("keys of the indexer, one for all heads", "索引器的键，所有头共用"),
    "cache_source": Words("K and V of the source, made once", "源序列的 K 与 V，只算一次"),
    "cache_none": Words("an encoder sees all tokens at once and keeps nothing", "编码器一次看到全部词元，不保留缓存"),
    "cache_state": Words("state that does not grow with the tokens", "不随词元数增长的状态"),
    # what 6ND leaves out
    "why_beside_core": Words(
        "attention has two products per pair of tokens and no weight, so that N does not hold them",
        "注意力核心每对词元有两个乘法而没有权重，N 不含它们",
    ),
    "why_beside_index": Words("the indexer scores every pair of tokens, without weights", "索引器为每对词元打分，没有权重"),
    "why_beside_scan": Words(
        "a recurrence has products without weights, and vectors that are in no product",
        "递推含没有权重的乘法，也有不参与乘法的向量",
    ),
    "why_beside_shared_weight": Words(
        "a weight that is used again has products again but is in N once: a tied output layer",
        "重复使用的权重再次参与乘法，而在 N 中只计一次：如与嵌入共享的输出层",
    ),
    "why_beside_other_tokens": Words(
        "these weights see other tokens than the D of the text: sources, pictures, one token of a sequence",
        "这些权重所见的词元数不是文本的 D：源序列、图像或单个词元",
    ),
    "why_beside_idle_experts": Words(
        "a token goes through e of E experts; N holds all of them", "每个词元只经过 E 个专家中的 e 个，而 N 含全部专家"
    ),
    "why_beside_frozen": Words("a frozen weight has no gradient of its own: 4 in place of 6", "冻结的权重没有自身的梯度：4 代替 6"),
    "why_beside_no_gradient": Words("no gradient of the loss passes through the indexer", "损失的梯度不经过索引器"),
    "why_beside_convolution": Words("short convolutions are not counted as matrix products", "短卷积不计为矩阵乘法"),
    "why_beside_lookup": Words(
        "the input tables are read by row, without a product; the output layer's is in N",
        "输入表按行读取，没有乘法；输出层的乘法已含在 N 中",
    ),
    "why_beside_small": Words(
        "γ, β and other vectors multiply element by element, which is no matrix product", "γ、β 等向量逐元素相乘，不是矩阵乘法"
    ),
    "why_beside_biases": Words("biases are added, not multiplied", "偏置是相加，不是相乘"),
}
