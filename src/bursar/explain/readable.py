"""Formulas as people read them, as LaTeX and as code, with their terms in the order of papers; and the numbers put in.

SymPy sorts factors by name, b·h·s; papers write sbh and as²b, which is what is printed here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import sympy as sp

ORDER = "NDLaksbhdfV"  # letters of papers in their usual order, others after them
SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "lambda": "λ", "mu": "μ", "tau": "τ"}


class Style(NamedTuple):
    """How a formula is written: a letter, a power, factors after a count, a quotient, a sum in brackets, a function, minus."""

    letter: Callable[[str], str]
    power: Callable[[str, str, bool], str]
    product: Callable[[str, Sequence[str]], str]
    quotient: Callable[[str, Sequence[str]], str]
    bracket: Callable[[str], str]
    function: Callable[[str, Sequence[str]], str]
    minus: str
    equals: str = "="


def text(formula: Any) -> str:
    """A formula on one line: 34sbh + 5as²b."""
    return _written(TEXT, sp.sympify(formula))


def latex(formula: Any) -> str:
    """The same in LaTeX's mathematical mode."""
    return _written(LATEX, sp.sympify(formula))


def code(formula: Any) -> str:
    """The same as Python, which SymPy reads."""
    return _written(CODE, sp.sympify(formula))


def number(found: Any) -> str:
    """A number with commas: whole ones exactly, others to six digits."""
    if isinstance(found, Fraction):
        found = found.numerator if found.denominator == 1 else float(found)
    shown = f"{found:,.6g}" if isinstance(found, float) else f"{int(found):,}"
    return shown.replace("-", "−", 1) if found < 0 else shown


# ── terms and factors ────────────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=4096)
def terms(formula: Any) -> tuple[Any, ...]:
    """The terms of a sum in the order in which they are written."""
    found = formula.args if isinstance(formula, sp.Add) else (formula,)
    return tuple(sorted(found, key=_place))


def _place(term: Any) -> tuple[Any, ...]:
    coefficient, factors = parts(term)
    degree = {base.name: exponent for base, exponent in factors if base.is_Symbol and exponent.is_number}
    return coefficient < 0, degree.get("s", 0), -sum(degree.values()), -degree.get("h", 0), text(term)


@lru_cache(maxsize=4096)
def parts(term: Any) -> tuple[Fraction, tuple[tuple[Any, Any], ...]]:
    """A product as its coefficient and (base, exponent) of its other factors, in the order of papers."""
    coefficient, factors = Fraction(1), []
    for factor in term.args if isinstance(term, sp.Mul) else (term,):
        if factor.is_Rational:
            coefficient *= Fraction(int(factor.p), int(factor.q))
        else:
            factors.append(factor.as_base_exp())
    return coefficient, tuple(sorted(factors, key=_rank))


def _rank(factor: tuple[Any, Any]) -> tuple[bool, int, str]:
    base = factor[0]
    if not base.is_Symbol:
        return True, 0, text(base)
    known = len(base.name) == 1 and base.name in ORDER
    return False, ORDER.index(base.name) if known else len(ORDER), base.name


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=16384)
def _written(style: Style, formula: Any) -> str:
    if formula.is_Symbol:
        return style.letter(formula.name)
    if formula.is_Float:
        return number(float(formula))
    if isinstance(formula, sp.Equality):
        return f"{_written(style, formula.lhs)} {style.equals} {_written(style, formula.rhs)}"
    if isinstance(formula, sp.Add):
        return _sum(style, [(_written(style, term), parts(term)[0] < 0) for term in terms(formula)])
    if isinstance(formula, (sp.Function, sp.Min, sp.Max)):
        return style.function(formula.func.__name__, [_written(style, argument) for argument in formula.args])
    coefficient, factors = parts(formula)
    above = [_power(style, base, exponent) for base, exponent in factors if not _below(exponent)]
    below = [_power(style, base, -exponent) for base, exponent in factors if _below(exponent)]
    if coefficient.denominator != 1:
        below = [str(coefficient.denominator), *below]
    size = abs(coefficient.numerator)
    top = style.product("" if size == 1 and above else _count(style, size), above)
    whole = style.quotient(top, below) if below else top
    return f"{style.minus}{whole}" if coefficient < 0 else whole


def _count(style: Style, size: int) -> str:
    return str(size) if style is CODE else f"{size:,}"


def _below(exponent: Any) -> bool:
    return bool(exponent.could_extract_minus_sign())


def _power(style: Style, base: Any, exponent: Any) -> str:
    alone = base.is_Symbol or isinstance(base, (sp.Function, sp.Min, sp.Max))
    inside = _written(style, base) if alone else style.bracket(_written(style, base))
    return inside if exponent == 1 else style.power(inside, _written(style, exponent), exponent.is_Atom)


def _sum(style: Style, found: list[tuple[str, bool]]) -> str:
    first, *others = found
    return first[0] + "".join(
        f" {style.minus} {term.removeprefix(style.minus)}" if negative else f" + {term}" for term, negative in others
    )


def _round(inside: str) -> str:
    return f"({inside})"


def _text_letter(name: str) -> str:
    first, *rest = name.split("_")
    return "_".join([GREEK.get(first, first), *rest])


