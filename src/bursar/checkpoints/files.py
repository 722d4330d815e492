"""The files of a checkpoint: one, a folder, an index of shards, or a repository of the Hub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bursar import own
from bursar.checkpoints.gguf import gguf
from bursar.checkpoints.safetensors import safetensors
from bursar.checkpoints.stored import MAX_HEADER, Checkpoint, Tensor, bad, json_of
from bursar.errors import ConfigError, shown

MAX_SHARDS = 10**4
INDEX = "model.safetensors.index.json"
VALID = f"a .safetensors or .gguf file, a folder of them, or a {INDEX}"


HUB_ID = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
SPLIT = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf")


def read(place: str) -> Checkpoint:
    """The tensors of a file, of a folder's files, or of the shards that an index names."""
    if not own.place(place):
        if HUB_ID.fullmatch(place):
            return _hub(place)
        raise ConfigError(f"no checkpoint {shown(place)}", field="checkpoint", value=place, valid=VALID)
    files = list(_files(Path(place)))
    tensors: dict[str, Tensor] = {}
    for file in files:
        for name, tensor in _tensors_of(file).items():
            if name in tensors:
                raise bad(file, f"tensor {shown(name)} is in another file too")
            tensors[name] = tensor
    if Path(place).name == INDEX or (Path(place) / INDEX).is_file():
        index = Path(place) if Path(place).name == INDEX else Path(place) / INDEX
        if absent := [name for name in _index(index) if name not in tensors]:
            raise bad(index, f"tensor {shown(absent[0])} is in no shard")
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
                raise bad(place, f"shard {shown(shard)} is not there")
            yield place.parent / shard
    elif place.suffix == ".gguf" and (split := SPLIT.fullmatch(place.name)):
        count = int(split[3])
        if not 1 <= count <= MAX_SHARDS:
            raise bad(place, f"{count} parts")
        for part in range(1, count + 1):
            file = place.with_name(f"{split[1]}-{part:05}-of-{count:05}.gguf")
            if not file.is_file():
                raise bad(place, f"part {shown(file.name)} is not there")
            yield file
    elif place.suffix in (".safetensors", ".gguf"):
        yield place
    else:
        raise ConfigError(f"{shown(place.name)} is no checkpoint", field="checkpoint", value=str(place), valid=VALID)


def _index(file: Path) -> dict[str, str]:
    """Tensor → shard. A shard is a plain file name beside the index."""
    if file.stat().st_size > MAX_HEADER:
        raise bad(file, f"an index of {file.stat().st_size:,} bytes")
    values = json_of(file, file.read_bytes())
    found = values.get("weight_map")
    if not isinstance(found, dict) or not found:
        raise bad(file, "no weight_map")
    for name, shard in found.items():
        if not isinstance(shard, str) or Path(shard).name != shard or not shard.endswith(".safetensors") or "\0" in shard:
            raise bad(file, f"tensor {shown(name)} is in {shown(shard)}, which is no shard's name")
    if len(set(found.values())) > MAX_SHARDS:
        raise bad(file, f"{len(set(found.values())):,} shards")
    return found


def _tensors_of(file: Path) -> dict[str, Tensor]:
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            return (gguf if file.suffix == ".gguf" else safetensors)(file, stream, size)
    except OSError as error:
        raise bad(file, error.strerror or "unreadable") from None
