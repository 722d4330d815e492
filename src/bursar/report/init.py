"""Tables of initialization. Each function draws the object of one verb; none computes a variance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from bursar.report.derivations import derivations
from bursar.report.screen import screen, table_of
from bursar.report.words import say

Payload = Mapping[str, Any]


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print the answer of a verb of initialization; the verbs of rules share one report."""
    DRAW.get(verb, _rule)(payload, lang, screen())


def _line(console: Console, key: str, lang: str, style: str = "", **facts: object) -> None:
    console.print(Text(say(key, lang, **facts), style=style))


def _rule(payload: Payload, lang: str, console: Console) -> None:
    facts = {key: payload[key] for key in ("title", "formula", "variance", "std")}
    _line(console, "init_rule_line", lang, "bold", **facts)
    _line(console, f"init_use_{payload['scheme']}", lang)
    table = table_of("", say("init_distribution", lang), say("init_parameters", lang))
    table.add_row(say("init_normal", lang), f"std = {payload['std']:.9g}")
    table.add_row(say("init_uniform", lang), f"± {payload['limit']:.9g}")
    cut = payload["truncated"]
    table.add_row(say("init_truncated", lang, sigmas=cut["sigmas"]), f"std = {cut['std']:.9g}, ± {cut['limit']:.9g}")
    console.print(table)
    _layer(payload, lang, console)
    _line(console, "init_call", lang, call=payload["call"])
    _line(console, "init_source", lang, "dim", title=payload["source"]["title"])


def _layer(payload: Payload, lang: str, console: Console) -> None:
    if payload["output_variance"] is not None:
        _line(console, "init_output", lang, variance=payload["output_variance"], std=payload["output_std"])
    if payload["gradient_variance"] is not None:
        _line(console, "init_backward", lang, variance=payload["gradient_variance"])
    if "share_between" in payload:
        _line(console, "init_share", lang, share=payload["share_between"])


def _truncated(payload: Payload, lang: str, console: Console) -> None:
    bounds = {key: payload[key] for key in ("low", "high", "low_sigmas", "high_sigmas")}
    _line(console, "init_cut_line", lang, "bold", **payload["parent"], **bounds)
    left = {key: payload[key] for key in ("inside", "mean", "variance", "std")}
    _line(console, "init_cut_left", lang, ratio=payload["std_ratio"], **left)
    _layer(payload, lang, console)
    _line(console, "init_source", lang, "dim", title=payload["source"]["title"])


def _gain(payload: Payload, lang: str, console: Console) -> None:
    _line(
        console, "init_gain_line", lang, "bold", name=payload["nonlinearity"], q=payload["input_variance"], mean=payload["mean"],
        second=payload["second_moment"], variance=payload["variance"], slope=payload["slope_second_moment"],
    )  # fmt: skip
    key = "init_gain_customary" if payload["customary"] else "init_gain_exact"
    _line(console, key, lang, gain=payload["gain"], exact=payload["exact_gain"])
    _line(console, "init_source", lang, "dim", title=payload["source"]["title"])


def _mup(payload: Payload, lang: str, console: Console) -> None:
    facts = {"width": payload["width"], "base": payload["base_width"], "ratio": payload["width_ratio"]}
    _line(console, "init_mup_line", lang, "bold", **facts)
    keys = ("init_variance", "multiplier", "sgd_rate", "adam_rate")
    names = ["init_variance", *(f"init_{key}" for key in keys[1:])]
    table = table_of("", say("init_form", lang), say("init_class", lang), *[say(name, lang) for name in names])
    for form, classes in payload["forms"].items():
        for name, row in classes.items():
            table.add_row(form, say(f"init_class_{name}", lang), *[f"{row[key]:.6g}" for key in keys])
    console.print(table)
    _line(console, "init_source", lang, "dim", title=payload["source"]["title"])


def _attention(payload: Payload, lang: str, console: Console) -> None:
    _line(console, "init_attention_line", lang, "bold", head_dim=payload["head_dim"], entry=payload["entry_variance"])
    table = table_of("", say("init_scale", lang), "Var", say("init_std", lang))
    for name, row in payload["scales"].items():
        table.add_row(f"{name} = {row['scale']:.6g}" if name != "1" else name, f"{row['variance']:.6g}", f"{row['std']:.6g}")
    console.print(table)
    _line(console, "init_source", lang, "dim", title=payload["source"]["title"])


