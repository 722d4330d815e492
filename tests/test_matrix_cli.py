"""Proves what the verbs of matrix calculus answer: the register's figures through the command line, reports in both languages, the
picture of a graph, and refusals of what does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bursar.cli import main
from bursar.cli.groups.matrix import MATRIX
from bursar.report import matrix_pictures, plot
from bursar.report.plot import BLUE, RED, Arrow, Bars, Box, Note
from bursar.theory.operations import OPERATIONS

A, X, G = "[[1,2],[3,4],[5,6]]", "[[1,0],[2,1]]", "[[1,2],[3,4],[5,6]]"
PERCEPTRON = ["mlp", "--x", "[[1,2],[3,4]]", "--w", "[[[1,0],[0,1]],[[1,1],[0,1]],[[1],[2]]]", "--y", "[[1],[2]]"]
NET = ["32", "128", "128", "10", "--batch", "64"]


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["matrix", *arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("verb", MATRIX)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_examples_run_in_both_languages(verb: str, lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    example = MATRIX[verb].example.split()
    assert example[:3] == ["bursar", "matrix", verb]
    assert main([*example[1:], "--lang", lang]) == 0
    out, err = capsys.readouterr()
    assert out.strip()
    assert err == ""


@pytest.mark.parametrize("verb", MATRIX)
def test_numbers_formulas_and_sources_are_the_same_in_both_languages(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Only sentences differ: `text`, `why` and `reason`."""

    def wordless(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: wordless(part) for key, part in value.items() if key not in ("text", "why", "reason")}
        return [wordless(part) for part in value] if isinstance(value, list) else value

    arguments = MATRIX[verb].example.split()[2:]
    english, chinese = (answer(capsys, *arguments, "--lang", lang) for lang in ("en", "zh"))
    assert wordless(english) == wordless(chinese)


def test_a_product_by_sizes_and_by_shapes(capsys: pytest.CaptureFixture[str]) -> None:
    by_sizes = answer(capsys, "product", "16384", "32768", "8192", "--device", "h100-sxm")
    assert by_sizes["flops"] == 2**43 == 8_796_093_022_208
    assert by_sizes["flops_exact"] == 2**43 - 16_384 * 8_192
    assert by_sizes["intensity"] == pytest.approx(2**43 / (2 * (2**29 + 2**28 + 2**27)))
    assert by_sizes["ridge"] == pytest.approx(989.4e12 / 3.35e12)
    assert by_sizes["bound"] == "compute"
    assert by_sizes["least_s"] == pytest.approx(2**43 / 989.4e12)
    assert answer(capsys, "product", "16k", "32768", "8192")["left"] == [16_000, 32_768]  # suffixes are powers of ten
    by_shapes = answer(capsys, "product", "16384x32768", "32768x8192")
    assert {key: by_sizes[key] for key in by_shapes} == by_shapes


def test_a_vector_is_bound_by_memory(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "vector", "16384", "16384", "--device", "h100-sxm")
    assert found["flops"] == 2 * found["weights"]
    assert found["intensity"] == pytest.approx(0.999878, abs=1e-6)
    assert found["bound"] == "memory"


def test_elementwise_counts_are_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    rows, width = 16_384, 8_192
    counted = answer(capsys, "elementwise", "softmax", f"{rows}x{width}", "--special", "10")
    assert counted["flops"] == rows * (4 * width - 2 + 10 * width)
    stated = answer(capsys, "elementwise", "add", f"{rows}x{width}", "--per-element", "3")
    assert stated["flops"] == 3 * rows * width
    assert {row["operation"] for row in answer(capsys, "elementwise")["operations"]} > {"softmax", "layernorm", "gelu"}


def test_the_gradient_of_the_register(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "gradient", "--a", A, "--x", X, "--g", G)
    assert found["products"]["input"]["formula"] == "Aᵀ·G"
    assert found["gradients"] == {"weight": [[1, 4], [3, 10], [5, 16]], "input": [[35, 44], [44, 56]]}
    assert found["layouts_agree"] is True
    assert found["finite_difference_error"] < 1e-6
    assert {row["formula"]: row["outcome"] for row in found["wrong_orders"]}["G·A"] == "shape error"


