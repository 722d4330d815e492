"""What a letter stands for, here and in the papers, which give the same one to different things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bursar.errors import UnknownNameError
from bursar.explain.notation import OTHERS
from bursar.notation import SYMBOLS


class Meaning(NamedTuple):
    """What a source means by a letter. `source` is an id of `data/sources.toml`; empty: these formulas."""

    letter: str
    source: str
    en: str
    zh: str


# register B14 and the papers whose formulas are here
PAPERS: tuple[Meaning, ...] = (
    Meaning("a", "korthikanti-2022", "attention heads", "注意力头数"),
    Meaning("B", "megatron-2021", "global batch, in sequences", "全局批量（序列数）"),
    Meaning("B", "kaplan-2020", "batch, in tokens", "批量（词元数）"),
    Meaning("B", "hoffmann-2022", "constant of the data term of the loss", "损失中数据项的常数"),
    Meaning("B", "mamba", "input matrix of the states", "状态的输入矩阵"),
    Meaning("B", "llama-3", "billion, in names of models", "十亿（模型名中的单位）"),
    Meaning("b", "korthikanti-2022", "micro-batch, in sequences", "微批量（序列数）"),
    Meaning("b", "megatron-2021", "micro-batch, in sequences", "微批量（序列数）"),
    Meaning("b", "transformer", "bias of a layer", "层的偏置"),
    Meaning("b", "layer-norm", "bias of a norm", "归一化的偏置"),
    Meaning("A", "hoffmann-2022", "constant of the parameter term of the loss", "损失中参数项的常数"),
    Meaning("A", "mamba", "matrix that decays the states", "状态的衰减矩阵"),
    Meaning("C", "kaplan-2020", "training compute, 6NBS", "训练计算量 6NBS"),
    Meaning("C", "hoffmann-2022", "training compute, in FLOP", "训练计算量（FLOP）"),
    Meaning("C", "mamba", "output matrix of the states", "状态的输出矩阵"),
    Meaning("D", "kaplan-2020", "tokens of the data set", "数据集的词元数"),
    Meaning("D", "hoffmann-2022", "tokens of the whole run", "整个训练的词元数"),
    Meaning("D", "mamba", "channels of a layer", "层的通道数"),
    Meaning("d", "transformer", "width of the residual stream (d_model)", "隐藏维度（d_model）"),
    Meaning("d", "flash-attention", "width of a head", "每头维度"),
    Meaning("E", "hoffmann-2022", "loss that no model gets below", "不可约损失"),
    Meaning("E", "clark-2022", "experts of a layer", "专家数"),
    Meaning("G", "krajewski-2024", "granularity of experts", "专家粒度"),
    Meaning("g", "layer-norm", "gain of a norm", "归一化的增益"),
    Meaning("H", "palm", "attention heads", "注意力头数"),
    Meaning("h", "korthikanti-2022", "width of the residual stream", "隐藏维度"),
    Meaning("h", "transformer", "attention heads", "注意力头数"),
    Meaning("h", "mamba", "state", "状态"),
    Meaning("K", "zero", "bytes of optimizer states per parameter (12 for Adam)", "每参数的优化器状态字节数（Adam 为 12）"),
    Meaning("K", "transformer", "keys", "键"),
    Meaning("k", "transformer", "width of keys, as d_k", "键的维度（d_k）"),
    Meaning("k", "sparsely-gated", "experts that a token goes to", "每个词元激活的专家数"),
    Meaning("L", "korthikanti-2022", "layers", "层数"),
    Meaning("L", "palm", "layers", "层数"),
    Meaning("L", "kaplan-2020", "loss, in nats per token", "损失（每词元 nat）"),
    Meaning("L", "hoffmann-2022", "loss", "损失"),
    Meaning("L", "mamba", "length of the sequence", "序列长度"),
    Meaning("l", "megatron-2021", "layers", "层数"),
    Meaning("M", "flash-attention", "size of on-chip memory", "片上存储容量"),
    Meaning("M", "deepseek-llm", "model scale: FLOP per token without embeddings", "模型规模：不含嵌入的每词元 FLOP"),
    Meaning("m", "megatron-2021", "micro-batches of a pipeline", "流水线的微批量数"),
    Meaning("m", "adam", "first moment", "一阶矩"),
    Meaning("N", "kaplan-2020", "parameters without embeddings", "不含嵌入的参数量"),
    Meaning("N", "hoffmann-2022", "parameters", "参数量"),
    Meaning("N", "palm", "all parameters", "全部参数量"),
    Meaning("N", "flash-attention", "length of the sequence", "序列长度"),
    Meaning("N", "mamba", "states of a channel", "每通道的状态数"),
    Meaning("P", "flash-attention", "softmax of the scores", "分数的 softmax"),
    Meaning("P", "megatron-2021", "parameters of the model", "模型的参数量"),
    Meaning("p", "megatron-2021", "pipeline stages", "流水线级数"),
    Meaning("p", "korthikanti-2022", "pipeline stages", "流水线级数"),
    Meaning("Q", "palm", "width of a head", "每头维度"),
    Meaning("Q", "transformer", "queries", "查询"),
    Meaning("r", "lora", "rank of an adapter", "适配器的秩"),
    Meaning("S", "kaplan-2020", "steps of the run", "训练步数"),
    Meaning("S", "flash-attention", "scores Q·Kᵀ", "分数 Q·Kᵀ"),
    Meaning("s", "korthikanti-2022", "length of the sequence", "序列长度"),
    Meaning("T", "palm", "length of the sequence", "序列长度"),
    Meaning("T", "megatron-2021", "tokens of the whole run", "整个训练的词元数"),
    Meaning("t", "korthikanti-2022", "tensor-parallel ranks", "张量并行度"),
    Meaning("t", "adam", "number of the step", "步数"),
    Meaning("V", "megatron-2021", "vocabulary", "词表大小"),
    Meaning("V", "transformer", "values", "值"),
    Meaning("v", "korthikanti-2022", "vocabulary", "词表大小"),
    Meaning("v", "megatron-2021", "virtual stages of a rank", "每卡的虚拟级数"),
    Meaning("v", "adam", "second moment", "二阶矩"),
    Meaning("Ψ", "zero", "parameters", "参数量"),
    Meaning("α", "hoffmann-2022", "exponent of parameters in the loss", "损失中参数项的指数"),
    Meaning("α", "adam", "learning rate", "学习率"),
    Meaning("β", "hoffmann-2022", "exponent of tokens in the loss", "损失中数据项的指数"),
    Meaning("β", "adam", "decay of the moments", "矩的衰减系数"),
    Meaning("ε", "adam", "what keeps the root from zero", "避免除以零的小量"),
    Meaning("μ", "layer-norm", "mean of a row", "每行的均值"),
)
OURS: tuple[Meaning, ...] = (
    *[Meaning(symbol.letter, "", symbol.meaning, symbol.meaning_zh) for symbol in SYMBOLS],
    *[Meaning(letter, "", *texts) for letter, texts in OTHERS.items()],
)


def letters(wanted: str | None = None) -> Mapping[str, tuple[Meaning, ...]]:
    """Every letter with its meanings, these formulas' own first; or one of them. Raises UnknownNameError."""
    found: dict[str, list[Meaning]] = {}
    for meaning in (*OURS, *PAPERS):
        found.setdefault(meaning.letter, []).append(meaning)
    if wanted is not None and wanted not in found:
        raise UnknownNameError("letter", wanted, found)
    return {name: tuple(meanings) for name, meanings in found.items() if wanted in (None, name)}


def clashes(meanings: tuple[Meaning, ...]) -> bool:
    """Whether a letter stands for more than one thing."""
    return len({meaning.en for meaning in meanings}) > 1