def _lint(payload: Payload, lang: str, console: Console) -> None:
    console.print(Text(payload["call"], style="bold"))
    if payload["std"] is not None:
        facts = {key: payload[key] for key in ("mean", "std", "fan_in", "fan_out")}
        _line(console, "lint_read", lang, output=payload["output_variance"], **facts)
    for finding in payload["findings"]:
        console.print(Text.assemble(("✗ ", "red"), (finding["what"], "bold")))
        console.print(Text(f"  {finding['why']}"))
        console.print(Text(f"  {say('lint_right', lang, call=finding['right'])}", style="green"))
    if not payload["findings"]:
        _line(console, "lint_clean", lang, "green")


def _propagate(payload: Payload, lang: str, console: Console) -> None:
    facts = {"scheme": payload["scheme"], "name": payload["nonlinearity"], "sizes": _sizes(payload["sizes"])}
    _line(console, "init_network_line", lang, "bold", holds=say(f"init_holds_{payload['holds']}", lang), **facts)
    stream = payload["residual"] != "none"
    keys = ("sums", "mean", "second_moment", "gradient")
    of_layer = ("init_stream_mean", "init_stream") if stream else ("init_mean", "init_second_moment")
    words = ("init_sums", *of_layer, "init_gradient")
    measured = "measured" in payload["layers"][0]
    more = [say("init_measured", lang), say("init_off", lang)] if measured else []
    table = table_of("", say("init_layer", lang), *[title for word in words for title in (say(word, lang), *more)])
    for row in payload["layers"]:
        cells = [cell for key in keys for cell in _cells(row, key, measured)]
        table.add_row(str(row["layer"]), *cells)
    console.print(table)
    _line(console, "init_factors", lang, forward=payload["forward_factor"], backward=payload["backward_factor"])
    if measured:
        key = {True: "init_agrees", False: "init_disagrees", None: "init_unjudged"}[payload["agrees"]]
        _line(console, key, lang, samples=payload["samples"], networks=payload["networks"])
    _line(console, "init_source", lang, "dim", title=payload["source"]["title"])


def _sizes(sizes: list[int]) -> str:
    """784 → 256 (9×) → 10: equal neighbours are counted."""
    runs: list[tuple[int, int]] = []
    for size in sizes:
        runs = [*runs[:-1], (size, runs[-1][1] + 1)] if runs and runs[-1][0] == size else [*runs, (size, 1)]
    return " → ".join([f"{size} ({times}×)" if times > 1 else str(size) for size, times in runs])


def _cells(row: Payload, key: str, measured: bool) -> list[str]:
    """A mean that is 0 by symmetry is so to rounding; what is measured of it is small, and short."""
    zero = abs(row[key]) < 1e-12
    predicted = "0" if zero else f"{row[key]:.5g}"
    if not measured:
        return [predicted]
    found = row["measured"][key]
    return [predicted, f"{found:.0e}" if zero else f"{found:.5g}", f"{row['off'][key]:+.1f}"]


def _module(payload: Payload, lang: str, console: Console) -> None:
    _line(console, "init_module_line", lang, "bold", module=payload["module"])
    more = [say("init_measured", lang), say("init_off", lang)]
    words = ("init_weight_std", "init_fan_gain", "init_input")
    moments = [title for word in ("init_output_moment", "init_gradient") for title in (say(word, lang), *more)]
    table = table_of("", say("init_layer", lang), *[say(word, lang) for word in words], *moments)
    for row in payload["layers"]:
        known = (row["weight_std"], row["gain"], row["input"]["second_moment"])
        numbers = [value for key in ("second_moment", "gradient") for value in (row[key], row["measured"][key])]
        cells = ["–" if value is None else f"{value:.4g}" for value in (*known, *numbers)]
        off = ["–" if value is None else f"{value:+.1f}" for value in (row["off"]["second_moment"], row["off"]["gradient"])]
        table.add_row(row["path"], *cells[:5], off[0], *cells[5:], off[1])
    console.print(table)


DRAW: Mapping[str, Callable[[Payload, str, Console], None]] = {
    "truncated": _truncated,
    "gain": _gain,
    "mup": _mup,
    "attention": _attention,
    "lint": _lint,
    "propagate": _propagate,
    "module": _module,
    "derive": derivations,
}
