"""What the verbs of matrix calculus print. Each function draws the object of one verb; none computes a cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bursar.report.screen import screen, table_of
from bursar.report.units import duration, whole
from bursar.report.words import say

Payload = dict[str, Any]


def show(verb: str, payload: Payload, lang: str) -> None:
    """Print the answer of a verb of matrix calculus."""
    DRAW[verb](payload, lang, screen())


def _by(sizes: Iterable[int]) -> str:
    return " × ".join([whole(size) for size in sizes])


def _bold(console: Console, text: str) -> None:
    console.print(Text(text, style="bold"))


def _facts(console: Console, rows: Iterable[tuple[str, str]]) -> None:
    """Names on the left, values on the right."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    for name, value in rows:
        table.add_row(Text(name), value)
    console.print(table)


def _cost(payload: Payload, lang: str) -> list[tuple[str, str]]:
    facts = {key: whole(payload[key]) for key in ("multiplications", "additions")}
    return [
        (say("matrix_flops", lang), whole(payload["flops"])),
        (say("matrix_exact", lang, **facts), whole(payload["flops_exact"])),
        (say("matrix_relative", lang), f"{payload['relative_error']:.4e}"),
        (say("matrix_macs", lang), whole(payload["macs"])),
        (say("matrix_per_result", lang), whole(payload["flops_per_result"])),
        (say("matrix_bytes", lang, dtype=payload["dtype"]), whole(payload["bytes"])),
        (say("matrix_intensity", lang), f"{payload['intensity']:,.6f}"),
    ]


def _product(payload: Payload, lang: str, console: Console) -> None:
    _bold(console, say("matrix_product", lang, **{key: _by(payload[key]) for key in ("left", "right", "result")}))
    _facts(console, _cost(payload, lang))
    _limits(payload, lang, console)
    table = table_of(
        "", say("matrix_format", lang), say("matrix_bytes", lang, dtype="").strip(" ,，"), say("matrix_intensity", lang)
    )
    for row in payload["by_format"]:
        table.add_row(row["dtype"], whole(row["bytes"]), f"{row['intensity']:,.3f}")
    console.print(table)


def _limits(payload: Payload, lang: str, console: Console) -> None:
    if "device" in payload:
        bound = say(f"matrix_bound_{payload['bound']}", lang)
        facts = {"device": payload["device"], "ridge": payload["ridge"], "least": duration(payload["least_s"])}
        console.print(say("matrix_bound", lang, bound=bound, **facts))


def _vector(payload: Payload, lang: str, console: Console) -> None:
    _bold(console, say("matrix_product", lang, **{key: _by(payload[key]) for key in ("left", "right", "result")}))
    _facts(console, [(say("matrix_weights", lang), whole(payload["weights"])), *_cost(payload, lang)])
    _limits(payload, lang, console)
    console.print(say("matrix_vector_why", lang))


def _products(console: Console, lang: str, rows: Sequence[tuple[Payload, str]]) -> None:
    """Products with shapes and cost, and a remark on each."""
    table = table_of(
        "", say("matrix_what", lang), say("matrix_as", lang), say("matrix_shapes", lang), say("matrix_its_shape", lang), "FLOP"
    )
    table.add_column("", overflow="fold")
    for row, remark in rows:
        shapes = f"({_by(row['left'])})·({_by(row['right'])})"
        table.add_row(Text(row.get("result", "")), Text(row["formula"]), shapes, _by(row["shape"]), whole(row["flops"]), remark)
    console.print(table)


def _chain(payload: Payload, lang: str, console: Console) -> None:
    _bold(console, say("matrix_chain", lang, count=whole(payload["bracketings"]), text=payload["bracketing"]))
    _products(console, lang, [(step, "") for step in payload["steps"]])
    table = table_of("", say("matrix_order", lang), "FLOP")
    for key, name in (("flops", "cheapest"), ("left_first", "left_first"), ("right_first", "right_first"), ("dearest", "dearest")):
        table.add_row(say(f"matrix_{name}", lang), whole(payload[key]))
    console.print(table)


