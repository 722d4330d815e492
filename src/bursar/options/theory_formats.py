"""Options of number formats and of what they do to numbers."""

from __future__ import annotations

from bursar.formats import ROUNDINGS
from bursar.options.init import real
from bursar.options.option import Option, count, degree, share

MOST_ADDITIONS, MOST_SIDE, MOST_STEPS = 1_000_000, 1024, 100_000


def additions(text: str | int) -> int:
    return count(text, high=MOST_ADDITIONS)


def side(text: str | int) -> int:
    return count(text, low=2, high=MOST_SIDE)


def steps(text: str | int) -> int:
    return count(text, high=MOST_STEPS)


def names(text: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """Names with commas between them."""
    found = tuple([part.strip() for part in text.split(",")] if isinstance(text, str) else text)
    if not all(found) or len(found) > 40:
        raise ValueError("names with commas between them, at most 40")
    return found


def sides(text: str | tuple[int, ...] | list[int]) -> tuple[int, ...]:
    """Whole numbers with commas between them."""
    parts = text.split(",") if isinstance(text, str) else text
    if len(parts) > 20:
        raise ValueError("at most 20 whole numbers")
    return tuple([count(part if isinstance(part, int) else part.strip(), high=MOST_SIDE) for part in parts])


def magnitude(text: str | float) -> float:
    value = real(text)
    if not 1e-30 <= value <= 1e30:
        raise ValueError("a number from 1e-30 to 1e30")
    return value


def amount(text: str | float) -> float:
    value = real(text)
    if not abs(value) <= 1e30:
        raise ValueError("a number from -1e30 to 1e30")
    return value


def factor(text: str | float) -> float:
    value = real(text)
    if not 1 <= value <= 100:
        raise ValueError("a number from 1 to 100")
    return value


def powers(text: str | float) -> float:
    value = real(text)
    if not 0 < value <= 10:
        raise ValueError("a number above 0 and up to 10")
    return value


def within(text: str | tuple[float, float]) -> tuple[float, float]:
    """Two numbers, the smaller first."""
    parts = text.split(",") if isinstance(text, str) else text
    if len(parts) != 2 or not (found := (real(parts[0]), real(parts[1])))[0] < found[1]:
        raise ValueError("two numbers, the smaller first, such as 0,2")
    return found


READS = (additions, side, steps, names, sides, magnitude, amount, factor, powers, within)  # what reads numbers and names

ROWS: tuple[Option, ...] = (
    Option("rounding", None, "nearest-even", (*ROUNDINGS, "stochastic"), "how a value is rounded", "舍入方式"),
    Option("saturate", None, False, (), "a value that is too large becomes the largest number", "溢出时取最大值（饱和）"),
    Option("formats", names, None, (), "number formats with commas between them", "数值格式，以逗号分隔"),
    Option("addend", amount, 1e-4, (), "what is added every time", "每次加上的数"),
    Option("additions", additions, 10_000, (), "how many times", "相加次数"),
    Option("start", amount, 0.0, (), "the sum before the first addition", "初始的和"),
    Option("loss_scale", magnitude, 65536.0, (), "factor on the loss; of a dynamic one its start", "损失缩放因子（动态时为初值）"),
    Option("growth", factor, 2.0, (), "factor on the scale after good steps in a row", "连续正常若干步后的放大系数"),
    Option("backoff", share, 0.5, (), "factor on the scale after a step that overflowed", "溢出后的缩小系数"),
    Option("growth_interval", degree, 2000, (), "good steps in a row before the scale grows", "放大前所需的连续正常步数"),
    Option(
        "events", str, None, (), "what happens step by step: good,overflow,good*2000", "逐步发生的情况：good,overflow,good*2000"
    ),
    Option("tiny", amount, None, (), "one gradient, stored with and without the scale", "单个梯度，分别在缩放与不缩放下存储"),
    Option("median", magnitude, 1e-7, (), "median of log-normal magnitudes of gradients", "梯度绝对值（对数正态）的中位数"),
    Option("decades", powers, 1.5, (), "their standard deviation in powers of ten", "其标准差（以 10 的幂次计）"),
    Option("steps", steps, None, (), "steps", "步数"),
    Option("matrix_size", side, 128, (), "rows and columns of both matrices", "两个方阵的边长"),
    Option("blocks", sides, (128, 32, 16), (), "elements that share a scale: 128,32,16", "共享缩放因子的元素数：128,32,16"),
    Option("outliers", None, False, (), "a few channels of the first matrix are much larger", "第一个矩阵含少数离群通道"),
    Option("within", within, None, (), "the part of the number line: 0,2", "数轴范围：0,2"),
)  # fmt: skip
