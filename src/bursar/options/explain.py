"""Options of derivations and comparisons."""

from __future__ import annotations

from bursar.options.option import Option, rank

STYLES = ("text", "markdown", "latex")

ROWS: tuple[Option, ...] = (
    Option("layer", rank, None, (), "one layer alone, by its number", "只解释一层（层号）"),
    Option("depth", rank, None, (), "levels that are shown; default: all", "显示的嵌套层数，默认全部"),
    Option("against", str, None, (), 'the options of another plan: "--tp 4 --zero 1"', '另一方案的选项："--tp 4 --zero 1"'),
    Option(
        "convention",
        str,
        None,
        (),
        "how FLOPs are counted: bursar, 6nd, palm, nanogpt, torchtitan, megatron or chinchilla; of two, A,B",
        "FLOPs 的计数约定：bursar、6nd、palm、nanogpt、torchtitan、megatron、chinchilla；两者比较写作 A,B",
    ),
    Option("as", None, "text", STYLES, "form of the derivation", "推导的格式"),
)
