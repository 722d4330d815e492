"""What a checkpoint holds, and what is refused of an untrusted header."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from bursar.errors import ConfigError, shown

MAX_HEADER = 10**8  # bytes, as the safetensors library has it
MAX_RANK = 16
MAX_SIDE = 2**53  # of a shape


class Tensor(NamedTuple):
    """A stored tensor. `shape` has the slowest dimension first, as PyTorch writes it."""

    shape: tuple[int, ...]
    dtype: str
    bytes: int

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a checkpoint by name, over all its files."""

    tensors: dict[str, Tensor]
    gguf: bool = False

    @property
    def total(self) -> int:
        """Elements stored."""
        return sum(tensor.elements for tensor in self.tensors.values())

    @property
    def bytes(self) -> int:
        return sum(tensor.bytes for tensor in self.tensors.values())


def bad(file: Path, problem: str) -> ConfigError:
    return ConfigError(f"cannot read checkpoint {shown(file.name)}: {problem}", field="checkpoint", value=str(file))


def json_of(file: Path, raw: bytes) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a name is there twice")
        return found

    try:
        values = json.loads(raw.decode("utf-8"), object_pairs_hook=once)
    except RecursionError:
        raise bad(file, "nested too deep") from None
    except ValueError as error:  # UnicodeDecodeError too
        raise bad(file, f"not valid JSON: {error}") from None
    if not isinstance(values, dict):
        raise bad(file, "its JSON is no object")
    return values


def wholes(values: Any) -> TypeGuard[list[int]]:
    """A list of whole numbers of zero or more."""
    return isinstance(values, list) and all(type(value) is int and 0 <= value <= MAX_SIDE for value in values)
