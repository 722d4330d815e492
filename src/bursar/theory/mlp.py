"""Back-propagation of a multi-layer perceptron: every product with its shapes and its cost.

Samples are rows and there are no biases: z_0 = x (B, M_0), h_i = z_{i−1}·w_i (B, M_i), z_i = σ(h_i), L over z_n. Backward, with
G_i = dL/dh_i of h_i's shape,

    dL/dw_i = z_{i−1}ᵀ·G_i  (M_{i−1}, B)(B, M_i)        G_{i−1} = (G_i·w_iᵀ) ⊙ σ′(h_{i−1})  (B, M_i)(M_i, M_{i−1})

Each product costs what the forward one does, 2·B·M_{i−1}·M_i. The first layer needs no G_0 unless something before it is trained,
so that the backward pass costs a little less than twice the forward pass: 2 − M_0·M_1/Σ M_{i−1}·M_i times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from bursar.dims import Dim
from bursar.formula import formula
from bursar.theory.products import Operand, Product, Term, fit


@dataclass(frozen=True)
class Layer:
    """Layer `index` of `count`, from 1, for a batch of samples."""

    index: int
    count: int
    batch: Dim
    d_in: Dim
    d_out: Dim

    @property
    def _named(self) -> tuple[Operand, Operand, Operand]:
        """What it reads, its weight, and the gradient that reaches its product."""
        read = Operand("x" if self.index == 1 else f"z{self.index - 1}", (self.batch, self.d_in))
        return read, Operand(f"w{self.index}", (self.d_in, self.d_out)), Operand(f"G{self.index}", (self.batch, self.d_out))

    @property
    def forward(self) -> Term:
        read, weight, _ = self._named
        return Term(f"h{self.index}", read, weight)

    @property
    def weight_gradient(self) -> Term:
        read, _, reached = self._named
        return Term(f"dL/dw{self.index}", read.T, reached)

    @property
    def input_gradient(self) -> Term:
        read, weight, reached = self._named
        return Term(f"dL/d{read.name}", reached, weight.T)

    @property
    def needed(self) -> bool:
        """Whether something trained lies before it, so that the gradient of what it reads is needed."""
        return self.index > 1

    @property
    def transposed_error(self) -> tuple[Term, str]:
        """The slip of transposing the error before it goes back through the weight, and what becomes of it."""
        read, weight, reached = self._named
        term = Term(f"dL/d{read.name}", reached.T, weight.T)
        return term, fit(term, read.shape)

    @formula("FLOPs of an activation, or of the product with its derivative, one an element", "FLOP")
    def activation_flops(self) -> Dim:
        return self.batch * self.d_out

    @formula("FLOPs of a step of gradient descent on a weight", "FLOP")
    def update_flops(self) -> Dim:
        return 2 * self.d_in * self.d_out  # w − η·g


@dataclass(frozen=True)
class Mlp:
    """Layers of `widths` M_0, M_1, …, M_n, for `batch` samples."""

    batch: Dim
    widths: tuple[Dim, ...]

    @property
    def layers(self) -> tuple[Layer, ...]:
        count = len(self.widths) - 1
        return tuple([Layer(i, count, self.batch, a, b) for i, (a, b) in enumerate(pairwise(self.widths), 1)])

    @formula("weights of a multi-layer perceptron", "1")
    def weights(self) -> Dim:
        return sum([a * b for a, b in pairwise(self.widths)])

    @formula("FLOPs of a perceptron's forward products", "FLOP")
    def forward(self) -> Dim:
        return self._sum(Product.flops, lambda layer: [layer.forward])

    @formula("FLOPs of a perceptron's forward products, exactly", "FLOP")
    def forward_exact(self) -> Dim:
        return self._sum(Product.exact, lambda layer: [layer.forward])

    @formula("FLOPs of a perceptron's backward products, without the gradient of its input", "FLOP")
    def backward(self) -> Dim:
        return self._sum(Product.flops, _backward)

    @formula("FLOPs of a perceptron's backward products, exactly", "FLOP")
    def backward_exact(self) -> Dim:
        return self._sum(Product.exact, _backward)

    @formula("FLOPs of a perceptron's backward products, the gradient of its input too", "FLOP")
    def backward_with_input(self) -> Dim:
        return self._sum(Product.flops, lambda layer: [layer.weight_gradient, layer.input_gradient])

    @formula("FLOPs of the summed squared error: difference, square, sum", "FLOP")
    def loss_flops(self) -> Dim:
        return 3 * self.batch * self.widths[-1] - 1

    @formula("FLOPs of the gradient of the squared error, 2(ŷ − y)", "FLOP")
    def loss_gradient_flops(self) -> Dim:
        return 2 * self.batch * self.widths[-1]

    @property
    def ratio(self) -> Fraction:
        """Backward over forward: 2 − M_0·M_1/Σ M_{i−1}·M_i."""
        return 2 - Fraction(self.widths[0] * self.widths[1], self.weights())

    def _sum(self, cost: Callable[[Product], Dim], terms: Callable[[Layer], list[Term]]) -> Dim:
        return sum([cost(_sizes(term)) for layer in self.layers for term in terms(layer)])


def _backward(layer: Layer) -> list[Term]:
    return [layer.weight_gradient, *([layer.input_gradient] if layer.needed else [])]


def _sizes(term: Term) -> Product:
    """Of a term that fits by its making."""
    return Product(term.left.shape[0], term.left.shape[1], term.right.shape[1])
