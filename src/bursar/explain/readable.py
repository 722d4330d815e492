"""Formulas as people read them: letters side by side as papers print them, and the numbers put in."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import sympy as sp

ORDER = "NDLaksbhdfV"  # sbh, as²b: letters of papers in their usual order, others after them
SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "lambda": "λ", "mu": "μ", "tau": "τ"}
BRACKETS = {sp.Min: ("min(", ")"), sp.Max: ("max(", ")"), sp.ceiling: ("⌈", "⌉"), sp.floor: ("⌊", "⌋")}


def text(formula: Any) -> str:
    """A formula on one line."""
    return _text(sp.sympify(formula))


def latex(formula: Any) -> str:
    return str(sp.latex(sp.sympify(formula)))


def value(formula: Any, numbers: Mapping[str, Any]) -> Any:
    """A formula at its numbers, exact where these are whole."""
    return _value(sp.sympify(formula), numbers)


def substituted(formula: Any, numbers: Mapping[str, Any]) -> str:
    """A formula with its numbers put in: every term as its coefficient times the number of its letters."""
    return _substituted(sp.sympify(formula), numbers)


def number(found: Any) -> str:
    """A number with commas: whole ones exactly, others to six digits."""
    if isinstance(found, Fraction):
        found = found.numerator if found.denominator == 1 else float(found)
    text = f"{found:,.6g}" if isinstance(found, float) else f"{int(found):,}"
    return text.replace("-", "−", 1) if found < 0 else text


# ── terms ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def terms(formula: Any) -> tuple[Any, ...]:
    """The terms of a sum in the order in which they are printed."""
    found = formula.args if isinstance(formula, sp.Add) else (formula,)
    return tuple(sorted(found, key=_place))


def _place(term: Any) -> tuple[Any, ...]:
    coefficient, factors = parts(term)
    degree = {str(base): exponent for base, exponent in factors if exponent.is_number}
    return coefficient < 0, degree.get("s", 0), -sum(degree.values()), -degree.get("h", 0), _text(term)


def parts(term: Any) -> tuple[Fraction, list[tuple[Any, Any]]]:
    """A product as its coefficient and (base, exponent) of its other factors, in the order of papers."""
    coefficient, factors = Fraction(1), []
    for factor in term.args if isinstance(term, sp.Mul) else (term,):
        if factor.is_Rational:
            coefficient *= Fraction(int(factor.p), int(factor.q))
        else:
            factors.append(factor.as_base_exp())
    return coefficient, sorted(factors, key=_rank)


def _rank(factor: tuple[Any, Any]) -> tuple[Any, ...]:
    name = str(factor[0])
    return not factor[0].is_Symbol, ORDER.index(name) if name in ORDER and len(name) == 1 else len(ORDER), name


# ── text ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _text(formula: Any) -> str:
    if formula.is_Symbol:
        return _letter(str(formula))
    if formula.is_Float:
        return number(float(formula))
    if isinstance(formula, sp.Equality):
        return f"{_text(formula.lhs)} = {_text(formula.rhs)}"
    if isinstance(formula, sp.Add):
        return _sum([(_text(term), parts(term)[0] < 0) for term in terms(formula)])
    if type(formula) in BRACKETS:
        left, right = BRACKETS[type(formula)]
        return left + ", ".join(_text(argument) for argument in formula.args) + right
    coefficient, factors = parts(formula)
    above = [_power(base, exponent) for base, exponent in factors if not _below(exponent)]
    below = [_power(base, -exponent) for base, exponent in factors if _below(exponent)]
    if coefficient.denominator != 1:
        below = [f"{coefficient.denominator}", *below]
    sign, count = "−" if coefficient < 0 else "", abs(coefficient.numerator)
    top = _joined(above, "" if count == 1 and above else f"{count:,}")
    bottom = _joined(below, "")
    return sign + (f"{top}/{bottom}" if len(below) == 1 else f"{top}/({bottom})" if below else top)


def _letter(name: str) -> str:
    """A letter with its Greek name as that letter."""
    first, *rest = name.split("_")
    return "_".join([GREEK.get(first, first), *rest])


def _below(exponent: Any) -> bool:
    return bool(exponent.could_extract_minus_sign())


def _power(base: Any, exponent: Any) -> str:
    inside = _text(base) if base.is_Symbol or type(base) in BRACKETS else f"({_text(base)})"
    if exponent == 1:
        return inside
    return inside + (str(exponent).translate(SUPERSCRIPTS) if exponent.is_Integer else f"^({_text(exponent)})")


def _joined(factors: list[str], count: str) -> str:
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


def _sum(found: list[tuple[str, bool]]) -> str:
    first, *others = found
    return first[0] + "".join(f" − {term[1:]}" if negative else f" + {term}" for term, negative in others)


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


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
        return _product(inside)
    if isinstance(formula, sp.Pow):
        base, exponent = inside
        return base ** (exponent.numerator if isinstance(exponent, Fraction) and exponent.denominator == 1 else exponent)
    if isinstance(formula, (sp.Min, sp.Max)):
        return min(inside) if isinstance(formula, sp.Min) else max(inside)
    found = formula.func(*[sp.Rational(each.numerator, each.denominator) for each in inside])  # ceilings, powers of two
    return Fraction(int(found.p), int(found.q))


def _product(inside: list[Any]) -> Any:
    result: Any = Fraction(1)
    for each in inside:
        result = result * each
    return result


def _substituted(formula: Any, numbers: Mapping[str, Any]) -> str:
    if isinstance(formula, sp.Add):
        return _sum([(_substituted(term, numbers), parts(term)[0] < 0) for term in terms(formula)])
    coefficient, factors = parts(formula)
    sums = [base for base, exponent in factors if isinstance(base, sp.Add) and exponent == 1]
    rest = _product([_value(base**exponent, numbers) for base, exponent in factors if base not in sums])
    whole = coefficient * rest
    if isinstance(whole, Fraction) and (rest.denominator != 1 or coefficient.denominator != 1):
        coefficient, rest = Fraction(1), whole
    sign, size = "−" if coefficient < 0 else "", abs(coefficient)
    shown = [number(each) for each in (size, rest) if each != 1] + [f"({_substituted(each, numbers)})" for each in sums]
    return sign + ("·".join(shown) or "1")
