"""Letters of derivations beside those of configs, and what each means."""

from __future__ import annotations

from bursar.notation import SYMBOLS

# letters of rules and jobs: English, Chinese
OTHERS: dict[str, tuple[str, str]] = {
    "N": ("parameters", "参数量"),
    "D": ("tokens", "词元数"),
    "X": ("parameters of experts on a rank", "一张卡上的专家参数量"),
    "n": ("ranks that share optimizer states", "共享优化器状态的卡数"),
    "x": ("ranks that share the states of experts", "共享专家状态的卡数"),
    "F": ("bytes of frozen weights", "冻结权重的字节数"),
    "A": ("bytes of activations that a micro-batch keeps", "一个微批量保留的激活值字节数"),
    "Z": ("bytes of logits that a micro-batch keeps", "一个微批量保留的 logits 字节数"),
    "T": ("bytes of the tables of all layers", "各层共享的表的字节数"),
    "m": ("micro-batches of a step", "每步的微批量数"),
    "m_f": ("micro-batches in flight", "在途的微批量数"),
    "G": ("gradient of what an operator makes", "算子输出的梯度"),
    "γ": ("gain of a norm", "归一化的增益"),
    "β": ("shift of a norm", "归一化的偏移"),
    "q": ("width of all queries over that of the residual stream", "查询总宽度与隐藏维度之比"),
    "g": ("width of all keys over that of the residual stream", "键总宽度与隐藏维度之比"),
}
# the first part of a name of several
FAMILIES: dict[str, tuple[str, str]] = {
    "R": ("achieved rate of the device, or overhead of a kernel in seconds", "设备的可达速率，或单个算子的开销（秒）"),
    "tau": ("seconds of one micro-batch", "一个微批量的用时（秒）"),
    "T": ("seconds", "用时（秒）"),
    "B": ("bytes", "字节数"),
    "O": ("bytes of an overhead", "一项开销的字节数"),
    "A": ("bytes of activations", "激活值的字节数"),
    "Z": ("bytes of logits", "logits 的字节数"),
}


def meaning(letter: str, lang: str) -> str:
    """What a letter stands for."""
    for symbol in SYMBOLS:
        if symbol.letter == letter:
            return symbol.meaning_zh if lang == "zh" else symbol.meaning
    en, zh = OTHERS.get(letter) or FAMILIES.get(letter.split("_")[0], ("", ""))
    return zh if lang == "zh" else en
