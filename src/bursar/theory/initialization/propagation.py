"""The second moments that a network at its initialization carries forward and backward: y = W·x, x' = φ(y), layer after layer.

Weights of mean 0 and independent: E y² = fan_in · Var w · E x², and y is normal where fan_in is large, so E x'² is an integral over
N(0, E y²). Backward E g² = fan_out · Var w · E φ′(y)² · E g'². For linear and (leaky) ReLU networks both hold for every width, in
the mean over networks; for others up to terms of depth/width. One network of finite width departs from that mean: its squared
length by a relative standard deviation of about √(5·depth/width) with ReLU, which is why a measurement takes many networks.
"""

from __future__ import annotations

from bursar.theory.initialization.activations import moments
from bursar.theory.initialization.network import Layer, Network, in_range


def predicted(of: Network, input_moment: float = 1.0, output_gradient: float = 1.0) -> tuple[Layer, ...]:
    """Every layer's moments, for an input of mean 0 and second moment `input_moment`, and a gradient of mean 0 and second moment
    `output_gradient` that is independent of the weights, at the network's output."""
    if of.residual != "none":
        return _residual(of, input_moment, output_gradient)
    forward = []
    moment = input_moment
    for index, (fan_in, variance) in enumerate(zip(of.sizes[:-1], of.variances, strict=True), 1):
        sums = in_range(fan_in * variance * moment, index, "variance")
        left = moments(of.activation, sums)
        forward.append((sums, left))
        moment = left.second_moment
    layers: list[Layer] = []
    gradient = output_gradient
    for (sums, left), fan_out, variance in zip(reversed(forward), reversed(of.sizes[1:]), reversed(of.variances), strict=True):
        at_sums = left.slope_second_moment * gradient
        gradient = in_range(fan_out * variance * at_sums, of.depth - len(layers), "gradient")
        layers.append(Layer(sums, left.mean, left.second_moment, at_sums, gradient))
    return tuple(reversed(layers))


def _residual(of: Network, input_moment: float, output_gradient: float) -> tuple[Layer, ...]:
    """The stream's second moment grows by the branch's; its mean stays 0, since U has mean 0."""
    width = of.sizes[0]
    forward = []
    stream = input_moment
    for index, (variance, out_variance) in enumerate(zip(of.variances, of.out_variances, strict=True), 1):
        entering = 1.0 if of.residual == "norm" else stream
        sums = in_range(width * variance * entering, index, "variance")
        left = moments(of.activation, sums)
        before, stream = stream, stream + width * out_variance * left.second_moment
        forward.append((sums, left, before, stream))
    layers: list[Layer] = []
    gradient = output_gradient
    for (sums, left, before, after), variance, out_variance in zip(
        reversed(forward), reversed(of.variances), reversed(of.out_variances), strict=True
    ):
        at_sums = left.slope_second_moment * width * out_variance * gradient
        # the norm takes out the gradient along its input, one direction of `width`, and divides by the root mean square
        through_norm = (1 - 1 / width) / before if of.residual == "norm" else 1.0
        gradient = gradient + through_norm * width * variance * at_sums
        in_range(gradient, of.depth - len(layers), "gradient")
        layers.append(Layer(sums, 0.0, after, at_sums, gradient))
    return tuple(reversed(layers))
