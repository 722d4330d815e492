"""The answers of a sweep on disk: a Parquet dataset with one file for every finished chunk.

A file appears whole or not at all: it is written under another name, brought to disk, and renamed. What a stopped sweep left
half-written starts with a dot, which readers of datasets skip, and goes away when the sweep goes on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bursar.errors import BursarError, PlanError
from bursar.sweep.answers import COLUMNS, Row

NAME = "_sweep.json"  # which sweep a folder holds; readers of datasets skip underscores too


def folder(path: str, sweep: str) -> Path:
    """The folder of a sweep, made if need be; one that holds another sweep is refused, for their rows would mix."""
    _arrow()  # what is missing is said before chunks are answered
    found = Path(path)
    try:
        found.mkdir(parents=True, exist_ok=True)
        held = json.loads((found / NAME).read_text(encoding="utf-8")).get("sweep") if (found / NAME).exists() else None
        if held is None and any(found.glob("*.parquet")):
            held = "unnamed"
        if held not in (None, sweep):
            raise PlanError(f"{path} holds another sweep", field="out", value=path, valid="a folder of its own for every spec")
        _write(found / NAME, json.dumps({"sweep": sweep}).encode())
        for left in found.glob(".part-*.tmp"):
            left.unlink()
    except (OSError, ValueError, AttributeError) as error:
        raise PlanError(f"cannot use {path}: {error}", field="out", value=path, valid="a folder that can be written") from None
    return found


def finished(out: Path) -> set[str]:
    """The chunks that are on disk."""
    return {file.stem.removeprefix("part-") for file in out.glob("part-*.parquet")}


def add(out: Path, key: str, rows: Sequence[Row]) -> None:
    """A finished chunk."""
    arrow, parquet = _arrow()
    columns = {name: [row[name] for row in rows] for name in COLUMNS}
    table = arrow.table(columns, schema=_schema(arrow))
    sink = arrow.BufferOutputStream()
    parquet.write_table(table, sink)
    _write(out / f"part-{key}.parquet", sink.getvalue().to_pybytes())


def rows(out: Path, keys: Sequence[str]) -> list[Row]:
    """The rows of chunks, in their order."""
    _, parquet = _arrow()
    found: list[Row] = []
    for key in keys:
        found += parquet.ParquetFile(out / f"part-{key}.parquet").read().to_pylist()
    return found


def _write(file: Path, content: bytes) -> None:
    """A file that is there whole or not at all."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as sink:
        sink.write(content)
        sink.flush()
        os.fsync(sink.fileno())
    temporary.replace(file)


def _schema(arrow: Any) -> Any:
    types = {str: arrow.string(), int: arrow.int64(), float: arrow.float64(), bool: arrow.bool_()}
    return arrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()])


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise BursarError("a sweep writes Parquet, and pyarrow is not installed", valid="pip install 'bursar[sweep]'") from None
    return pyarrow, pyarrow.parquet
