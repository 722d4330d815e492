"""Options of scaling laws."""

from __future__ import annotations

from bursar.options.option import Option, count, degree, positive, rank

ROWS: tuple[Option, ...] = (
    Option("law", str, None, (), "scaling law (bursar scaling laws)", "缩放定律（见 bursar scaling laws）"),
    Option("params", count, None, (), "parameters, by the law's counting rule", "参数量，按该定律的计数规则"),
    Option("flops", positive, None, (), "compute of a training run in FLOP", "训练计算量（FLOP）"),
    Option("budget", positive, None, (), "compute to spend, in FLOP", "计算预算（FLOP）"),
    Option("usd", positive, None, (), "money to spend, in US dollars", "资金预算（美元）"),
    Option("days", positive, None, (), "days that the run may take", "训练可用天数"),
    Option("loss", positive, None, (), "loss to reach, in the law's unit", "目标损失，按该定律的单位"),
    Option("unique_tokens", count, None, (), "different tokens that there are; more are repeats", "不重复的词元数"),
    Option("inference_tokens", count, None, (), "tokens that the model will read and write in use", "推理阶段的总词元数"),
    Option("experts", degree, None, (), "routed experts; in a law's terms, for one that a token uses", "路由专家数"),
    Option(
        "granularity",
        degree,
        None,
        (),
        "experts that make a dense layer's width, so many of which a token uses",
        "专家粒度：合为一个稠密层宽度、每词元使用的专家数",
    ),
    Option("bits", positive, None, (), "bits of weights, activations and cache", "权重、激活与缓存的位数"),
    Option("width_ratio", positive, None, (), "width over that of a tuned small model", "宽度与已调优小模型宽度之比"),
    Option("form", str, "additive", (), "what is fitted: additive, besiroglu, approach-1, approach-2 or approach-3", "拟合形式"),
    Option("resamples", rank, 200, (), "resampled sets of rows that intervals come from", "自助法重采样次数"),
    Option("delta", positive, 1e-3, (), "residual of ln L beyond which Huber's loss is linear", "Huber 损失转为线性的残差"),
    Option("derivation", str, None, (), "frontier, hoffmann or kaplan; default: all", "推导名称，默认全部"),
    Option("family", str, None, (), "family of a new model: llama, qwen3, mixtral, qwen3_moe", "新模型的系列"),
    Option("vocab", degree, None, (), "vocabulary of a new model; default: the family's, or smaller", "新模型的词表大小"),
)
