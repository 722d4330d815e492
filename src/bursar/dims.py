"""What a number may be, and the few operations whose meaning depends on that.

Every cost formula of bursar is plain arithmetic on a `Dim`, and a `Dim` is read three ways:

- an int (or Fraction): the exact number;
- a float64 NumPy array: many plans at once (never int64, which overflows in silence at 6·70e9·15e12);
- a SymPy expression: the formula itself.

Formulas never ask which one they hold. The functions here are the only place that does: they stand for the operations
that plain arithmetic cannot express in all three readings. NumPy and SymPy are imported only once one of theirs is met.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, TypeAlias

from bursar.errors import PlanError

Dim: TypeAlias = Any  # int | Fraction | numpy.ndarray of float64 | sympy.Expr


_PLAIN = (int, float, Fraction)


def _plain(n: Dim, m: Dim) -> bool:
    """Both are numbers that Python compares by itself; the quick way out of every function below."""
    return type(n) in _PLAIN and type(m) in _PLAIN


def is_symbol(value: Dim) -> bool:
    return hasattr(value, "free_symbols")


def is_array(value: Dim) -> bool:
    return hasattr(value, "dtype")


def split(n: Dim, ways: Dim, name: str = "size", by: str = "ways") -> Dim:
    """n / ways. Ints must divide, or a PlanError lists what would."""
    if type(n) is int and type(ways) is int:
        quotient, remainder = divmod(n, ways)
        if remainder:
            raise PlanError(f"{by}={ways} does not divide {name}={n}", field=by, value=ways, valid=divisors(n))
        return quotient
    return n if type(ways) is int and ways == 1 else n / ways


def divides(ways: Dim, n: Dim) -> Any:
    """Whether `ways` divides `n`: a bool, or a mask."""
    if type(n) is int and type(ways) is int:
        return n % ways == 0
    import numpy as np

    quotient = n / ways
    return quotient == np.floor(quotient)  # many times faster than the remainder of float64 arrays


def ceil_div(n: Dim, ways: Dim) -> Dim:
    """n / ways rounded up: where padding is real (vocabulary rows, flat optimizer shards)."""
    if type(n) is int and type(ways) is int:
        return -(-n // ways)
    if is_array(n) or is_array(ways):
        import numpy as np

        return np.ceil(n / ways)
    if is_symbol(n) or is_symbol(ways):
        import sympy

        return sympy.ceiling(n / ways)
    return math.ceil(Fraction(n) / Fraction(ways))


def floor_div(n: Dim, ways: Dim) -> Dim:
    """n / ways rounded down."""
    return -ceil_div(-n, ways)


def deal(n: Dim, ways: Dim, name: str = "size", by: str = "ways") -> tuple[Dim, Dim]:
    """`n` whole things dealt to `ways` holders: (things each holds, holders of the same thing).

    With fewer things than holders each holder has one, and `ways / n` of them the same one. Symbols stand for n ≥ ways.
    """
    if is_symbol(n) or is_symbol(ways):
        return n / ways, 1
    if type(n) is int and type(ways) is int:
        return (split(n, ways, name, by), 1) if ways <= n else (1, split(ways, n, by, name))
    return at_least(n / ways, 1), at_least(ways / n, 1)


def power_of_two(n: Dim) -> Dim:
    """The smallest power of two that is n or more, for n ≥ 1."""
    if type(n) is int:
        return 1 << (n - 1).bit_length()
    if is_symbol(n):
        import sympy

        return 2 ** sympy.ceiling(sympy.log(n, 2))
    import numpy as np

    mantissa, exponent = np.frexp(n)  # n = mantissa · 2^exponent with ½ ≤ mantissa < 1
    return np.where(mantissa == 0.5, n, np.ldexp(1.0, exponent))


def at_most(n: Dim, limit: Dim) -> Dim:
    """The smaller of the two."""
    if _plain(n, limit):
        return n if n <= limit else limit
    if is_symbol(n) or is_symbol(limit):
        import sympy

        return sympy.Min(n, limit)
    import numpy as np

    return np.minimum(n, limit)


def at_least(n: Dim, limit: Dim) -> Dim:
    """The larger of the two."""
    if _plain(n, limit):
        return n if n >= limit else limit
    if is_symbol(n) or is_symbol(limit):
        import sympy

        return sympy.Max(n, limit)
    import numpy as np

    return np.maximum(n, limit)


def root(n: Dim) -> Dim:
    """The square root; exact where a whole number or a fraction has one."""
    if type(n) is float:
        return math.sqrt(n)
    if type(n) in _PLAIN:
        above, below = math.isqrt(n.numerator), math.isqrt(n.denominator)
        return Fraction(above, below) if above**2 == n.numerator and below**2 == n.denominator else math.sqrt(n)
    if is_symbol(n):
        import sympy

        return sympy.sqrt(n)
    import numpy as np

    return np.sqrt(n)


def most(values: list[Dim]) -> Dim:
    """The largest of one or more."""
    result = values[0]
    for value in values[1:]:
        result = at_least(result, value)
    return result


def choose(condition: Any, yes: Dim, no: Dim) -> Dim:
    """`yes` where the condition holds, else `no`."""
    if type(condition) is bool:
        return yes if condition else no
    if is_symbol(condition):
        import sympy

        return sympy.Piecewise((yes, condition), (no, True))
    import numpy as np

    return np.where(condition, yes, no)


def product(values: tuple[Dim, ...]) -> Dim:
    """The product of the sizes of a shape."""
    result: Dim = 1
    for value in values:
        result = result * value
    return result


def scaled(n: Dim, rate: int | Fraction) -> Dim:
    """n times an exact rate such as bytes per element, rounded up to a whole number.

    Fractions keep formats such as 4.25 bits exact; they never meet an array as objects.
    """
    if type(rate) is int:
        return n * rate
    return ceil_div(n * rate.numerator, rate.denominator)


def divisors(n: int) -> list[int]:
    """All divisors of n, ascending."""
    low = [d for d in range(1, math.isqrt(n) + 1) if n % d == 0]
    return low + [n // d for d in reversed(low) if d * d != n]
