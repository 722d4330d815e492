"""bursar: what a large language model needs, before anyone pays for it — parameters, FLOPs, bytes, seconds, dollars.

>>> import bursar
>>> bursar.load("llama-3-8b").params()
8030261248
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bursar.errors import BursarError, ConfigError, PlanError
    from bursar.facts import Fact
    from bursar.ledger import Entry, Ledger
    from bursar.machines.devices import Device, device
    from bursar.model import Model, load
    from bursar.plan import Plan
    from bursar.planner import search
    from bursar.step import Step
    from bursar.training import Training

__version__ = "0.1.0"

__all__ = [
    "BursarError",
    "ConfigError",
    "Device",
    "Entry",
    "Fact",
    "Ledger",
    "Model",
    "Plan",
    "PlanError",
    "Step",
    "Training",
    "device",
    "load",
    "search",
]

_HOME = {
    "errors": ("BursarError", "ConfigError", "PlanError"),
    "machines.devices": ("Device", "device"),
    "facts": ("Fact",),
    "ledger": ("Entry", "Ledger"),
    "model": ("Model", "load"),
    "plan": ("Plan",),
    "planner": ("search",),
    "step": ("Step",),
    "training": ("Training",),
}


def __getattr__(name: str) -> Any:
    """Import a public name where it lives, once it is asked for, so that `import bursar` is quick."""
    from importlib import import_module

    for home, names in _HOME.items():
        if name in names:
            return getattr(import_module(f"bursar.{home}"), name)
    raise AttributeError(f"module 'bursar' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
