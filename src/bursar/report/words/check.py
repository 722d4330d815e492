"""Words of the register and of its replay."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words.words import Words

WORDS: Mapping[str, Words] = {
    "check_register": Words("the register", "登记册"),
    "check_place": Words("{id} (lecture notes {document}, lines {lines})", "{id}（讲义 {document}，第 {lines} 行）"),
    "check_numbers": Words("Numbers", "数值"),
    "check_statements": Words("Statements", "陈述"),
    "check_group": Words("group", "组"),
    "check_claimed": Words("claimed", "主张"),
    "check_computed": Words("computed", "计算所得"),
    "check_what": Words("what", "内容"),
    "check_verdict": Words("verdict", "结论"),
    "check_stated": Words("Stated: {text}", "原文：{text}"),
    "check_reason": Words("Verdict: {text}", "评判：{text}"),
    "check_positions": Words("Positions: {text}", "各方说法：{text}"),
    "check_convention": Words("Convention: {text}", "约定：{text}"),
    "check_because": Words("Reason: {text}", "理由：{text}"),
    "check_shows": Words("Shown by: {text}", "演示：{text}"),
    "check_refused": Words("bursar refused: {text}", "bursar 拒绝回答：{text}"),
    "check_asked": Words("asked: {text}", "所问：{text}"),
    "check_torch": Words("needs PyTorch: pip install 'bursar[torch]'", "需要 PyTorch：pip install 'bursar[torch]'"),
    "check_needs": Words("waits for bursar {text}", "待 bursar {text} 完成"),
    "check_N1": Words("cost of tensor operations", "张量运算的代价"),
    "check_N2": Words("matrix calculus", "矩阵微积分"),
    "check_N3": Words("FLOPs of training", "训练的 FLOP"),
    "check_N4": Words("throughput, MFU, time and cost", "吞吐量、MFU、时间与费用"),
    "check_N5": Words("parameters and architectures", "参数量与架构"),
    "check_N6": Words("number formats and mixed precision", "数值格式与混合精度"),
    "check_N7": Words("static memory and sharding", "静态显存与分片"),
    "check_N8": Words("activations, recomputation, inference", "激活值、重计算与推理"),
    "check_N9": Words("optimizers and the training step", "优化器与训练步"),
    "check_N10": Words("initialization and variance", "初始化与方差"),
    "check_N11": Words("scaling laws", "缩放定律"),
    "check_N12": Words("measuring, explaining, drawing", "测量、说明与绘图"),
    "reproduced": Words("reproduced", "复现"),
    "differs": Words("differs", "不符"),
    "refused": Words("refused", "拒绝回答"),
    "not built": Words("not built", "尚未实现"),
    "not measured": Words("not measured", "未测量"),
    "OK": Words("right", "正确"),
    "COND": Words("right under a condition", "有条件成立"),
    "WRONG": Words("wrong", "错误"),
    "VAGUE": Words("vague", "含糊"),
    "CONFLICT": Words("contradictory", "矛盾"),
    "GAP": Words("missing", "缺漏"),
    "WISH": Words("wished for", "愿望"),
    "ADOPTED": Words("convention", "约定"),
    "check_sum": Words(
        "{total:,} numbers: {reproduced:,} reproduced, {differs:,} differ, {refused:,} refused, {not_built:,} not built, "
        "{not_measured:,} not measured.",
        "数值共 {total:,} 个：复现 {reproduced:,} 个，不符 {differs:,} 个，拒绝回答 {refused:,} 个，尚未实现 {not_built:,} 个，"
        "未测量 {not_measured:,} 个。",
    ),
    "check_part": Words("{count:,} {verdict}", "{verdict} {count:,}"),
    "check_said": Words("{total:,} statements: {parts}.", "陈述共 {total:,} 条：{parts}。"),
}
