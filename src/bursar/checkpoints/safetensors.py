"""The header of a safetensors file: JSON after its length."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, BinaryIO

from bursar.checkpoints.stored import MAX_HEADER, MAX_RANK, Tensor, bad, json_of, wholes
from bursar.errors import shown

BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "F4": 4,
    "F6_E2M3": 6, "F6_E3M2": 6, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64,
    "U64": 64, "F64": 64, "C64": 64,
}  # fmt: skip

# ggml type → (name, elements of a block, bytes of a block), ggml-common.h


def safetensors(file: Path, stream: BinaryIO, size: int) -> dict[str, Tensor]:
    """8 bytes with the length of the header, little-endian, the header in JSON, then the data without a hole."""
    raw = stream.read(8)
    if len(raw) < 8:
        raise bad(file, f"{size} bytes are too few for a header")
    length = int.from_bytes(raw, "little")
    if length > MAX_HEADER:
        raise bad(file, f"a header of {length:,} bytes, above {MAX_HEADER:,}")
    if 8 + length > size:
        raise bad(file, f"a header of {length:,} bytes in a file of {size:,}")
    values = json_of(file, stream.read(length))
    values.pop("__metadata__", None)
    found, spans = {}, []
    for name, entry in values.items():
        found[name], span = _entry(file, name, entry)
        spans.append((*span, name))
    end = 0
    for start, stop, name in sorted(spans):
        if start != end:
            raise bad(file, f"tensor {shown(name)} starts at {start:,}, the one before it ends at {end:,}")
        end = stop
    if 8 + length + end != size:
        raise bad(file, f"its tensors end at {8 + length + end:,}, the file at {size:,}")
    return found


def _entry(file: Path, name: str, entry: Any) -> tuple[Tensor, tuple[int, int]]:
    dtype, shape, span = (entry.get(key) if isinstance(entry, dict) else None for key in ("dtype", "shape", "data_offsets"))
    bits = BITS.get(dtype) if isinstance(dtype, str) else None
    if bits is None:
        raise bad(file, f"tensor {shown(name)} has dtype {shown(dtype)}")
    if not wholes(shape) or len(shape) > MAX_RANK:
        raise bad(file, f"tensor {shown(name)} has shape {shown(shape)}")
    if not wholes(span) or len(span) != 2 or span[0] > span[1]:
        raise bad(file, f"tensor {shown(name)} has offsets {shown(span)}")
    if 8 * (span[1] - span[0]) != bits * math.prod(shape):
        raise bad(file, f"tensor {shown(name)} of shape {shown(shape)} and {dtype} has {span[1] - span[0]:,} bytes")
    return Tensor(tuple(shape), str(dtype), span[1] - span[0]), (span[0], span[1])
