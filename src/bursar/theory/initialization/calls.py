"""An initialization as it is written, read without running it: `trunc_normal_(w, std=0.02, a=-3, b=3)`, `torch.randn(64, 32) / 8`.

Only the syntax tree is looked at. Numbers, + − * / **, square roots, `w.shape[0]` and `w.size(0)` are worked out; all else is a
value that is not known.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from typing import NamedTuple

from bursar.errors import PlanError, shown

LENGTH = 1000  # characters of a call
IN = re.compile(r"\bin\b(?=\s*[,)*/+-])")  # a size that notes call `in`, which is no name in Python
VALID = "a call of torch.nn.init, of a tensor's normal_ or uniform_, torch.randn and its kin, or numpy's and jax's"
Value = float | str | None


class Signature(NamedTuple):
    """A function that draws: its name here, its parameters in order with defaults, and whether it makes a tensor of given sizes."""

    kind: str
    parameters: tuple[tuple[str, Value], ...]
    makes: bool = False


class Draw(NamedTuple):
    """What a call draws from: the function's kind, its arguments (None: not a number that can be worked out), those that were
    written, the sizes that it makes (None: none, or not known), the factor on it, and the axes whose sizes its text reads."""

    kind: str
    arguments: Mapping[str, Value]
    written: frozenset[str]
    shape: tuple[int, ...] | None
    scale: float | None
    axes: tuple[int, ...]
    makes: bool

    def number(self, name: str) -> float:
        """An argument that must be a number. Raises PlanError."""
        value = self.arguments[name]
        if not isinstance(value, float):
            raise PlanError(
                f"{name} of {self.kind} is not a number here", field="call", value=name, valid="numbers, or --shape for sizes"
            )
        return value


_MEAN, _STD, _GAIN = ("mean", 0.0), ("std", 1.0), ("gain", 1.0)
_HE = (("a", 0.0), ("mode", "fan_in"), ("nonlinearity", "leaky_relu"))
IN_PLACE: Mapping[str, Signature] = {
    "normal_": Signature("normal", (_MEAN, _STD)),
    "uniform_": Signature("uniform", (("a", 0.0), ("b", 1.0))),
    "trunc_normal_": Signature("trunc_normal", (_MEAN, _STD, ("a", -2.0), ("b", 2.0))),
    "xavier_normal_": Signature("xavier", (_GAIN,)),
    "xavier_uniform_": Signature("xavier", (_GAIN,)),
    "kaiming_normal_": Signature("kaiming", _HE),
    "kaiming_uniform_": Signature("kaiming", _HE),
    "orthogonal_": Signature("orthogonal", (_GAIN,)),
    "zeros_": Signature("constant", (("val", 0.0),)),
    "ones_": Signature("constant", (("val", 1.0),)),
    "zero_": Signature("constant", (("val", 0.0),)),
    "constant_": Signature("constant", (("val", None),)),
    "fill_": Signature("constant", (("val", None),)),
}
_SIZE = ("size", None)
MAKERS: Mapping[str, Signature] = {
    "randn": Signature("normal", (_MEAN, _STD), True),
    "rand": Signature("uniform", (("a", 0.0), ("b", 1.0)), True),
    "zeros": Signature("constant", (("val", 0.0),), True),
    "ones": Signature("constant", (("val", 1.0),), True),
    "empty": Signature("empty", (), True),
    "torch.normal": Signature("normal", (_MEAN, _STD, _SIZE), True),
    "np.random.normal": Signature("normal", (_MEAN, _STD, _SIZE), True),
    "np.random.uniform": Signature("uniform", (("a", 0.0), ("b", 1.0), _SIZE), True),
    "jax.random.normal": Signature("normal", (("key", None), _SIZE), True),
    "jax.random.uniform": Signature("uniform", (("key", None), _SIZE, ("dtype", None), ("a", 0.0), ("b", 1.0)), True),
    "jax.random.truncated_normal": Signature("trunc_normal", (("key", None), ("a", None), ("b", None), _SIZE), True),
}
KEYWORDS = {"loc": "mean", "scale": "std", "low": "a", "high": "b", "from": "a", "to": "b", "minval": "a", "maxval": "b",
            "lower": "a", "upper": "b", "shape": "size"}  # fmt: skip
WRAPPERS = {"Parameter", "nn.Parameter", "torch.nn.Parameter", "torch.tensor", "torch.from_numpy", "jnp.asarray", "np.asarray"}
PASSED = {"to", "cuda", "cpu", "float", "half", "bfloat16", "double", "requires_grad_", "astype", "contiguous", "detach", "clone"}
ROOTS = {"math.sqrt", "np.sqrt", "numpy.sqrt", "jnp.sqrt", "torch.sqrt", "sqrt"}
FACTORS: Mapping[str, Callable[[float, float], float]] = {
    "mul": operator.mul, "mul_": operator.mul, "div": operator.truediv, "div_": operator.truediv,
}  # fmt: skip
ARITHMETIC: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.Pow: math.pow,
}  # fmt: skip


def read(text: str, shape: tuple[int, ...] | None = None) -> Draw:
    """The draw of a line of code; `shape` is that of its weight, for `w.shape[0]` in it. Raises PlanError."""
    if len(text) > LENGTH:
        raise PlanError(f"a call of {len(text):,} characters", field="call", valid=f"at most {LENGTH:,}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of literals that are no good style
            tree = ast.parse(IN.sub("in_", text.strip()))
        if len(tree.body) != 1:
            raise _unread(text)
        return _Reader(text, shape).statement(tree.body[0])
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise _unread(text) from None


def _unread(text: str) -> PlanError:
    return PlanError(f"no initialization is read from {shown(text)}", field="call", value=text, valid=VALID)


def _dotted(node: ast.expr) -> str:
    """a.b.c of a name and its attributes; nothing of any other expression."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


