"""Options of matrix calculus, and how shapes and matrices are read from text."""

from __future__ import annotations

import json
import re
from typing import Any, TypeAlias

from bursar.errors import PlanError, shown
from bursar.options.option import Option, count, degree
from bursar.precision import WIDTHS

Rows: TypeAlias = tuple[tuple[float, ...], ...]
MOST_TEXT, MOST_SIDE, MOST_VALUE = 20_000, 16, 10**9  # differences are taken entry by entry: a second for the largest of these
MOST_MATRICES, MOST_ENTRIES = 16, 1024
MATRIX = f"a JSON matrix such as [[1,2],[3,4]], of at most {MOST_SIDE} × {MOST_SIDE} numbers up to {MOST_VALUE:,}"
_SHAPE = re.compile(r"[\d_.]+[kKmM]?(x[\d_.]+[kKmM]?)+")


def matrix(text: str | list[Any]) -> Rows:
    """Rows of numbers from JSON text; a flat list is one row."""
    return _rows(_json(text, MATRIX))


def matrices(text: str | list[Any]) -> tuple[Rows, ...]:
    """A list of matrices from JSON text."""
    valid = f"a JSON list of 1 to {MOST_MATRICES} matrices of {MOST_ENTRIES:,} numbers in all, such as [[[1,0],[0,1]],[[1],[2]]]"
    found = _json(text, valid)
    if not isinstance(found, list) or not 1 <= len(found) <= MOST_MATRICES:
        raise ValueError(valid)
    read = tuple([_rows(rows) for rows in found])
    if sum(len(rows) * len(rows[0]) for rows in read) > MOST_ENTRIES:
        raise ValueError(valid)
    return read


def _json(text: str | list[Any], valid: str) -> Any:
    if not isinstance(text, str):
        return text
    if len(text) > MOST_TEXT:
        raise ValueError(f"{valid}; at most {MOST_TEXT:,} characters")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(valid) from None


def _rows(found: Any) -> Rows:
    rows = [found] if isinstance(found, list) and found and not isinstance(found[0], list) else found
    fits = isinstance(rows, list) and 1 <= len(rows) <= MOST_SIDE
    if not fits or not all(isinstance(row, list) and len(row) == len(rows[0]) and 1 <= len(row) <= MOST_SIDE for row in rows):
        raise ValueError(MATRIX)
    return tuple([tuple([_entry(entry) for entry in row]) for row in rows])


def _entry(entry: Any) -> float:
    number = isinstance(entry, (int, float)) and not isinstance(entry, bool)
    if not number or not abs(entry) <= MOST_VALUE:  # NaN is no number up to that either
        raise ValueError(MATRIX)
    return float(entry) if isinstance(entry, float) else int(entry)


def axes(text: str | int) -> tuple[int, ...]:
    """One whole number for all axes, or one for each: 2, 2x1."""
    return tuple([count(part, low=0, high=10**6) for part in str(text).split("x")])


def strides(text: str | int) -> tuple[int, ...]:
    """As `axes`, from 1."""
    return tuple([count(part, high=10**6) for part in str(text).split("x")])


def price(text: str | int) -> int:
    return count(text, low=0, high=1000)


READS = (matrix, matrices, axes, strides, price)  # what reads numbers and nothing else


def size(text: str, name: str) -> int:
    """One size of an argument. Raises PlanError."""
    try:
        return count(text, high=10**9)
    except ValueError as error:
        raise PlanError(f"{name}={shown(text)}", field=name, value=text, valid=str(error)) from None


def shape(text: str, name: str) -> tuple[int, ...]:
    """Sizes with x between them, such as 16384x32768. Raises PlanError."""
    if not _SHAPE.fullmatch(text):
        raise PlanError(f"{name}={shown(text)}", field=name, value=text, valid="sizes with x between them, such as 16384x32768")
    return tuple([size(part, name) for part in text.split("x")])


ROWS: tuple[Option, ...] = (
    Option("dtype", None, "bf16", tuple(WIDTHS), "number format of the operands", "操作数的数据类型"),
    Option(
        "result_dtype", None, None, tuple(WIDTHS), "number format of the result; default: dtype", "结果的数据类型，默认同 dtype"
    ),
    Option("stride", strides, (1,), (), "stride of a convolution: 2, or 2x1 for each axis", "卷积步幅：2，或逐轴写作 2x1"),
    Option("pad", axes, (0,), (), "padding on each side of an axis", "各轴每侧的填充"),
    Option("dilation", strides, (1,), (), "distance between the taps of a kernel", "卷积核的空洞率"),
    Option("groups", degree, 1, (), "groups of channels that a convolution keeps apart", "卷积的通道分组数"),
    Option("special", price, 1, (), "FLOPs of one exp, tanh, erf or root", "一次 exp、tanh、erf 或开方所计的 FLOP 数"),
    Option(
        "per_element", price, None, (), "FLOPs per element, in place of the counted ones", "每个元素的 FLOP 数，代替按公式所计的"
    ),
    Option(
        "storage",
        str,
        "matrix",
        (),
        "layout: matrix (Y = AX + B), columns (Y = WX + b), rows (y = xw + b), torch (y = xWᵀ + b)",
        "排布方式：matrix（Y = AX + B）、columns（Y = WX + b）、rows（y = xw + b）、torch（y = xWᵀ + b）",
    ),
    Option("a", matrix, None, (), "the weight as stored, as JSON: [[1,2],[3,4]]", "权重矩阵（按存储排布），JSON：[[1,2],[3,4]]"),
    Option("x", matrix, None, (), "the input as stored, as JSON", "输入矩阵（按存储排布），JSON"),
    Option("b", matrix, None, (), "the bias, as JSON", "偏置，JSON"),
    Option("g", matrix, None, (), "the gradient G = dL/dY that arrives, as JSON", "上游梯度 G = dL/dY，JSON"),
    Option("y", matrix, None, (), "the target of a squared error, as JSON", "平方误差的目标值，JSON"),
    Option("w", matrices, None, (), "the weights of all layers, as a JSON list of matrices", "各层权重，JSON 矩阵列表"),
    Option(
        "activation",
        str,
        "identity",
        (),
        "activation after every layer: identity, relu, tanh, sigmoid, gelu or silu",
        "各层的激活函数：identity、relu、tanh、sigmoid、gelu 或 silu",
    ),
    Option(
        "reduction", None, "sum", ("sum", "mean"), "whether a loss adds up its elements or takes their mean", "损失取和还是取平均"
    ),
)
