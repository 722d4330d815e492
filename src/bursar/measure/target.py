"""TARGET of a command line: a function, by module or by file, that makes a module and its inputs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch

from bursar.errors import BursarError
from bursar.measure.refused import line_of

FORM = "package.module:name or path.py:name, a function that returns (module, args) or (module, args, kwargs)"


class Target(NamedTuple):
    """A module with the inputs of a forward pass."""

    module: torch.nn.Module
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


def make(target: str, device: str) -> Target:
    """Calls the function of a TARGET; what it makes without naming a device is made on `device`."""
    where, _, name = target.rpartition(":")
    if not where or not name.isidentifier():
        raise _refused(target, "it names no function")
    try:
        function = getattr(_file(where) if where.endswith(".py") else _module(where), name, None)
        if not callable(function):
            raise _refused(target, f"{where} has no function {name}")
        with torch.device(device):
            made = function()
    except BursarError:
        raise
    except (Exception, SystemExit) as error:
        words = " ".join(str(error).split())[:200]
        raise BursarError(
            f"target={target}: {type(error).__name__}: {words}", field="target", value=target, where=line_of(error) or None
        ) from error
    return _read(target, made)


def _read(target: str, made: Any) -> Target:
    parts = tuple(made) if isinstance(made, (tuple, list)) else (made,)
    if not 2 <= len(parts) <= 3 or not isinstance(parts[0], torch.nn.Module):
        raise _refused(target, f"it returned {type(made).__name__}")
    module, args, kwargs = (*parts, {})[:3]
    given = tuple(args) if isinstance(args, (tuple, list)) else (args,)
    if not isinstance(kwargs, Mapping):
        raise _refused(target, f"its keyword arguments are {type(kwargs).__name__}")
    return Target(module, given, kwargs)


def _module(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise _refused(name, "it is no module")
    sys.path.insert(0, str(Path.cwd()))
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise _refused(name, f"there is no module {error.name}") from None
    finally:
        sys.path.pop(0)


def _file(path: str) -> ModuleType:
    if not Path(path).is_file():
        raise _refused(path, "there is no such file")
    spec = spec_from_file_location(Path(path).stem, path)
    assert spec and spec.loader
    found = module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def _refused(target: str, why: str) -> BursarError:
    return BursarError(f"target={target}: {why}", field="target", value=target, valid=FORM)
