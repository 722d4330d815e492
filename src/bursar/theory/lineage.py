"""Where optimizers come from: each with its year, its source, what it took from which others and what it added.

The data are in `data/lineage.toml`. Adaptive scales (AdaGrad, RMSProp) and momentum are two branches that meet in Adam.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from bursar.errors import FactError
from bursar.facts import data, read_toml


class Ancestor(NamedTuple):
    """An optimizer in the lineage; `parents` are those that it continues, the main one first."""

    name: str
    year: int
    source: str
    parents: tuple[str, ...]
    idea: dict[str, str]


@lru_cache(maxsize=1)
def lineage() -> tuple[Ancestor, ...]:
    """Every optimizer, parents before their children."""
    rows = read_toml(data("lineage.toml"), "lineage.toml")["optimizer"]
    found: dict[str, Ancestor] = {}
    for row in rows:
        if missing := [parent for parent in row["parents"] if parent not in found]:
            raise FactError(f"lineage.toml has {row['name']} before its parent {missing[0]}", field="parents", value=missing[0])
        found[row["name"]] = Ancestor(row["name"], row["year"], row["source"], tuple(row["parents"]), row["idea"])
    return tuple(found.values())


def generations() -> dict[str, int]:
    """How many steps each is from those that continue none."""
    depth: dict[str, int] = {}
    for one in lineage():
        depth[one.name] = 1 + max((depth[parent] for parent in one.parents), default=-1)
    return depth
