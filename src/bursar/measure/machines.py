"""The machine at hand: which device of the catalog it is, and what a record says of it."""

from __future__ import annotations

import os
import platform
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from bursar import __version__
from bursar.errors import BursarError, FactError
from bursar.facts import data, read_sources, read_toml
from bursar.machines.devices import Device, device


@lru_cache(maxsize=1)
def names() -> dict[str, str]:
    """What PyTorch calls the devices of the catalog (`data/device_names.toml`)."""
    raw = read_toml(data("device_names.toml"), "device_names.toml")
    known = read_sources(raw["sources"], "device_names.toml")
    if unknown := [name for name, row in raw["names"].items() if row["source"] not in known]:
        raise FactError(f"device_names.toml names no source of {unknown[0]!r}", field="source", valid=sorted(known))
    return {name: row["device"] for name, row in raw["names"].items()}


def detected(name: str) -> Device:
    """The device that torch.cuda.get_device_name calls so. Raises BursarError where it is none of the catalog."""
    if name not in names():
        raise BursarError(
            f"no device of the catalog is called {name!r} by PyTorch", field="device", value=name,
            valid="device=NAME of `bursar devices`",
        )  # fmt: skip
    return device(names()[name])


def there(on: str) -> torch.device:
    """The device that computes for this rank. Raises BursarError where there is none."""
    valid = ("cpu", *(("cuda",) if torch.cuda.is_available() else ()))
    if on not in valid:
        raise BursarError(f"nothing is measured on {on}", field="on", value=on, valid=valid)
    if on == "cpu":
        return torch.device(on)
    found = torch.device(on, int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(found)  # whose streams events are recorded on
    return found


def here(accelerator: torch.device) -> Device | None:
    """The catalog's device for a tensor's device; None for a CPU, which has no peak there."""
    return detected(torch.cuda.get_device_name(accelerator)) if accelerator.type == "cuda" else None


def described(accelerator: torch.device | None = None) -> dict[str, Any]:
    """Machine, driver and versions, of the CPU where no accelerator is named."""
    cuda = accelerator is not None and accelerator.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(accelerator) if cuda else _processor(),
        "driver": _driver() if cuda else None,
        "cuda": torch.version.cuda,
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "bursar": __version__,
    }


def _processor() -> str:
    """The CPU's name as the kernel says it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.machine()


def _driver() -> str | None:
    """The version of NVIDIA's kernel module, where one is loaded."""
    try:
        return Path("/sys/module/nvidia/version").read_text(encoding="utf-8").strip()
    except OSError:
        return None