def _text_power(base: str, exponent: str, atom: bool) -> str:
    if exponent.isdigit():
        return base + exponent.translate(SUPERSCRIPTS)
    return f"{base}^{exponent}" if atom else f"{base}^({exponent})"


def _text_product(count: str, factors: Sequence[str]) -> str:
    """Letters side by side; names of several letters, brackets and numbers apart."""
    groups, before = [count], bool(count)
    for factor in factors:
        plain = len(factor.rstrip("⁰¹²³⁴⁵⁶⁷⁸⁹")) == 1 and not factor.isdigit()
        if plain and before:
            groups[-1] += factor
        else:
            groups.append(factor)
        before = plain
    return "·".join(filter(None, groups))


def _text_quotient(top: str, below: Sequence[str]) -> str:
    bottom = _text_product("", below)
    return f"{top}/{bottom}" if len(below) == 1 else f"{top}/({bottom})"


def _text_function(name: str, arguments: Sequence[str]) -> str:
    left, right = {"ceiling": ("⌈", "⌉"), "floor": ("⌊", "⌋")}.get(name, (f"{name.lower()}(", ")"))
    return left + ", ".join(arguments) + right


def _latex_letter(name: str) -> str:
    first, *rest = name.split("_")
    letter = f"\\{first}" if first in GREEK else first
    if not rest:
        return letter
    under = "\\,".join(rest)
    return f"{letter}_{{{under}}}" if len(under) == 1 else f"{letter}_{{\\mathrm{{{under}}}}}"


def _latex_function(name: str, arguments: Sequence[str]) -> str:
    left, right = {"ceiling": (r"\lceil ", r" \rceil"), "floor": (r"\lfloor ", r" \rfloor")}.get(
        name, (rf"\{name.lower()}\left(", r"\right)")
    )
    return left + ", ".join(arguments) + right


TEXT = Style(_text_letter, _text_power, _text_product, _text_quotient, _round, _text_function, "−")
LATEX = Style(
    _latex_letter,
    lambda base, exponent, atom: f"{base}^{{{exponent}}}",
    lambda count, factors: " ".join(filter(None, (count.replace(",", r"\,"), *factors))),
    lambda top, below: rf"\frac{{{top}}}{{{' '.join(below)}}}",
    lambda inside: rf"\left({inside}\right)",
    _latex_function,
    "-",
)  # fmt: skip
CODE = Style(
    lambda name: name,
    lambda base, exponent, atom: f"{base}**{exponent}" if atom else f"{base}**({exponent})",
    lambda count, factors: "*".join(filter(None, (count, *factors))),
    lambda top, below: f"{top}/{below[0]}" if len(below) == 1 else f"{top}/({'*'.join(below)})",
    _round,
    lambda name, arguments: f"{name}({', '.join(arguments)})",
    "-",
)  # fmt: skip


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def value(formula: Any, numbers: Mapping[str, Any]) -> Any:
    """A formula at its numbers, exact where these are whole."""
    return _value(sp.sympify(formula), numbers)


def substituted(formula: Any, numbers: Mapping[str, Any]) -> str:
    """A formula with its numbers put in: every term as its coefficient times the number of its letters."""
    return _substituted(sp.sympify(formula), numbers)


def _value(formula: Any, numbers: Mapping[str, Any]) -> Any:
    if formula.is_Symbol:
        found = numbers[formula.name]
        return Fraction(found) if isinstance(found, int) else found
    if formula.is_Rational:
        return Fraction(int(formula.p), int(formula.q))
    if formula.is_Number:
        return float(formula)
    inside = [_value(argument, numbers) for argument in formula.args]
    if isinstance(formula, sp.Add):
        return sum(inside)
    if isinstance(formula, sp.Mul):
        return _multiplied(inside)
    if isinstance(formula, sp.Pow):
        base, exponent = inside
        return base ** (exponent.numerator if isinstance(exponent, Fraction) and exponent.denominator == 1 else exponent)
    if isinstance(formula, (sp.Min, sp.Max)):
        return min(inside) if isinstance(formula, sp.Min) else max(inside)
    found = formula.func(*[sp.Rational(each.numerator, each.denominator) for each in inside])  # ceilings, powers of two
    return Fraction(int(found.p), int(found.q))


def _multiplied(factors: list[Any]) -> Any:
    result: Any = Fraction(1)
    for factor in factors:
        result = result * factor
    return result


def _substituted(formula: Any, numbers: Mapping[str, Any]) -> str:
    if isinstance(formula, sp.Add):
        return _sum(TEXT, [(_substituted(term, numbers), parts(term)[0] < 0) for term in terms(formula)])
    coefficient, factors = parts(formula)
    sums = [base for base, exponent in factors if isinstance(base, sp.Add) and exponent == 1]
    rest = _multiplied([_value(base, numbers) if exponent == 1 else _value(base**exponent, numbers) for base, exponent in factors
                        if base not in sums])  # fmt: skip
    whole = coefficient * rest
    if isinstance(whole, Fraction) and (rest.denominator != 1 or coefficient.denominator != 1):
        coefficient, rest = Fraction(1), whole
    sign, size = "−" if coefficient < 0 else "", abs(coefficient)
    shown = [number(each) for each in (size, rest) if each != 1] + [f"({_substituted(each, numbers)})" for each in sums]
    return sign + ("·".join(shown) or "1")
