"""Where a model's config.json comes from: the catalog in `data/models/`, a file, standard input, or the Hub."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from bursar import config, own
from bursar.errors import BursarError, ConfigError, UnknownNameError
from bursar.facts import data, read_toml


@dataclass(frozen=True)
class Published:
    """A config.json with its name and what is known of its origin."""

    name: str
    values: dict[str, Any]
    title: str = ""
    source: dict[str, str] = field(default_factory=dict)
    figures: dict[str, str] = field(default_factory=dict)

    def changed(self, changes: Iterable[tuple[str, Any]]) -> Published:
        """The same config with other values of some keys; what is published of it holds no more."""
        others = dict(changes)
        if not others:
            return self
        name = ",".join(f"{key}={value}" for key, value in others.items())
        return Published(f"{self.name} ({name})", {**self.values, **others}, self.title, self.source)


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """The models of the catalog: a folder each, with the config.json and its origin."""
    return tuple(sorted(folder.name for folder in data("models").iterdir() if folder.is_dir()))


def entry(name: str) -> Published:
    """A model of the catalog."""
    values, origin = (json.loads(data("models", name, file).read_text(encoding="utf-8")) for file in ("config.json", "origin.json"))
    return Published(name, values, origin["name"], origin["source"], origin.get("published", {}))


def find(model: str) -> Published:
    """A catalog name, `-` for standard input, a path to a config.json or its folder, or a Hub id `org/name`."""
    if model == "-":
        return Published("stdin", config.parse(sys.stdin.read(config.MAX_BYTES + 1), "standard input"))
    if model.lower() in names():
        return entry(model.lower())
    if path := own.place(model):
        folder = path if path.is_dir() else path.parent
        return Published(path.stem if path.stem != "config" else folder.resolve().name, config.read_file(path))
    _refuse_unpublished(model)
    if model.endswith(".json") or model.startswith((".", "/", "~")):
        raise ConfigError(f"no file {model}", field="model", value=model, valid="a config.json or its folder")
    if model.count("/") == 1:
        return _hub(model)
    raise UnknownNameError("model", model, names())


@lru_cache(maxsize=1)
def unpublished() -> dict[str, dict[str, Any]]:
    """Models without a published structure, by name and by their other names: what is known, with its source."""
    table = read_toml(data("models", "unpublished.toml"), "unpublished.toml")
    return {name: item for key, item in table.items() for name in (key, *item.get("aliases", ()))}


def _refuse_unpublished(model: str) -> None:
    """An error with what is known, for a model that cannot be counted; its name may have spaces, or a publisher before it."""
    item = unpublished().get(model.lower().rpartition("/")[2].replace(" ", "-"))
    if item is not None:
        source = item["source"]
        raise ConfigError(
            f"{item['title']} of {item['publisher']}: structure not published; known: {item['known']}",
            field="model", value=model, where=f"{source['title']}, {source['as_of']}", valid="a config.json with sizes of your own",
        )  # fmt: skip


def _hub(model: str) -> Published:
    """The config.json of a model on the Hub; only that file is fetched and nothing of it is executed."""
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise BursarError(
            f"{model} looks like a Hub id, and the Hub client is not installed", valid="pip install 'bursar[hub]'"
        ) from None
    try:
        file = Path(hf_hub_download(model, "config.json"))
    except Exception as error:  # whatever the client raises: no network, no such model, no access
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise BursarError(f"cannot fetch config.json of {model}: {reason}", field="model", value=model) from None
    return Published(model, config.read_file(file), model, {"title": f"{model} on the Hub"})
