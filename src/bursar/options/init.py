"""Options of initialization, and how they are read."""

from __future__ import annotations

import math

from bursar.options.option import Option, count, degree, positive
from bursar.theory.initialization.fans import STORAGES
from bursar.theory.initialization.network import RESIDUALS

MODES = ("fan_in", "fan_out", "fan_avg")
MOST_SIZES = 200


def real(text: str | float) -> float:
    """Any finite number, below zero too."""
    valid = "a number, such as -3 or 0.02"
    try:
        value = float(text)
    except ValueError:
        raise ValueError(valid) from None
    if not math.isfinite(value):
        raise ValueError(valid)
    return value


def sizes(text: str | tuple[int, ...]) -> tuple[int, ...]:
    """Sizes with x between them: 4096x1024, 64x3x7x7."""
    parts = text.split("x") if isinstance(text, str) else [str(part) for part in text]
    if len(parts) > MOST_SIZES:
        raise ValueError(f"at most {MOST_SIZES} sizes")
    try:
        return tuple([count(part, high=10**9) for part in parts])
    except ValueError:
        raise ValueError("sizes with x between them, such as 4096x1024") from None


def span(text: str | tuple[float, float]) -> tuple[float, float]:
    """Two numbers, the smaller first: 0.1,1."""
    parts = text.split(",") if isinstance(text, str) else text
    if len(parts) != 2 or not (found := (real(parts[0]), real(parts[1])))[0] < found[1]:
        raise ValueError("two numbers, the smaller first, such as 0.1,1")
    return found


def seeded(text: str | int) -> int:
    return count(text, low=0, high=2**32)


READS = (real, sizes, span, seeded)
ROWS: tuple[Option, ...] = (
    Option("fan_in", degree, None, (), "inputs that an output sums", "扇入：每个输出所求和的输入数"),
    Option("fan_out", degree, None, (), "outputs that an input reaches", "扇出：每个输入所影响的输出数"),
    Option("shape", sizes, None, (), "shape of the weight as stored: 4096x1024", "权重的存储形状：4096x1024"),
    Option(
        "weight_layout", None, "torch", tuple(STORAGES),
        "how the weight is stored: torch (out, in, *kernel), rows (*kernel, in, out), transposed (in, out, *kernel), "
        "embedding (vocabulary, width)",
        "权重的存储方式：torch（out, in, *kernel）、rows（*kernel, in, out）、transposed（in, out, *kernel）、"
        "embedding（词表, 宽度）",
    ),
    Option("gain", positive, None, (), "factor on the standard deviation", "标准差的增益系数"),
    Option("nonlinearity", str, None, (), "activation whose outputs are the inputs", "激活函数，其输出即该层的输入"),
    Option("slope", real, None, (), "slope of a leaky ReLU below zero [0.01]", "Leaky ReLU 负半轴的斜率，默认 0.01"),
    Option("mode", None, "fan_in", MODES, "the fan that He's rule divides by", "He 规则所除的扇数"),
    Option("std", positive, None, (), "standard deviation", "标准差"),
    Option("layers", degree, None, (), "layers of a network; of a transformer, its blocks", "网络层数；对 Transformer 为块数"),
    Option(
        "sigmas", positive, None, (), "where a normal is cut, in standard deviations on both sides", "两侧的截断处，以标准差为单位"
    ),
    Option("low", real, None, (), "lower bound of a truncated normal, a value (a of trunc_normal_)", "截断正态的下界（绝对值）"),
    Option("high", real, None, (), "upper bound of a truncated normal, a value (b of trunc_normal_)", "截断正态的上界（绝对值）"),
    Option("center", real, 0.0, (), "mean before it is cut", "截断前的均值"),
    Option(
        "between", span, None, (), "two sizes: the share of outputs whose absolute value lies between them",
        "求输出绝对值落在两数之间的比例",
    ),
    Option("width", degree, None, (), "width of a layer", "层宽"),
    Option("base_width", degree, None, (), "width of the model whose values were tuned", "调参所用小模型的宽度"),
    Option("sizes", sizes, None, (), "sizes of a network from input to output: 784x256x256x10", "网络各层大小：784x256x256x10"),
    Option("scheme", str, None, (), "variance rule (bursar init --help lists them)", "方差规则（见 bursar init --help）"),
    Option(
        "residual", None, "none", RESIDUALS, "residual stream: none, plain, or norm before each branch",
        "残差流：无、普通、分支前归一化",
    ),
    Option(
        "branch_scale", None, False, (), "projections into the stream are divided by the root of the branches",
        "残差投影除以分支数的平方根",
    ),
    Option("branch", None, False, (), "the weight projects into a residual stream", "该权重投影到残差流"),
    Option(
        "distribution", None, None, ("normal", "uniform", "truncated", "orthogonal"),
        "what weights are drawn from; default: as the rule's authors do", "权重的抽样分布，默认随规则",
    ),
    Option(
        "samples", count, None, (), "inputs of a measurement, over all networks; without it only predictions",
        "测量所用的输入总数；省略则只预测",
    ),
    Option("networks", degree, 50, (), "networks that are drawn for a measurement", "测量时抽取的网络个数"),
    Option("seed", seeded, 0, (), "seed of random numbers", "随机数种子"),
    Option("head_dim", degree, None, (), "width of an attention head", "注意力头的宽度"),
)  # fmt: skip
