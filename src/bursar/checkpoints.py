"""What a checkpoint holds, from its headers alone: names, shapes and bytes of tensors, reconciled with a config.

safetensors files (https://github.com/huggingface/safetensors, section Format), alone, as a folder's shards or through
`model.safetensors.index.json`, and GGUF files of version 2 and 3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
Files are untrusted: lengths and counts are bounded, offsets checked, no weight is read and nothing is executed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeGuard

from bursar.errors import ConfigError, shown
from bursar.families import _tensors
from bursar.families._tensors import Names
from bursar.ops.linear import Linear
from bursar.step import Step
from bursar.tree import Architecture, Line

MAX_HEADER = 10**8  # bytes, as the safetensors library has it
MAX_RANK = 16
MAX_SIDE = 2**53  # of a shape
MAX_SHARDS = 10**4
MAX_EXPECTED = 2 * 10**6  # tensors of a config; the largest published ones have about 10⁵
INDEX = "model.safetensors.index.json"
VALID = f"a .safetensors or .gguf file, a folder of them, or a {INDEX}"

BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "F4": 4,
    "F6_E2M3": 6, "F6_E3M2": 6, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64,
    "U64": 64, "F64": 64, "C64": 64,
}  # fmt: skip

# ggml type → (name, elements of a block, bytes of a block), ggml-common.h
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
HUB_ID = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
SPLIT = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf")


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


class Reconciled(NamedTuple):
    """A checkpoint beside a config. `by` says whether every tensor was compared or, for a family without names, totals alone."""

    by: str
    missing: list[str]
    extra: list[str]
    shapes: list[str]


def read(place: str) -> Checkpoint:
    """The tensors of a file, of a folder's files, or of the shards that an index names."""
    if "\0" in place or len(place) > 4096 or not Path(place).exists():
        if HUB_ID.fullmatch(place):
            return _hub(place)
        raise ConfigError(f"no checkpoint {shown(place)}", field="checkpoint", value=place, valid=VALID)
    files = list(_files(Path(place)))
    tensors: dict[str, Tensor] = {}
    for file in files:
        for name, tensor in _tensors_of(file).items():
            if name in tensors:
                raise _bad(file, f"tensor {shown(name)} is in another file too")
            tensors[name] = tensor
    if Path(place).name == INDEX or (Path(place) / INDEX).is_file():
        index = Path(place) if Path(place).name == INDEX else Path(place) / INDEX
        if absent := [name for name in _index(index) if name not in tensors]:
            raise _bad(index, f"tensor {shown(absent[0])} is in no shard")
    return Checkpoint(tensors, files[0].suffix == ".gguf")


def _hub(model: str) -> Checkpoint:
    """The safetensors headers of a model on the Hub, which its client reads by range requests; no weights are fetched."""
    try:
        from huggingface_hub import get_safetensors_metadata
    except ImportError:
        raise ConfigError(
            f"{model} is no file, and the Hub client is not installed", valid=f"{VALID}; pip install 'bursar[hub]'"
        ) from None
    try:
        headers = get_safetensors_metadata(model).files_metadata.values()
    except Exception as error:  # whatever the client raises: no network, no such model, no safetensors
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise ConfigError(f"cannot read the headers of {model}: {reason}", field="checkpoint", value=model, valid=VALID) from None
    tensors = {
        name: Tensor(tuple(info.shape), info.dtype, info.data_offsets[1] - info.data_offsets[0])
        for header in headers
        for name, info in header.tensors.items()
    }
    return Checkpoint(tensors)


def _bad(file: Path, problem: str) -> ConfigError:
    return ConfigError(f"cannot read checkpoint {shown(file.name)}: {problem}", field="checkpoint", value=str(file))


def _files(place: Path) -> Iterator[Path]:
    """The files of a checkpoint, in order."""
    if place.is_dir():
        if (place / INDEX).is_file():
            yield from _files(place / INDEX)
        elif found := sorted(place.glob("*.safetensors")):
            yield from found
        elif found := sorted(place.glob("*.gguf")):
            first = list(_files(found[0]))
            if first != found:
                raise ConfigError(
                    f"several .gguf checkpoints in {place}", field="checkpoint", valid=[file.name for file in found[:5]]
                )
            yield from found
        else:
            raise ConfigError(f"no safetensors or GGUF file in {place}", field="checkpoint", value=str(place), valid=VALID)
    elif place.name.endswith(".index.json"):
        for shard in dict.fromkeys(_index(place).values()):
            if not (place.parent / shard).is_file():
                raise _bad(place, f"shard {shown(shard)} is not there")
            yield place.parent / shard
    elif place.suffix == ".gguf" and (split := SPLIT.fullmatch(place.name)):
        count = int(split[3])
        if not 1 <= count <= MAX_SHARDS:
            raise _bad(place, f"{count} parts")
        for part in range(1, count + 1):
            file = place.with_name(f"{split[1]}-{part:05}-of-{count:05}.gguf")
            if not file.is_file():
                raise _bad(place, f"part {shown(file.name)} is not there")
            yield file
    elif place.suffix in (".safetensors", ".gguf"):
        yield place
    else:
        raise ConfigError(f"{shown(place.name)} is no checkpoint", field="checkpoint", value=str(place), valid=VALID)