def test_a_bias_is_summed_over_the_axis_it_was_spread_along(capsys: pytest.CaptureFixture[str]) -> None:
    columns = answer(capsys, "gradient", "--storage", "columns", "--a", A, "--x", X, "--b", "[1,2,3]", "--g", G)
    assert columns["gradients"]["bias"] == [[1 + 2], [3 + 4], [5 + 6]]
    torch = answer(
        capsys, "gradient", "--storage", "torch", "--a", A, "--x", "[[1,2],[0,1]]", "--b", "[1,2,3]", "--g", "[[1,3,5],[2,4,6]]"
    )
    assert torch["gradients"]["bias"] == [[1 + 2, 3 + 4, 5 + 6]]
    assert torch["gradients"]["weight"] == columns["gradients"]["weight"]  # both store (out, in)


def test_the_perceptron_of_the_register(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, *PERCEPTRON)
    assert found["loss_value"] == 261  # (7 − 1)² + (17 − 2)²
    assert found["gradients"]["w2"] == [[102, 204], [144, 288]]
    assert [row["outcome"] for row in found["wrong_orders"]] == ["shape error", "fits"]
    mean = answer(capsys, *PERCEPTRON, "--reduction", "mean")
    assert mean["gradients"]["w3"] == [[51.0], [123.0]]
    assert answer(capsys, *PERCEPTRON, "--activation", "tanh")["finite_difference_error"] < 1e-6


def test_the_counts_of_the_perceptron(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "mlp", *NET)
    assert (found["forward"], found["backward"], found["backward_with_input_gradient"]) == (2_785_280, 5_046_272, 5_570_560)
    assert found["ratio_exact"] == "154/85"
    assert found["loss"] == {"forward": 3 * 64 * 10 - 1, "backward": 2 * 64 * 10}
    assert found["layers"][-1]["update"] + found["layers"][-1]["activation"] == 2 * 128 * 10 + 64 * 10
    assert sum(layer["forward"]["flops"] for layer in found["layers"]) == found["forward"]
    assert [layer["input_gradient"]["needed"] for layer in found["layers"]] == [False, True, True]


def test_what_operations_keep(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "saved", "--dropout", "0.2")
    assert [row["operation"] for row in found["operations"]] == list(OPERATIONS)
    assert found["dropout_scale"] == pytest.approx(1.25)
    assert answer(capsys, "saved", "residual")["operations"][0]["keeps"] == []


def test_the_graph_s_picture_shows_the_object_s_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    payload = answer(capsys, "graph", *NET)
    (panel,) = matrix_pictures.graph(payload, "en")
    edges = payload["edges"]
    notes = [(mark.text, mark.colour) for mark in panel.marks if isinstance(mark, Note)][: len(edges)]
    colours = {"forward": BLUE, "gradient": RED}
    assert notes == [(f"{edge['formula']}\n{edge['flops']:,}", colours[edge["path"]]) for edge in edges]
    arrows = [mark.colour for mark in panel.marks if isinstance(mark, Arrow)]
    assert sorted(arrows) == sorted([*[colours[edge["path"]] for edge in edges], *[BLUE] * 3])  # and one from each weight
    assert next(mark.text for mark in panel.marks if isinstance(mark, Box)) == "x\n64 × 32"
    pytest.importorskip("matplotlib")
    plot.write(str(tmp_path / "graph.svg"), [panel])
    assert "2,097,152" in (tmp_path / "graph.svg").read_text(encoding="utf-8")


def test_the_picture_of_counts_shows_the_object_s_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    payload = answer(capsys, "elementwise", "--special", "12")
    (panel,) = matrix_pictures.elementwise(payload, "zh")
    (bars,) = panel.marks
    assert isinstance(bars, Bars)
    assert dict(zip(bars.names, bars.values, strict=True)) == {
        row["operation"]: row["per_element"] + 12 * row["special"] for row in payload["operations"]
    }


