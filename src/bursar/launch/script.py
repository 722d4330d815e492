"""A shell script as words: options, overrides and assignments of literals. A script is read, never run."""

from __future__ import annotations

import ast
import operator
import re
import shlex
from collections.abc import Callable, Iterator, Mapping

from bursar.errors import PlanError, shown

Variables = dict[str, str | None]

_ASSIGNED = re.compile(r"([A-Za-z_]\w*)\+?=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::-([^{}$]*))?\})")
_ARITHMETIC = re.compile(r"\$\(\(([^()`]{1,200})\)\)")
_NAME = re.compile(r"(?<![\w${])([A-Za-z_]\w*)")  # a variable, whose $ arithmetic may leave out
_OPERATORS: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
_SHELL = frozenset("();&|<>")


def words(text: str) -> list[str]:
    """The words of a script; a word of quotes that holds options, such as "--fp8-format hybrid" or args=" --a 1", is theirs."""
    whole = _ARITHMETIC.sub(lambda found: "$[" + _NAME.sub(r"${\1}", found[1]).replace(" ", "") + "]", text.replace("\\\n", " "))
    return [inner for word in _split(whole) for inner in _opened(word)]


def _split(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars="();&|<>")
    lexer.whitespace_split, lexer.commenters = True, "#"
    try:
        return list(lexer)
    except ValueError as error:
        raise PlanError(f"the script does not parse: {error}", field="file", valid="a shell script or arguments") from None


def _opened(word: str) -> list[str]:
    assigned = _ASSIGNED.fullmatch(word)
    value = assigned[2] if assigned else word
    if not value.lstrip().startswith("--") or " " not in value.strip():
        return [word]
    return [*([f"{assigned[1]}="] if assigned else []), *_split(value)]


def options(found: list[str], variables: Variables) -> Iterator[tuple[str, list[str]]]:
    """Every option with its words; assignments are noted as they pass."""
    name, values = "", list[str]()
    for word in found:
        option = word.startswith("--") and len(word) > 2
        assignment = not option and assigned(word, variables)
        if not option and not assignment and not set(word) <= _SHELL:
            values.append(word)
            continue
        if name:
            yield name, values
        name, values = "", []
        if option:
            key, equals, value = word[2:].partition("=")
            name, values = key.replace("-", "_"), [value] if equals else []
    if name:
        yield name, values


def assigned(word: str, variables: Variables) -> bool:
    """Whether a word is an assignment, which is noted: NAME=${NAME:-8} gives a default, and a variable of two values has none."""
    match = _ASSIGNED.fullmatch(word)
    if match is None:
        return False
    name, value = match[1], match[2]
    usual = _VARIABLE.fullmatch(value)
    value = usual[3] if usual and usual[2] == name and usual[3] is not None else value
    variables[name] = value if variables.get(name, value) == value else None
    return True


def filled(name: str, value: str, variables: Mapping[str, str | None]) -> str:
    """A value with its variables put in and its arithmetic worked out."""
    given = value
    for _ in range(4):
        if "$" not in value:
            return value
        value = _VARIABLE.sub(lambda match: _looked_up(match, variables), value)[:1000]
        value = re.sub(r"\$\[([^\[\]$]*)\]", _computed, value)
    raise PlanError(f"{name} {shown(given)} is no literal", field=name, value=given, valid="a value, or a variable with one")


def _looked_up(match: re.Match[str], variables: Mapping[str, str | None]) -> str:
    value = variables.get(match[1] or match[2])
    if value is None and (match[1] or match[2]) not in variables:
        value = match[3]
    return "$" if value is None else value


def _computed(match: re.Match[str]) -> str:
    """Sums and products of whole numbers; anything else stays as it is."""
    try:
        return str(_value(ast.parse(match[1], mode="eval").body))
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return "$"


def _value(node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int and node.value < 10**12:
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    raise ValueError("no whole number")
