"""Options of derivations and comparisons."""

from __future__ import annotations

from bursar.options.option import Option, rank

STYLES = ("text", "markdown", "latex")

ROWS: tuple[Option, ...] = (
    Option("layer", rank, None, (), "one layer alone, by its number", "只解释一层（层号）"),
    Option("depth", rank, None, (), "levels of nested steps; default: all", "步骤嵌套的层数，默认全部"),
    Option("as", None, "text", STYLES, "form of the derivation", "推导的格式"),
)
