"""Number formats: what their bits mean, and what a value becomes in them."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from bursar.errors import PlanError, UnknownNameError, shown
from bursar.facts import sources
from bursar.formats import FORMATS, Format, Value, named
from bursar.theory import bits
from bursar.theory.bits import Limits

if TYPE_CHECKING:
    from bursar.theory.blocks import Blocks

Options = dict[str, Any]
Payload = dict[str, Any]
LARGEST = 1e30  # of an element of a block


def plain(value: Value | None) -> float | int | str | None:
    """A value for JSON: exact where it is a double, as text where it is none or no number."""
    if value is None or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, float):
        return str(value)
    try:
        return float(value)
    except OverflowError:
        return f"{value.numerator // value.denominator:d}"


def formats(options: Options) -> Payload:
    """Number formats: bits, bias, range and spacing, and block formats with what shares a scale."""
    from bursar.theory.blocks import BLOCKS

    return {
        "formats": [_limits(bits.limits(found)) for found in FORMATS.values()],
        "blocks": [_block_facts(found) for found in BLOCKS.values()],
    }


def _limits(found: Limits) -> Payload:
    return {
        **{key: plain(value) if isinstance(value, Fraction) else value for key, value in found._asdict().items()},
        "source": sources()[found.source].title,
    }


def _block_facts(found: Blocks) -> Payload:
    return {
        "name": found.name, "kind": "block", "bits": float(found.bits), "element": found.element.name,
        "block": [found.rows, found.columns], "scale": found.scale.name, "rule": found.rule,
        "source": sources()[found.source].title,
    }  # fmt: skip


def format(options: Options) -> Payload:
    """A number format, and with VALUE (0.1, -1.5, 1e-8, inf, or a code such as 0x2E66) what it becomes there, every bit named."""
    value = options["value"]
    try:
        found = named(options["name"])
    except UnknownNameError:
        return _block(options["name"], value)
    payload = {**_limits(bits.limits(found)), "layout": [{"name": part, "bits": width} for part, width in bits.layout(found)]}
    return payload if value is None else {**payload, **_stored(found, value, options)}


def _stored(found: Format, value: str, options: Options) -> Payload:
    got = bits.stored(found, value, options["rounding"], saturate=options["saturate"], seed=options["seed"])
    exact = bits.read(value)[0]
    return {
        "value": value,
        "rounding": options["rounding"],
        "saturate": options["saturate"],
        "encoded": f"0x{got.code:0{-(-found.bits // 4)}X}",
        "code": got.code,
        "fields": [field._asdict() for field in got.fields],
        "formula": got.formula,
        "decoded": plain(got.decoded),
        "error": plain(got.error),
        "relative_error": plain(abs(got.error / Fraction(exact))) if got.error is not None and exact else None,
        "below": plain(got.below),
        "above": plain(got.above),
        "chance_above": float(got.chance),
    }


def _block(name: str, value: str | None) -> Payload:
    """A block format, and with VALUE (numbers with commas between them) one block of it."""
    from bursar.theory.blocks import blocks

    found = blocks(name)
    element = _limits(bits.limits(found.element))
    inherited = ("sign", "exponent", "mantissa", "bias", "max", "min_normal", "min_subnormal", "eps")
    payload = {**_block_facts(found), **{key: element[key] for key in inherited}, "layout": []}
    return payload if value is None else {**payload, **_block_of(found, value)}


def _element(text: str) -> float:
    value = bits.read(text)[0]
    if value is None or not -LARGEST <= value <= LARGEST:  # a code, NaN, or too large
        raise PlanError(f"value={shown(text)}", field="value", value=text, valid=f"a number up to {LARGEST:g}")
    return float(value)


def _block_of(found: Blocks, text: str) -> Payload:
    import numpy as np

    from bursar.theory.blocks import ZERO_POINT

    most = found.columns or 256
    parts = text.split(",")
    if len(parts) > most:
        raise PlanError(f"{len(parts)} values", field="value", value=text, valid=f"1 to {most} numbers with commas between them")
    x = np.array([[_element(part) for part in parts]])
    elements, scales = (part[0] for part in found.parts(x))
    held = elements * scales
    codes = None if found.rule == ZERO_POINT else [found.element.encode(float(element)) for element in elements]
    return {
        "values": x[0].tolist(),
        "encoded": codes and [f"0x{code:0{-(-found.element.bits // 4)}X}" for code in codes],
        "elements": elements.tolist(),
        "block_scale": float(scales[0]),
        "decoded": held.tolist(),
        "error": (held - x[0]).tolist(),
    }
