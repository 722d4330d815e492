"""Words of what is predicted beside what is measured, and of the causes of differences."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    "verify_title": Words(
        "{model}, {batch} × {seq} tokens, kernels {kernels}: predicted beside the module that transformers builds",
        "{model}，{batch} × {seq} 个词元，核函数方案 {kernels}：预测与 transformers 所建模块对照",
    ),
    "verify_quantity": Words("quantity", "量"),
    "verify_predicted": Words("predicted", "预测"),
    "verify_measured": Words("measured", "实测"),
    "verify_difference": Words("predicted − measured", "预测 − 实测"),
    "verify_params": Words("parameters", "参数"),
    "verify_forward_flops": Words("forward FLOP", "前向 FLOP"),
    "verify_backward_flops": Words("backward FLOP", "反向 FLOP"),
    "verify_saved_bytes": Words("saved bytes", "为反向传播保存的字节"),
    "verify_kv_elements": Words("elements of cache and state", "缓存与状态的元素"),
    "verify_exact": Words("Equal in everything that is compared.", "凡所对照，全部相等。"),
    "verify_explained": Words("Every difference is explained.", "所有差异均有解释。"),
    "verify_unexplained": Words("Not explained: {names}", "未能解释：{names}"),
    "verify_cause": Words("{quantity} {difference:+,}: {reason}", "{quantity} {difference:+,}：{reason}"),
    "verify_missing": Words("{quantity} is not compared: {reason}", "未对照{quantity}：{reason}"),
    "missing_saved": Words("what this family's modules keep was not described", "该架构族的模块保留什么尚无描述"),
    "missing_cache": Words("the module hands out no cache", "该模块不交出缓存"),
    "cause_biases": Words(
        "biases that steer a router are trained without a gradient; transformers keeps them as buffers",
        "调节路由的偏置不经梯度训练，transformers 将其存为缓冲区",
    ),
    "cause_by_element": Words(
        "the scan multiplies element by element, which no matrix product shows", "扫描逐元素相乘，不表现为矩阵乘积"
    ),
    "cause_read_out": Words(
        "C h, of the scan's FLOPs, is a matrix product for every token", "扫描之中，C h 对每个词元是一次矩阵乘积"
    ),
    "cause_scan": Words("the scan, chunk by chunk", "逐块进行的扫描"),
    "cause_written_scan": Words(
        "the scan as it is written: chunks filled up, C Bᵀ for every head of a group, states by a square of decays between chunks",
        "代码所写的扫描：块补齐至整长，组内每个头各算 C Bᵀ，块间状态经由衰减方阵计算",
    ),
    "cause_cut_off": Words(
        "a causal convolution is filled up on both sides, and its outputs past the end of the sequence are cut off",
        "因果卷积两侧补齐，超出序列末尾的输出被截去",
    ),
    "cause_solved": Words(
        "T K and T V are solved as triangles, in half the FLOPs of products with a square, for chunks filled up to 64 tokens",
        "T K 与 T V 以三角方程求解，FLOP 为方阵乘积的一半，且块补齐至 64 个词元",
    ),
    "cause_filled": Words("the last chunk is filled up to 64 tokens", "最后一块补齐至 64 个词元"),
    "cause_states": Words(
        "no gradient goes to the zero state before the first chunk, nor from the state after the last, which nothing reads",
        "第一块之前的零状态不需要梯度，最后一块之后的状态无人读取，也没有梯度",
    ),
    "cause_sums": Words("K Kᵀ and Q Kᵀ are written as sums of products of elements", "K Kᵀ 与 Q Kᵀ 写作逐元素乘积之和"),
    "cause_routed": Words("the experts that a token is routed to", "词元所路由到的专家"),
    "cause_all_experts": Words(
        "every expert runs on every token, with zeros where it is not routed", "每个专家都对每个词元运行，未路由处以零代入"
    ),
    "cause_rotated": Words(
        "transformers keeps rotary tables of whole heads, whatever partial_rotary_factor says (MiniMaxRotaryEmbedding)",
        "无论 partial_rotary_factor 为何，transformers 都保留整个头宽的旋转表（MiniMaxRotaryEmbedding）",
    ),
    "cause_window": Words(
        "after a step the oldest token of a full window is dropped: the next takes its place",
        "一步之后，满窗口中最旧的词元被丢弃，由下一个词元取代",
    ),
    "cause_window_of_one": Words(
        "a window of one token is not cut: what is kept of it would be the last 0 tokens, which Python takes for all",
        "长度为一个词元的窗口不会被截断：应保留末尾 0 个词元，而 Python 将其视为全部",
    ),
    "cause_whole": Words("every token of a layer with a window is held", "带窗口的层保留了每一个词元"),
    "cause_repeated": Words("keys and values are held repeated to all heads", "键与值重复到所有头后保存"),
}
