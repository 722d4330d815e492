"""bursar: what a large language model needs, before anyone pays for it — parameters, FLOPs, bytes, seconds, dollars.

    >>> import bursar
    >>> bursar.load("llama-3-8b").params()
    8030261248
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bursar.devices import Device, device
    from bursar.errors import BursarError, ConfigError, PlanError
    from bursar.facts import Fact
    from bursar.ledger import Entry, Ledger
    from bursar.model import Model, load
    from bursar.plan import Plan
    from bursar.planner import search
    from bursar.step import Step
    from bursar.training import Training

__version__ = "0.1.0"

_HOME = {
    "BursarError": "errors", "ConfigError": "errors", "Device": "devices", "Entry": "ledger", "Fact": "facts",
    "Ledger": "ledger", "Model": "model", "Plan": "plan", "PlanError": "errors", "Step": "step", "Training": "training",
    "device": "devices", "load": "model", "search": "planner",
}  # fmt: skip
__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Import a public name where it lives, once it is asked for, so that `import bursar` is quick."""
    if name not in _HOME:
        raise AttributeError(f"module 'bursar' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"bursar.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
