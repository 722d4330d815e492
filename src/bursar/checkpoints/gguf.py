"""The header of a GGUF file: key–value pairs, then the tensors."""

from __future__ import annotations

import math
from pathlib import Path
from typing import BinaryIO

from bursar.checkpoints.stored import MAX_HEADER, MAX_RANK, MAX_SIDE, Tensor, bad
from bursar.errors import shown

GGML = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22), 7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292), 16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50), 20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8), 29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17),
}  # fmt: skip


SCALARS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # GGUF value type → bytes
STRING, ARRAY = 8, 9


class _Header:
    """Reads a GGUF header, never past the file's end or past the largest header."""

    def __init__(self, file: Path, stream: BinaryIO, size: int) -> None:
        self.file, self.stream, self.at, self.end = file, stream, 0, min(size, MAX_HEADER)

    def take(self, count: int) -> bytes:
        self._move(count)
        return self.stream.read(count)

    def skip(self, count: int) -> None:
        self._move(count)
        self.stream.seek(count, 1)

    def _move(self, count: int) -> None:
        self.at += count
        if self.at > self.end:
            raise bad(self.file, f"its header goes past byte {self.end:,}")

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def u64(self) -> int:
        return int.from_bytes(self.take(8), "little")

    def name(self) -> str:
        raw = self.take(self.u64())
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise bad(self.file, "a name that is not UTF-8") from None

    def value(self, kind: int, depth: int = 0) -> int | None:
        """A metadata value; only 32-bit whole numbers are kept, the rest is skipped."""
        if kind == 4:
            return self.u32()
        if kind in SCALARS:
            self.skip(SCALARS[kind])
        elif kind == STRING:
            self.skip(self.u64())
        elif kind == ARRAY and depth < 4:
            inner, count = self.u32(), self.u64()
            if inner in SCALARS:
                self.skip(SCALARS[inner] * count)
            elif count > (self.end - self.at) // 8:  # a string or an array has 8 bytes at least
                raise bad(self.file, f"an array of {count:,} values")
            else:
                for _ in range(count):
                    self.value(inner, depth + 1)
        else:
            raise bad(self.file, f"metadata of type {kind}")
        return None


def gguf(file: Path, stream: BinaryIO, size: int) -> dict[str, Tensor]:
    """Magic, version, counts, metadata, one entry a tensor; then the data, every tensor at a multiple of the alignment."""
    head = _Header(file, stream, size)
    if (magic := head.take(4)) != b"GGUF":
        raise bad(file, f"it begins with {shown(magic)}, not with b'GGUF'")
    if (version := head.u32()) not in (2, 3):
        raise bad(file, "GGUF of a big-endian machine" if version >> 16 else f"GGUF version {version}, not 2 or 3")
    tensors, pairs = head.u64(), head.u64()
    if tensors > MAX_HEADER // 24 or pairs > MAX_HEADER // 13:  # the least bytes of an entry
        raise bad(file, f"{tensors:,} tensors and {pairs:,} metadata values")
    alignment = 32
    for _ in range(pairs):
        key = head.name()
        value = head.value(head.u32())
        if key == "general.alignment":
            alignment = value or 0
    if alignment < 8 or alignment & (alignment - 1):
        raise bad(file, f"an alignment of {alignment} bytes")
    found: dict[str, Tensor] = {}
    end = 0
    for _ in range(tensors):
        name = head.name()
        if name in found:
            raise bad(file, f"tensor {shown(name)} is there twice")
        found[name], offset = _info(head, name)
        if offset != end:
            raise bad(file, f"tensor {shown(name)} starts at {offset:,}, not at {end:,}")
        last = end + found[name].bytes
        end = _padded(last, alignment)
    if found and _padded(head.at, alignment) + last > size:
        raise bad(file, f"its tensors end at {_padded(head.at, alignment) + last:,}, the file at {size:,}")
    return found


def _info(head: _Header, name: str) -> tuple[Tensor, int]:
    if not 0 <= (rank := head.u32()) <= MAX_RANK:
        raise bad(head.file, f"tensor {shown(name)} has {rank} dimensions")
    sides = [head.u64() for _ in range(rank)]
    kind, offset = head.u32(), head.u64()
    if kind not in GGML:
        raise bad(head.file, f"tensor {shown(name)} has ggml type {kind}")
    dtype, block, size = GGML[kind]
    if any(side > MAX_SIDE for side in sides) or (sides[0] if sides else 1) % block:
        raise bad(head.file, f"tensor {shown(name)} has shape {shown(sides)} in blocks of {block}")
    return Tensor(tuple(reversed(sides)), dtype, math.prod(sides) // block * size), offset


def _padded(count: int, alignment: int) -> int:
    return -(-count // alignment) * alignment