REFUSED: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "two sizes": (["product", "3", "4"], ("2 sizes", "ROWS INNER COLUMNS")),
    "an order that does not fit": (["product", "3x2", "3x2"], ("2 columns against 3 rows",)),
    "a negative size": (["product", "3", "--", "-4", "5"], ("inner", "from 1")),
    "a size beyond reason": (["vector", "9e12", "2"], ("9e12", "1,000,000,000")),
    "a shape that is none": (["chain", "3by4", "4x5"], ("3by4", "16384x32768")),
    "a chain that does not fit": (["chain", "3x4", "5x6"], ("A1·A2", "4 columns against 5 rows")),
    "a chain of one": (["chain", "3x4"], ("1 matrices", "2 to 100")),
    "a chain of too many": (["chain", *["2x2"] * 101], ("101", "2 to 100")),
    "channels that do not fit": (["conv", "8x3x224x224", "64x4x7x7"], ("channels=3", "4 channels")),
    "groups that do not divide": (["conv", "8x4x9", "9x2x3", "--groups", "2"], ("groups=2", "1, 3, 9")),
    "a kernel beyond the picture": (["conv", "8x3x5x5", "64x3x7x7"], ("no position", "2·padding")),
    "axes that differ": (["conv", "8x3x224x224", "64x3x7"], ("4", "3 axes")),
    "a stride of three axes": (["conv", "8x3x9x9", "4x3x3x3", "--stride", "1x2x3"], ("stride", "or 2")),
    "an unknown operation": (["elementwise", "sofmax", "3x4"], ("sofmax", "softmax")),
    "no matrix": (["gradient", "--a", "[[1,2],[3]]", "--x", X, "--g", G], ("a=", "JSON matrix")),
    "no JSON": (["gradient", "--a", "__import__('os')", "--x", X, "--g", G], ("JSON matrix",)),
    "a number that is none": (["gradient", "--a", "[[NaN]]", "--x", "[[1]]", "--g", "[[1]]"], ("JSON matrix",)),
    "a number beyond reason": (["gradient", "--a", f"[[{'9' * 400}]]", "--x", "[[1]]", "--g", "[[1]]"], ("JSON matrix",)),
    "deep brackets": (["gradient", "--a", "[" * 9000, "--x", "[[1]]", "--g", "[[1]]"], ("JSON matrix",)),
    "too many numbers": (["gradient", "--a", str([[1] * 17]), "--x", "[[1]]", "--g", "[[1]]"], ("16 × 16",)),
    "too many weights": (["mlp", "--x", "[[1]]", "--w", str([[[1] * 16] * 16] * 5), "--y", "[[1]]"], ("1,024",)),
    "too many layers": (["mlp", "--x", "[[1]]", "--w", str([[[1]]] * 17), "--y", "[[1]]"], ("1 to 16",)),
    "matrices that do not fit": (["gradient", "--a", A, "--x", A, "--g", G], ("A (3, 2)", "2 inputs in both")),
    "an upstream of another shape": (["gradient", "--a", A, "--x", X, "--g", X], ("(3, 2)", "(2, 2)")),
    "two ends": (["gradient", "--a", A, "--x", X, "--g", G, "--y", G], ("--g or --y",)),
    "sizes and matrices": (["gradient", "3", "2", "2", "--a", A, "--x", X], ("one of the two",)),
    "an unknown storage": (["gradient", "3", "2", "4", "--storage", "row"], ("row", "rows")),
    "an unknown activation": (["mlp", *PERCEPTRON[1:], "--activation", "gelo"], ("gelo", "gelu")),
    "weights that do not fit": (["mlp", "--x", "[[1,2]]", "--w", "[[[1],[2]],[[1],[2]]]", "--y", "[[1]]"], ("w2", "1 rows")),
    "a target that does not fit": (["mlp", "--x", "[[1,2]]", "--w", "[[[1],[2]]]", "--y", "[[1,2]]"], ("y is (1, 2)", "(1, 1)")),
    "weights without a target": (["mlp", "--x", "[[1,2]]", "--w", "[[[1],[2]]]"], ("--x, --w and --y",)),
    "no widths": (["mlp"], ("0 widths", "1 to 100 layers")),
    "an unknown kept operation": (["saved", "sofmax"], ("sofmax", "softmax")),
    "an unknown verb": (["matrix-product"], ("matrix-product", "product")),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_in_a_line(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, words = REFUSED[case]
    assert main(["matrix", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.strip().splitlines()) <= 2
    assert len(err) < 700
    assert all(word in err for word in words), err
