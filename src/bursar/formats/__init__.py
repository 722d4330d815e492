"""Number formats: what the bits of one number mean, and what a value becomes in them. (`precision.py` says how tensors of them are
stored, scales included.)

A floating-point code is a sign, an exponent field e and a mantissa field m. With bias B and M mantissa bits it stands for

    e > 0:  ± 2^(e − B) · (1 + m / 2^M)        e = 0:  ± 2^(1 − B) · m / 2^M   (subnormal, or zero)

What the largest exponent means differs: IEEE 754 keeps it for infinity and NaN, OCP's E4M3 keeps only its last code for NaN, the
`fnuz` variants keep the code of −0, and the formats of six and four bits keep none. Everything here is exact: values are Fractions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

from bursar.errors import PlanError, UnknownNameError
from bursar.formats.floats import Fields, Float
from bursar.formats.others import Codebook, Integer
from bursar.formats.whole import ROUNDINGS, Value

Format: TypeAlias = Float | Integer | Codebook
_WIDTHS = re.compile(r"ieee-e(\d{1,2})m(\d{1,2})")
__all__ = ["ALIASES", "FORMATS", "ROUNDINGS", "Codebook", "Fields", "Float", "Format", "Integer", "Value", "named"]


def _ieee(name: str, exponent: int, mantissa: int, source: str, special: str = "ieee", bias: int | None = None) -> Float:
    """A format with the usual bias, 2^(k−1) − 1."""
    return Float(name, exponent, mantissa, (1 << (exponent - 1)) - 1 if bias is None else bias, special, source)


# quantiles of the normal distribution, as bitsandbytes stores them (arXiv:2305.14314, appendix E)
_NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip

FORMATS: Mapping[str, Format] = MappingProxyType({
    found.name: found
    for found in (
        _ieee("fp64", 11, 52, "ieee-754"),
        _ieee("fp32", 8, 23, "ieee-754"),
        _ieee("tf32", 8, 10, "tf32"),
        _ieee("fp16", 5, 10, "ieee-754"),
        _ieee("bf16", 8, 7, "bf16-training"),
        _ieee("fp8-e4m3", 4, 3, "fp8-formats", "nan"),
        _ieee("fp8-e5m2", 5, 2, "fp8-formats"),
        _ieee("fp8-e4m3fnuz", 4, 3, "fp8-fnuz", "fnuz", bias=8),
        _ieee("fp8-e5m2fnuz", 5, 2, "fp8-fnuz", "fnuz", bias=16),
        _ieee("fp6-e2m3", 2, 3, "ocp-mx", "none"),
        _ieee("fp6-e3m2", 3, 2, "ocp-mx", "none"),
        _ieee("fp4-e2m1", 2, 1, "ocp-mx", "none"),
        Float("e8m0", 8, 0, 127, "nan", "ocp-mx", signed=False),
        Integer("int8", 8, "twos-complement"),
        Integer("int4", 4, "twos-complement"),
        Codebook("nf4", _NF4, "qlora"),
    )
})  # fmt: skip


# names of the same formats in NumPy, PyTorch and ml_dtypes, and in papers
ALIASES: Mapping[str, str] = MappingProxyType({
    "float64": "fp64", "double": "fp64", "float32": "fp32", "float": "fp32", "float16": "fp16", "half": "fp16", "bfloat16": "bf16",
    "fp8": "fp8-e4m3", "fp6": "fp6-e2m3", "e4m3fn": "fp8-e4m3", "fp8-e4m3fn": "fp8-e4m3",
    "e4m3": "fp8-e4m3", "float8-e4m3fn": "fp8-e4m3", "e5m2": "fp8-e5m2", "float8-e5m2": "fp8-e5m2",
    "e4m3fnuz": "fp8-e4m3fnuz", "float8-e4m3fnuz": "fp8-e4m3fnuz", "e5m2fnuz": "fp8-e5m2fnuz", "float8-e5m2fnuz": "fp8-e5m2fnuz",
    "fp8-e4m3-fnuz": "fp8-e4m3fnuz", "fp8-e5m2-fnuz": "fp8-e5m2fnuz",
    "e2m3": "fp6-e2m3", "float6-e2m3fn": "fp6-e2m3", "e3m2": "fp6-e3m2", "float6-e3m2fn": "fp6-e3m2",
    "e2m1": "fp4-e2m1", "fp4": "fp4-e2m1", "float4-e2m1fn": "fp4-e2m1", "ue8m0": "e8m0", "float8-e8m0fnu": "e8m0",
})  # fmt: skip


def named(name: str) -> Format:
    """A number format by its name, one that libraries have for it, or as ieee-e5m10: IEEE 754's rules for any widths."""
    plain = name.lower().replace("_", "-")
    found = ALIASES.get(plain, plain)
    if widths := _WIDTHS.fullmatch(found):
        exponent, mantissa = (int(width) for width in widths.groups())
        if 2 <= exponent <= 11 and 1 <= mantissa <= 52:
            return _ieee(found, exponent, mantissa, "ieee-754")
        raise PlanError(f"format {found}", field="format", value=name, valid="ieee-e2m1 to ieee-e11m52")
    if found not in FORMATS:
        raise UnknownNameError("format", name, FORMATS)
    return FORMATS[found]