def _index(file: Path) -> dict[str, str]:
    """Tensor → shard. A shard is a plain file name beside the index."""
    if file.stat().st_size > MAX_HEADER:
        raise _bad(file, f"an index of {file.stat().st_size:,} bytes")
    values = _json(file, file.read_bytes())
    found = values.get("weight_map")
    if not isinstance(found, dict) or not found:
        raise _bad(file, "no weight_map")
    for name, shard in found.items():
        if not isinstance(shard, str) or Path(shard).name != shard or not shard.endswith(".safetensors") or "\0" in shard:
            raise _bad(file, f"tensor {shown(name)} is in {shown(shard)}, which is no shard's name")
    if len(set(found.values())) > MAX_SHARDS:
        raise _bad(file, f"{len(set(found.values())):,} shards")
    return found


def _json(file: Path, raw: bytes) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a name is there twice")
        return found

    try:
        values = json.loads(raw.decode("utf-8"), object_pairs_hook=once)
    except RecursionError:
        raise _bad(file, "nested too deep") from None
    except ValueError as error:  # UnicodeDecodeError too
        raise _bad(file, f"not valid JSON: {error}") from None
    if not isinstance(values, dict):
        raise _bad(file, "its JSON is no object")
    return values


def _tensors_of(file: Path) -> dict[str, Tensor]:
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            return (_gguf if file.suffix == ".gguf" else _safetensors)(file, stream, size)
    except OSError as error:
        raise _bad(file, error.strerror or "unreadable") from None


def _safetensors(file: Path, stream: BinaryIO, size: int) -> dict[str, Tensor]:
    """8 bytes with the length of the header, little-endian, the header in JSON, then the data without a hole."""
    raw = stream.read(8)
    if len(raw) < 8:
        raise _bad(file, f"{size} bytes are too few for a header")
    length = int.from_bytes(raw, "little")
    if length > MAX_HEADER:
        raise _bad(file, f"a header of {length:,} bytes, above {MAX_HEADER:,}")
    if 8 + length > size:
        raise _bad(file, f"a header of {length:,} bytes in a file of {size:,}")
    values = _json(file, stream.read(length))
    values.pop("__metadata__", None)
    found, spans = {}, []
    for name, entry in values.items():
        found[name], span = _entry(file, name, entry)
        spans.append((*span, name))
    end = 0
    for start, stop, name in sorted(spans):
        if start != end:
            raise _bad(file, f"tensor {shown(name)} starts at {start:,}, the one before it ends at {end:,}")
        end = stop
    if 8 + length + end != size:
        raise _bad(file, f"its tensors end at {8 + length + end:,}, the file at {size:,}")
    return found


def _entry(file: Path, name: str, entry: Any) -> tuple[Tensor, tuple[int, int]]:
    dtype, shape, span = (entry.get(key) if isinstance(entry, dict) else None for key in ("dtype", "shape", "data_offsets"))
    bits = BITS.get(dtype) if isinstance(dtype, str) else None
    if bits is None:
        raise _bad(file, f"tensor {shown(name)} has dtype {shown(dtype)}")
    if not _wholes(shape) or len(shape) > MAX_RANK:
        raise _bad(file, f"tensor {shown(name)} has shape {shown(shape)}")
    if not _wholes(span) or len(span) != 2 or span[0] > span[1]:
        raise _bad(file, f"tensor {shown(name)} has offsets {shown(span)}")
    if 8 * (span[1] - span[0]) != bits * math.prod(shape):
        raise _bad(file, f"tensor {shown(name)} of shape {shown(shape)} and {dtype} has {span[1] - span[0]:,} bytes")
    return Tensor(tuple(shape), str(dtype), span[1] - span[0]), (span[0], span[1])


def _wholes(values: Any) -> TypeGuard[list[int]]:
    """A list of whole numbers of zero or more."""
    return isinstance(values, list) and all(type(value) is int and 0 <= value <= MAX_SIDE for value in values)


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
            raise _bad(self.file, f"its header goes past byte {self.end:,}")

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def u64(self) -> int:
        return int.from_bytes(self.take(8), "little")

    def name(self) -> str:
        raw = self.take(self.u64())
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise _bad(self.file, "a name that is not UTF-8") from None

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
                raise _bad(self.file, f"an array of {count:,} values")
            else:
                for _ in range(count):
                    self.value(inner, depth + 1)
        else:
            raise _bad(self.file, f"metadata of type {kind}")
        return None