def _conv(payload: Payload, lang: str, console: Console) -> None:
    _bold(console, say("matrix_conv", lang, **{key: _by(payload[key]) for key in ("input", "weight", "output")}))
    console.print(Text(payload["formula"]))
    sizes = {key: _by(payload[key]) for key in ("patches", "filters")}
    console.print(say("matrix_conv_patches", lang, groups=payload["groups"], **sizes))
    _facts(
        console,
        [
            ("FLOP", whole(payload["flops"])),
            (say("matrix_macs", lang), whole(payload["macs"])),
            (say("matrix_bytes", lang, dtype=payload["dtype"]), whole(payload["bytes"])),
            (say("matrix_intensity", lang), f"{payload['intensity']:,.3f}"),
        ],
    )
    console.print(say("matrix_conv_gradients", lang))


def _elementwise(payload: Payload, lang: str, console: Console) -> None:
    if "flops" in payload:
        facts = {"operation": payload["operation"], "shape": _by(payload["shape"]), "flops": whole(payload["flops"])}
        _bold(console, say("matrix_elementwise", lang, **facts))
    table = table_of("", say("matrix_operation", lang))
    table.add_column(say("formula", lang), overflow="fold")
    for key in ("per_element", "special", "per_row", "special_row"):
        table.add_column(say(f"matrix_{key}", lang), justify="right")
    for row in payload.get("operations", [payload]):
        counts = [str(row[key]) for key in ("per_element", "special", "per_row", "special_per_row")]
        table.add_row(row["operation"], Text(row["formula"]), *counts)
    console.print(table)
    console.print(say("matrix_priced", lang, special=payload["special_flops"]))
    if "products" in payload:
        console.print(say("matrix_for_product", lang, **payload["products"]))


def _derivation(console: Console, heading: str, lines: Sequence[Payload]) -> None:
    _bold(console, heading)
    for number, line in enumerate(lines, 1):
        console.print(Text(f"{number}. {line['text']}\n     {line['formula']}"))


def _wrong(payload: Payload, lang: str, console: Console) -> None:
    if payload["wrong_orders"]:
        _bold(console, say("matrix_wrong_orders", lang))
        for row in payload["wrong_orders"]:
            product = f"{row['result']} ≠ {row['formula']}  ({_by(row['left'])})·({_by(row['right'])})"
            console.print(Text(say("matrix_pair", lang, name=product, text=row["reason"])))


def _truth(value: bool, lang: str) -> str:
    return say("matrix_yes" if value else "matrix_no", lang)


def _gradient(payload: Payload, lang: str, console: Console) -> None:
    _bold(console, payload["forward"]["formula"])
    _derivation(console, say("matrix_by_elements", lang), payload["by_elements"])
    _derivation(console, say("matrix_by_differentials", lang), payload["by_differentials"])
    products = [payload["forward"], *payload["products"].values()]
    _products(console, lang, [(row, "") for row in products])
    bias = payload["bias"]
    console.print(Text(f"{bias['result']} = {bias['formula']}  ({_by(bias['shape'])})"))
    _wrong(payload, lang, console)
    if "gradients" in payload:
        _bold(console, say("matrix_numbers", lang))
        console.print(Text(f"Y = {payload['output']}\nG = {payload['upstream']}"))
        for role, found in payload["gradients"].items():
            console.print(Text(f"dL/d{payload['letters'][role]} = {found}"))
        console.print(say("matrix_loss", lang, loss=payload["loss"]))
        console.print(say("matrix_error", lang, error=payload["finite_difference_error"]))
        console.print(say("matrix_layouts", lang, agree=_truth(payload["layouts_agree"], lang)))


def _jacobian(payload: Payload, lang: str, console: Console) -> None:
    _bold(console, payload["vec"])
    for operand, found in payload["operands"].items():
        counts = {key: whole(found[key]) for key in ("entries", "filled")}
        console.print(
            Text(say("matrix_jacobian", lang, operand=operand, formula=found["formula"], shape=_by(found["shape"]), **counts))
        )
        short = {"relation": found["relation"], "flops": whole(found["flops"]), "short": whole(found["flops_short"])}
        console.print(Text(say("matrix_jacobian_cost", lang, **short)))
        if "matrix" in found:
            console.print(Text("\n".join([" ".join([f"{entry:>6g}" for entry in row]) for row in found["matrix"]])))
            console.print(say("matrix_agrees", lang, agree=_truth(found["agrees"], lang)))
            console.print(say("matrix_error", lang, error=found["finite_difference_error"]))


