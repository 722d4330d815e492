"""What a convolution costs: it is a product of unfolded patches, one for each group of channels.

Shapes as PyTorch's: x (batch, channels, *sizes), weight (d_out, channels/groups, *kernel), y (batch, d_out, *positions). Each
position of each group is a row of (channels/groups)·Πkernel elements, multiplied with the d_out/groups filters of that group;
what lies in the padding is multiplied too.
"""

from __future__ import annotations

from dataclasses import dataclass

from bursar.dims import Dim, floor_div, product, split
from bursar.errors import PlanError
from bursar.formula import formula
from bursar.theory.products import Product

TEXT = (
    "FLOP = 2·batch·Πpositions·d_out·(channels/groups)·Πkernel,  position = ⌊(size + 2·pad − dilation·(kernel − 1) − 1)/stride⌋ + 1"
)
LATEX = (
    r"\mathrm{FLOP} = 2\,B\,H_{out}W_{out}\,C_{out}\,\frac{C_{in}}{g}\,K_hK_w,\quad "
    r"H_{out} = \left\lfloor\frac{H + 2p - d\,(K_h - 1) - 1}{s}\right\rfloor + 1"
)


@formula("positions of a convolution along one axis", "1", "torch-conv")
def positions(size: Dim, kernel: Dim, stride: Dim = 1, padding: Dim = 0, dilation: Dim = 1) -> Dim:
    return floor_div(size + 2 * padding - dilation * (kernel - 1) - 1, stride) + 1


@dataclass(frozen=True)
class Convolution:
    """A convolution over as many axes as `sizes` has. Raises PlanError where an int does not fit."""

    batch: Dim
    channels: Dim
    sizes: tuple[Dim, ...]
    d_out: Dim
    kernel: tuple[Dim, ...]
    stride: tuple[Dim, ...]
    padding: tuple[Dim, ...]
    dilation: tuple[Dim, ...]
    groups: Dim = 1

    @property
    def made(self) -> tuple[Dim, ...]:
        """Positions along each axis."""
        axes = zip(self.sizes, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        return tuple([positions(*axis) for axis in axes])

    @property
    def output(self) -> tuple[Dim, ...]:
        return (self.batch, self.d_out, *self.made)

    @property
    def weight(self) -> tuple[Dim, ...]:
        return (self.d_out, split(self.channels, self.groups, "channels", "groups"), *self.kernel)

    @property
    def unfolded(self) -> Product:
        """The product of one group: patches times filters."""
        filters = split(self.d_out, self.groups, "d_out", "groups")
        return Product(self.batch * product(self.made), product(self.weight[1:]), filters)

    @formula("FLOPs of a convolution", "FLOP", "torch-conv")
    def flops(self) -> Dim:
        return self.groups * self.unfolded.flops()

    @formula("FLOPs of a convolution, exactly", "FLOP", "torch-conv")
    def exact(self) -> Dim:
        return self.groups * self.unfolded.exact()


def convolution(
    x: tuple[int, ...],
    weight: tuple[int, ...],
    stride: tuple[int, ...] = (1,),
    padding: tuple[int, ...] = (0,),
    dilation: tuple[int, ...] = (1,),
    groups: int = 1,
) -> Convolution:
    """The convolution of an input with a weight, both by their shapes; one stride (padding, dilation) stands for all axes.

    Raises PlanError where the shapes do not fit."""
    if len(x) != len(weight) or not 3 <= len(x) <= 5:
        raise PlanError(f"an input of {len(x)} and a weight of {len(weight)} axes", field="shape", value=(x, weight),
                        valid="(batch, channels, *sizes) and (d_out, channels/groups, *kernel) of one to three sizes")  # fmt: skip
    if x[1] != weight[1] * groups:
        raise PlanError(f"channels={x[1]} against {weight[1]}·groups={groups} of the weight", field="channels", value=x[1],
                        valid=f"{weight[1] * groups} channels")  # fmt: skip
    axes = len(x) - 2
    found = Convolution(
        x[0], x[1], x[2:], weight[0], weight[2:], _each(stride, axes, "stride"), _each(padding, axes, "padding"),
        _each(dilation, axes, "dilation"), groups,
    )  # fmt: skip
    if min(found.made) < 1:
        raise PlanError(f"a kernel of {weight[2:]} finds no position in {x[2:]}", field="kernel", value=weight[2:],
                        valid="dilation·(kernel − 1) + 1 of at most size + 2·padding")  # fmt: skip
    _ = found.unfolded  # groups divide the filters, or this says what would
    return found


def _each(values: tuple[int, ...], axes: int, name: str) -> tuple[int, ...]:
    if len(values) not in (1, axes):
        raise PlanError(f"{name} of {len(values)} axes", field=name, value=values, valid=f"one number, or {axes}")
    return values * axes if len(values) == 1 else values
