"""One file per model family: a config.json becomes a tree. The file is named after the `model_type` that it reads.

To add a family, write `families/<model_type>.py` with a function `build(config) -> Architecture` and add a model of it to
`data/models/`; tests find both.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from bursar.config import Config
from bursar.errors import ConfigError, UnknownNameError, shown
from bursar.tree import Architecture


def names() -> list[str]:
    """Every `model_type` that there is a family for."""
    return sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))


def build(config: Config) -> Architecture:
    """The tree of a config: its family reads it, then the gate refuses what was not read."""
    family = config.values.get("model_type")
    if family is None:
        raise ConfigError("missing config key 'model_type'", field="model_type", where=config.where, valid=names())
    if not isinstance(family, str):
        raise ConfigError(f"model_type is {shown(family)}", field="model_type", where=config.where, valid=names())
    if family not in names():
        raise UnknownNameError("model_type", family, names(), where=config.where)
    architecture: Architecture = import_module(f"bursar.families.{family}").build(config)
    config.close(family)
    if config.mtp and not any(block.kind.startswith("mtp") for block in architecture.tail):
        raise ConfigError("no multi-token-prediction module in this config", field="mtp", where=config.where, valid="--no-mtp")
    return architecture