class _Reader:
    """One pass over a statement, for a weight of a shape; it remembers which axes were read."""

    def __init__(self, text: str, shape: tuple[int, ...] | None) -> None:
        self.text, self.shape = text, shape
        self.axes: list[int] = []

    def statement(self, node: ast.stmt) -> Draw:
        if isinstance(node, (ast.Expr, ast.Assign, ast.AnnAssign)) and node.value is not None:
            return self.draw(node.value)
        raise _unread(self.text)

    def draw(self, node: ast.expr) -> Draw:
        """The call that draws, below wrappers, casts and factors."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Div)):
            return self.product(node)
        if not isinstance(node, ast.Call):
            raise _unread(self.text)
        name, last = _dotted(node.func), node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if name in WRAPPERS and node.args:
            return self.draw(node.args[0])
        if isinstance(node.func, ast.Attribute) and last in PASSED:
            return self.draw(node.func.value)
        if isinstance(node.func, ast.Attribute) and last in FACTORS and len(node.args) == 1:
            return self.scaled(node.func.value, FACTORS[last], node.args[0])
        return self.call(node, name, last)

    def product(self, node: ast.BinOp) -> Draw:
        how = ARITHMETIC[type(node.op)]
        if isinstance(node.op, ast.Mult) and not _draws(node.left):
            return self.scaled(node.right, how, node.left)
        return self.scaled(node.left, how, node.right)

    def scaled(self, inner: ast.expr, how: Callable[[float, float], float], by: ast.expr) -> Draw:
        draw, factor = self.draw(inner), self.number(by)
        scale = (
            None if factor is None or draw.scale is None or (factor == 0 and how is operator.truediv) else how(draw.scale, factor)
        )
        return draw._replace(scale=scale, axes=tuple(self.axes))

    def call(self, node: ast.Call, name: str, last: str) -> Draw:
        bare = name.rpartition(".")[2] or last
        if bare in IN_PLACE:
            function = name == bare or name.rpartition(".")[0] in ("init", "nn.init", "torch.nn.init")
            return self.filled(IN_PLACE[bare], node, node.args[1:] if function else node.args)
        maker = next((MAKERS[key] for key in (name.replace("numpy.", "np."), bare) if key in MAKERS), None)
        if maker is None:
            raise _unread(self.text)
        sized = ("size", None) in maker.parameters
        return self.filled(maker, node, node.args if sized else [], None if sized else node.args)

    def filled(self, of: Signature, node: ast.Call, given: list[ast.expr], sizes: list[ast.expr] | None = None) -> Draw:
        """Positional and keyword arguments put to a signature; others, such as dtype and generator, draw the same."""
        nodes: dict[str, ast.expr] = dict(zip([name for name, _ in of.parameters], given, strict=False))
        for keyword in node.keywords:
            nodes[KEYWORDS.get(keyword.arg or "", keyword.arg or "")] = keyword.value
        arguments = {
            name: self.value(nodes[name]) if name in nodes else default for name, default in of.parameters if name != "size"
        }
        shape = self.sizes(sizes if sizes else [nodes["size"]] if "size" in nodes else [])
        known = {"mean": 0.0, "std": 1.0} if of.kind in ("normal", "trunc_normal") else {}
        return Draw(of.kind, {**known, **arguments}, frozenset(nodes), shape, 1.0, tuple(self.axes), of.makes)

    def value(self, node: ast.expr) -> Value:
        return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else self.number(node)

    def sizes(self, nodes: list[ast.expr]) -> tuple[int, ...] | None:
        """randn(4096, 1024) or randn((4096, 1024)); None where one is not a whole number."""
        if len(nodes) == 1 and isinstance(nodes[0], (ast.Tuple, ast.List)):
            nodes = nodes[0].elts
        numbers = [self.number(node) for node in nodes]
        whole = [int(n) for n in numbers if n is not None and n == int(n) and 0 < n < 1e12]
        return tuple(whole) if whole and len(whole) == len(nodes) else None

    def number(self, node: ast.expr) -> float | None:
        """The value of arithmetic, None where it holds anything else or has no finite value."""
        try:
            value = self.arithmetic(node)
        except (ArithmeticError, ValueError):
            return None
        return value if value is not None and math.isfinite(value) else None

    def arithmetic(self, node: ast.expr) -> float | None:
        if isinstance(node, ast.Constant):
            value = node.value
            return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            inner = self.arithmetic(node.operand)
            return None if inner is None else -inner if isinstance(node.op, ast.USub) else inner
        if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
            left, right = self.arithmetic(node.left), self.arithmetic(node.right)
            return None if left is None or right is None else ARITHMETIC[type(node.op)](left, right)
        if isinstance(node, ast.Call) and _dotted(node.func) in ROOTS and len(node.args) == 1:
            inner = self.arithmetic(node.args[0])
            return None if inner is None else math.sqrt(inner)
        return self.axis(node)

    def axis(self, node: ast.expr) -> float | None:
        """w.shape[0] and w.size(0)."""
        index: ast.expr | None = None
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "shape":
            index = node.slice
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "size" and len(node.args) == 1
        ):
            index = node.args[0]
        place = None if index is None else self.arithmetic(index)
        if place is None or self.shape is None or place != int(place) or not -len(self.shape) <= place < len(self.shape):
            return None
        self.axes.append(int(place) % len(self.shape))
        return float(self.shape[int(place)])


def _draws(node: ast.expr) -> bool:
    """Whether some call that draws stands in an expression."""
    known = {*IN_PLACE, *(key.rpartition(".")[2] for key in MAKERS)}
    calls = [part.func for part in ast.walk(node) if isinstance(part, ast.Call)]
    return any(
        (func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else "") in known for func in calls
    )