def _mlp(payload: Payload, lang: str, console: Console) -> None:
    widths = "–".join([str(width) for width in payload["widths"]])
    _bold(console, say("matrix_mlp", lang, widths=widths, batch=whole(payload["batch"]), weights=whole(payload["weights"])))
    for number, line in enumerate(payload["equations"], 1):
        console.print(Text(f"{number}. {line['text']}\n     {line['formula']}"))
    layers = payload["layers"]
    steps = [(layer["forward"], "") for layer in layers]
    for layer in reversed(layers):
        steps.append((layer["weight_gradient"], ""))
        steps.append((layer["input_gradient"], "" if layer["input_gradient"]["needed"] else say("matrix_not_needed", lang)))
    _products(console, lang, steps)
    table = table_of("", say("matrix_layer", lang), say("matrix_small", lang), say("matrix_update", lang))
    for layer in layers:
        table.add_row(str(layer["layer"]), whole(layer["activation"]), whole(layer["update"]))
    console.print(table)
    whole_pass = whole(payload["backward_with_input_gradient"])
    facts = {"forward": whole(payload["forward"]), "backward": whole(payload["backward"]), "whole": whole_pass}
    _bold(console, say("matrix_counts", lang, ratio=payload["ratio_exact"], value=payload["ratio"], **facts))
    console.print(say("matrix_rule", lang, six=whole(payload["six_batch_weights"]), train=whole(payload["train"])))
    _wrong(payload, lang, console)
    if "gradients" in payload:
        _bold(console, say("matrix_numbers", lang))
        console.print(Text(f"ŷ = {payload['output']}"))
        for name, found in payload["gradients"].items():
            console.print(Text(f"dL/d{name} = {found}"))
        console.print(say("matrix_loss", lang, loss=payload["loss_value"]))
        console.print(say("matrix_error", lang, error=payload["finite_difference_error"]))


def _saved(payload: Payload, lang: str, console: Console) -> None:
    nothing = say("matrix_nothing", lang)
    for row in payload["operations"]:
        console.print(Text.assemble((row["operation"], "bold"), f"  {row['forward']}"))
        console.print(Text("\n".join([f"    {line}" for line in row["backward"]])))
        for key in ("keeps", "drops"):
            console.print(
                Text(f"    {say('matrix_pair', lang, name=say(f'matrix_{key}', lang), text=', '.join(row[key]) or nothing)}")
            )
        console.print(Text(f"    {row['why']}"))
        console.print(Text(f"    {say('matrix_error', lang, error=row['finite_difference_error'])}", style="dim"))
    console.print(say("matrix_dropout_scale", lang, p=payload["dropout"], scale=payload["dropout_scale"]))


def _graph(payload: Payload, lang: str, console: Console) -> None:
    widths = "–".join([str(width) for width in payload["widths"]])
    _bold(console, say("matrix_graph", lang, widths=widths, batch=whole(payload["batch"])))
    shapes = {
        node["name"]: f"{node['name']} ({_by(node['shape'])})" if node["shape"] else node["name"] for node in payload["nodes"]
    }
    for path, colour, arrow in (("forward", "blue", "──▶"), ("gradient", "red", "══▶")):
        console.print(Text(say(f"matrix_{path}_path", lang), style=colour))
        for edge in payload["edges"]:
            if edge["path"] == path:
                line = f"  {shapes[edge['from']]} {arrow} {shapes[edge['to']]}   {edge['formula']}   {whole(edge['flops'])}"
                console.print(Text(line, style=colour))


DRAW: Mapping[str, Callable[[Payload, str, Console], None]] = {
    "product": _product, "vector": _vector, "chain": _chain, "conv": _conv, "elementwise": _elementwise, "gradient": _gradient,
    "jacobian": _jacobian, "mlp": _mlp, "saved": _saved, "graph": _graph,
}  # fmt: skip
