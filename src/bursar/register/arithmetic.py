"""Arithmetic over named answers: `a / b`, `100 * (a / 3.14e23 - 1)`, `16 * a == b`.

Numbers, names, + − * / ** and parentheses, and == or < between two sums; nothing else is read. Whole numbers and their quotients
stay exact. Expressions are short and powers bounded, so that none can hang.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, TypeAlias

from bursar.errors import PlanError, shown

Number: TypeAlias = int | float | Fraction
LENGTH, NODES, BITS = 400, 100, 4096
VALID = "numbers, names of values, + - * / ** ( ), == and <"


def parse(text: str) -> ast.expr:
    """An expression, refused if it holds anything but arithmetic."""
    if len(text) > LENGTH:
        raise _refused(text, f"at most {LENGTH} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise _refused(text, VALID) from None
    nodes = list(ast.walk(tree))
    if len(nodes) > NODES or not all(_allowed(node) for node in nodes):
        raise _refused(text, VALID)
    return tree


def names(text: str) -> set[str]:
    """The names that an expression reads."""
    return {node.id for node in ast.walk(parse(text)) if isinstance(node, ast.Name)}


def value(text: str, answers: Mapping[str, Any]) -> Any:
    """The value of an expression; a name alone stands for its answer, whatever that is."""
    tree = parse(text)
    try:
        return _value(tree, answers)
    except (ZeroDivisionError, OverflowError):
        raise PlanError(f"{text} has no value", field="value", value=text, valid="a finite result") from None


def _allowed(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return type(node.value) in (int, float)
    if isinstance(node, ast.Compare):
        return [type(op) for op in node.ops] in ([ast.Eq], [ast.Lt])
    plain = (ast.BinOp, ast.UnaryOp, ast.Name, ast.Load, ast.USub, ast.UAdd, ast.Eq, ast.Lt)
    return isinstance(node, plain) or type(node) in _OPERATORS


def _value(node: ast.expr, answers: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return answers[node.id]
    if isinstance(node, ast.UnaryOp):
        inner = _number(node.operand, answers)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.Compare):
        if isinstance(node.ops[0], ast.Lt):
            return bool(_number(node.left, answers) < _number(node.comparators[0], answers))
        return bool(_value(node.left, answers) == _value(node.comparators[0], answers))
    assert isinstance(node, ast.BinOp)
    return _OPERATORS[type(node.op)](_number(node.left, answers), _number(node.right, answers))


def _number(node: ast.expr, answers: Mapping[str, Any]) -> Number:
    found = _value(node, answers)
    if isinstance(found, bool) or not isinstance(found, (int, float, Fraction)):
        raise PlanError(f"{ast.unparse(node)} is not a number but {type(found).__name__}", field="value", valid="a number")
    return found


def _over(left: Number, right: Number) -> Number:
    """A quotient, exact where both are."""
    return left / right if isinstance(left, float) or isinstance(right, float) else Fraction(left) / right


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(exponent, int) and not isinstance(base, float):
        exact = Fraction(base)
        bits = max(exact.numerator.bit_length(), exact.denominator.bit_length())
        if bits * abs(exponent) > BITS:
            raise OverflowError
        power: Number = exact**exponent
        return power
    found: float | complex = float(base) ** float(exponent)
    if isinstance(found, complex) or not math.isfinite(found):
        raise OverflowError
    return found


_OPERATORS: Mapping[type[ast.AST], Callable[[Number, Number], Number]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: _over,
    ast.Pow: _power,
}


def _refused(text: str, valid: str) -> PlanError:
    return PlanError(f"{shown(text)} is no arithmetic", field="value", value=text, valid=valid)
