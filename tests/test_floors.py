"""The house has floors: a file imports only from floors below its own, which is read from the imports themselves.

Within a floor a room may import from rooms to its left, and from files of its own package, never in a circle. Heavy
libraries stay out of the int reading: NumPy and SymPy are imported where they are met, PyTorch in `measure/` alone.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import bursar

# a room is a file of the house or a package of it; the order within a floor is the order of its imports
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "formula", "dims", "facts", "own", "formats", "notation"),
    ("step", "tree", "ops", "kernels"),
    ("config", "catalog", "families", "checkpoints"),  # a catalog of configs: it reads files and knows no model
    ("precision", "optimizers", "adapters", "recompute", "marks", "parallel", "plan", "holdings", "rules"),
    ("ledger",),
    ("machines",),
    ("memory", "seconds", "training", "model", "theory", "options", "jobs", "planner"),
    ("questions", "scaling", "explain", "register", "calibrate", "launch", "sweep"),
    ("__init__", "report", "measure", "web", "cli", "__main__"),
)
PLACE = {room: (floor, place) for floor, rooms in enumerate(FLOORS) for place, room in enumerate(rooms)}

HOME = Path(bursar.__file__).parent
FILES = {".".join(file.relative_to(HOME).with_suffix("").parts): file for file in sorted(HOME.rglob("*.py"))}
ARRAYS_AND_SYMBOLS = ("numpy", "sympy")
# the search reads blocks of plans, a report prints formulas, a fit reads runs
AT_HOME_WITH_ARRAYS = ("planner", "report", "scaling", "theory", "explain", "measure", "calibrate")


def room(name: str) -> str:
    return name.split(".")[0]


@cache
def syntax(name: str) -> ast.Module:
    return ast.parse(FILES[name].read_text(encoding="utf-8"))


def module(dotted: str) -> str | None:
    """The file behind a dotted name of the house: a module, a package, or the house itself."""
    found = [dotted, f"{dotted}.__init__"] if dotted else ["__init__"]
    return next((name for name in found if name in FILES), None)


@cache
def imports(name: str) -> frozenset[str]:
    """The files of the house that a file imports, wherever the import stands, for type checkers too."""
    return frozenset(_imports(name))


def _imports(name: str) -> Iterator[str]:
    for node in ast.walk(syntax(name)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            if room(node.module or "") == "bursar":
                base = (node.module or "").partition(".")[2]
                for item in node.names:
                    found = module(f"{base}.{item.name}".lstrip(".")) or module(base)
                    assert found, f"{name} imports {base}.{item.name}, which is not there"
                    yield found
        elif isinstance(node, ast.Import):
            for item in node.names:
                if room(item.name) == "bursar":
                    found = module(item.name.partition(".")[2])
                    assert found, f"{name} imports {item.name}, which is not there"
                    yield found


def runs_on_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that importing a file executes, those of its classes and branches too, not those of its functions."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from runs_on_import(node.orelse)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node
            for part in ("body", "orelse", "finalbody"):
                yield from runs_on_import(getattr(node, part, []))
            for handler in getattr(node, "handlers", []):
                yield from runs_on_import(handler.body)


def libraries(nodes: Iterator[ast.AST]) -> set[str]:
    """The libraries that statements import."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {room(item.name) for item in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(room(node.module or ""))
    return found


def test_a_file_has_a_floor() -> None:
    assert not {name for name in FILES if room(name) not in PLACE}


def test_a_file_imports_from_below() -> None:
    """From a lower floor, from a room to the left of its own, or from its own package."""
    pairs = [(name, other) for name in FILES for other in imports(name) if room(other) != room(name)]
    assert len(pairs) > len(FILES)
    assert not [f"{name} may not import {other}" for name, other in pairs if PLACE[room(other)] > PLACE[room(name)]]


def test_no_imports_in_a_circle() -> None:
    """Files that import each other, in whatever number, would raise a CycleError. A package's face may name what is in it."""
    graph = {name: imports(name) - {name} for name in FILES}
    assert len(list(TopologicalSorter(graph).static_order())) == len(FILES)


def test_arrays_and_symbols_are_imported_where_they_are_met() -> None:
    others = [name for name in FILES if room(name) not in AT_HOME_WITH_ARRAYS]
    assert not [name for name in others if libraries(runs_on_import(syntax(name).body)) & set(ARRAYS_AND_SYMBOLS)]


def test_torch_is_imported_in_measure_alone() -> None:
    found = {name for name in FILES if "torch" in libraries(ast.walk(syntax(name)))}
    assert found and {room(name) for name in found} == {"measure"}


INT_READING = """
import json, sys
import bursar
model = bursar.load("llama-3-8b")
total = model.params()
plan = bursar.Plan(tensor=8, sequence=True, pipeline=2, data=2, zero=1)
training = bursar.Training(model.architecture, plan, length=4096, device=bursar.device("h100-sxm"))
assert training.peak() > 0 and training.seconds.step > 0
print(json.dumps([total, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def test_the_int_reading_needs_the_standard_library_alone() -> None:
    """Parameters, memory and seconds in a fresh interpreter: Llama-3-8B, and no library that counting in ints does without."""
    run = subprocess.run([sys.executable, "-c", INT_READING], capture_output=True, text=True, check=True)
    total, loaded = json.loads(run.stdout)
    assert total == 8_030_261_248
    assert not {"numpy", "sympy", "rich", "click", "typer", "torch"} & set(loaded)


def test_importing_bursar_imports_no_room() -> None:
    """`import bursar` is quick: names are fetched once they are asked for."""
    code = "import sys, bursar; print([name for name in sys.modules if name.startswith('bursar.')])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
