"""The graph of a perceptron: its tensors, the forward path, and the path that gradients take back, with shapes and costs."""

from __future__ import annotations

from typing import NamedTuple

from bursar.theory.mlp import Layer, Mlp


class Node(NamedTuple):
    """A tensor: "sample" (x, z_i, the prediction), "weight" or "loss"."""

    name: str
    kind: str
    shape: tuple[int, ...]


class Edge(NamedTuple):
    """A step of the "forward" or of the "gradient" path: from what, to what, the product that is taken (empty: none), its two
    shapes, and its FLOPs."""

    path: str
    start: str
    end: str
    formula: str
    shapes: tuple[tuple[int, int], ...]
    flops: int


class Graph(NamedTuple):
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def graph(mlp: Mlp) -> Graph:
    """The graph of a perceptron under a summed squared error. The input needs no gradient."""
    layers = mlp.layers
    names = ["x", *[f"z{layer.index}" for layer in layers]]
    samples = [Node(name, "sample", (mlp.batch, width)) for name, width in zip(names, mlp.widths, strict=True)]
    weights = [Node(f"w{layer.index}", "weight", (layer.d_in, layer.d_out)) for layer in layers]
    last = names[-1]
    edges = [
        *[_forward(layer) for layer in layers],
        Edge("forward", last, "L", f"Σ ({last} − y)²", (), mlp.loss_flops()),
        Edge("gradient", "L", last, f"2·({last} − y)", (), mlp.loss_gradient_flops()),
        *[edge for layer in reversed(layers) for edge in _gradients(layer)],
    ]
    return Graph((*samples, *weights, Node("L", "loss", ())), tuple(edges))


def _forward(layer: Layer) -> Edge:
    term = layer.forward
    return Edge(
        "forward", term.left.name, f"z{layer.index}", term.formula, (term.left.shape, term.right.shape), term.product.flops()
    )


def _gradients(layer: Layer) -> list[Edge]:
    ends = [(f"w{layer.index}", layer.weight_gradient)]
    if layer.needed:
        ends.append((f"z{layer.index - 1}", layer.input_gradient))
    return [
        Edge("gradient", f"z{layer.index}", end, term.formula, (term.left.shape, term.right.shape), term.product.flops())
        for end, term in ends
    ]
