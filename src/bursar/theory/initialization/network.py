"""A network as far as its variances go: its sizes, its weights' variances, its activation, and what is asked of each layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bursar.errors import PlanError, shown

if TYPE_CHECKING:
    from bursar.theory.initialization.activations import Activation

SMALLEST, LARGEST = 1e-140, 1e140
RESIDUALS = ("none", "plain", "norm")


class Network(NamedTuple):
    """Sizes from the input to the output, the variance of the weights of each layer, and the activation.

    Without `residual` a layer is x' = φ(W·x). With it a branch of two matrices is added to a stream of one width: x' = x + U·φ(W·x)
    (plain) or x + U·φ(W·norm(x)) (norm: the input over its root mean square); `out_variances` are those of U."""

    sizes: tuple[int, ...]
    variances: tuple[float, ...]
    activation: Activation
    residual: str = "none"
    out_variances: tuple[float, ...] = ()

    @property
    def depth(self) -> int:
        return len(self.sizes) - 1


class Layer(NamedTuple):
    """Of one layer: the variance of its sums y (their mean is 0); mean and second moment of what it hands on; the second moments of
    the gradients with respect to y and to the layer's input."""

    sums: float
    mean: float
    second_moment: float
    sum_gradient: float
    gradient: float

    @property
    def variance(self) -> float:
        return self.second_moment - self.mean**2


def network(
    sizes: tuple[int, ...],
    variances: tuple[float, ...],
    activation: Activation,
    residual: str = "none",
    out_variances: tuple[float, ...] = (),
) -> Network:
    """A network, refused where a residual stream changes its width."""
    if residual != "none" and len(set(sizes)) > 1:
        raise PlanError(f"a residual stream has one width, not {shown(sizes)}", field="sizes", value=sizes, valid="one width")
    return Network(sizes, variances, activation, residual, out_variances)


def in_range(value: float, layer: int, what: str) -> float:
    """A moment that float64 holds, with its square; PlanError names the layer where one grows or shrinks beyond."""
    if not SMALLEST < value < LARGEST:
        size = "large" if value >= LARGEST else "small"
        raise PlanError(
            f"the {what} becomes too {size} at layer {layer}: {value:.3g}", field="layers", value=layer, valid="fewer layers"
        )
    return value