def _gguf(file: Path, stream: BinaryIO, size: int) -> dict[str, Tensor]:
    """Magic, version, counts, metadata, one entry a tensor; then the data, every tensor at a multiple of the alignment."""
    head = _Header(file, stream, size)
    if (magic := head.take(4)) != b"GGUF":
        raise _bad(file, f"it begins with {shown(magic)}, not with b'GGUF'")
    if (version := head.u32()) not in (2, 3):
        raise _bad(file, "GGUF of a big-endian machine" if version >> 16 else f"GGUF version {version}, not 2 or 3")
    tensors, pairs = head.u64(), head.u64()
    if tensors > MAX_HEADER // 24 or pairs > MAX_HEADER // 13:  # the least bytes of an entry
        raise _bad(file, f"{tensors:,} tensors and {pairs:,} metadata values")
    alignment = 32
    for _ in range(pairs):
        key = head.name()
        value = head.value(head.u32())
        if key == "general.alignment":
            alignment = value or 0
    if alignment < 8 or alignment & (alignment - 1):
        raise _bad(file, f"an alignment of {alignment} bytes")
    found: dict[str, Tensor] = {}
    end = 0
    for _ in range(tensors):
        name = head.name()
        if name in found:
            raise _bad(file, f"tensor {shown(name)} is there twice")
        found[name], offset = _info(head, name)
        if offset != end:
            raise _bad(file, f"tensor {shown(name)} starts at {offset:,}, not at {end:,}")
        last = end + found[name].bytes
        end = _padded(last, alignment)
    if found and _padded(head.at, alignment) + last > size:
        raise _bad(file, f"its tensors end at {_padded(head.at, alignment) + last:,}, the file at {size:,}")
    return found


def _info(head: _Header, name: str) -> tuple[Tensor, int]:
    if not 0 <= (rank := head.u32()) <= MAX_RANK:
        raise _bad(head.file, f"tensor {shown(name)} has {rank} dimensions")
    sides = [head.u64() for _ in range(rank)]
    kind, offset = head.u32(), head.u64()
    if kind not in GGML:
        raise _bad(head.file, f"tensor {shown(name)} has ggml type {kind}")
    dtype, block, size = GGML[kind]
    if any(side > MAX_SIDE for side in sides) or (sides[0] if sides else 1) % block:
        raise _bad(head.file, f"tensor {shown(name)} has shape {shown(sides)} in blocks of {block}")
    return Tensor(tuple(reversed(sides)), dtype, math.prod(sides) // block * size), offset


def _padded(count: int, alignment: int) -> int:
    return -(-count // alignment) * alignment


def reconcile(architecture: Architecture, checkpoint: Checkpoint) -> Reconciled:
    """What the config has and the checkpoint lacks, what it holds beside, and shapes that differ."""
    names = (_tensors.GGUF if checkpoint.gguf else _tensors.SAFETENSORS).get(architecture.family)
    expected = None if names is None else _expected(architecture, names)
    if names is None or expected is None:
        return Reconciled("totals", [], [], [])
    prefix = max(names.prefixes, key=lambda prefix: sum(_named(prefix, name) in checkpoint.tensors for name in expected))
    wanted = {_named(prefix, name): shape for name, shape in expected.items()}
    stored = checkpoint.tensors
    return Reconciled(
        "tensors",
        [name for name in wanted if name not in stored],
        [name for name in stored if name not in wanted],
        [
            f"{name}: {list(stored[name].shape)}, not {list(shape)}"
            for name, shape in wanted.items()
            if name in stored and stored[name].shape != shape
        ],
    )


def _named(prefix: str, name: str) -> str:
    return name if name.startswith("lm_head") else prefix + name


def _expected(architecture: Architecture, names: Names) -> dict[str, tuple[int, ...]] | None:
    """Tensor name → shape, of every tensor that the config has; None where the family's names do not cover it."""
    found: dict[str, tuple[int, ...]] = {}
    layer = 0
    step = Step(1, 1)
    lines = [*((0, "", line) for block in architecture.stem for line in block.walk(step))]
    for run in architecture.trunk:
        inside = list(run.block.walk(step))
        if sum(line.instances for line in inside) * int(run.times) > MAX_EXPECTED:
            return None
        lines += ((layer + i, "", line) for i in range(int(run.times)) for line in inside)
        layer += int(run.times)
    for block in architecture.tail:
        modules = block.kind.startswith("mtp")
        lines += ((layer, "mtp." if modules else "", line) for line in block.walk(step))
        layer += modules
    paths = {line.path for _, _, line in lines}
    instead = {path: name for path, (other, name) in names.absent.items() if other not in paths}
    names = names._replace(modules={**names.modules, **instead})
    for index, prefix, line in lines:
        for name, shape in _stored(line, prefix, names):
            if name is None:
                return None
            each = "{e}" in name
            many = int(line.instances) if line.nested else 1
            for e in range(many if each else 1):
                found[name.format(i=index, e=e)] = (many, *shape) if line.nested and not each else shape
    return found if not architecture.towers else None


def _stored(line: Line, prefix: str, names: Names) -> Iterable[tuple[str | None, tuple[int, ...]]]:
    """The names, still with {i} and {e}, and shapes of an operator's tensors."""
    for parameter, shape in line.op.shapes().items():
        for path in dict.fromkeys((prefix + line.path, line.path)):
            module = names.modules.get(path)
            if name := names.modules.get(f"{path}.{parameter}", f"{module}.{parameter}" if module else None):
                break
        turned = names.transposed and type(line.op) is Linear
        yield name, tuple(int(side) for side in (reversed(shape) if turned else shape))
