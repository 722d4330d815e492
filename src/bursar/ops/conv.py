"""Short convolutions along the sequence, one filter per channel (arXiv:2212.14052; arXiv:2312.00752, section 3.4).

x is (tokens, channels); channel c of token t becomes Σ_i weight[c, i] · x[t − kernel + 1 + i, c], over the token itself and the
kernel − 1 tokens before it. What lies before the sequence is zero, and is counted as if it were not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bursar.dims import Dim
from bursar.formula import formula
from bursar.step import Step
from bursar.tree import Op, Wire


@dataclass(frozen=True)
class ShortConv(Op):
    """A causal depthwise convolution with the activation after it, in one kernel; `function` None is no activation."""

    read: Wire
    channels: Dim
    kernel: Dim
    bias: bool = False
    function: str | None = "silu"
    slot: ClassVar[str] = "conv"
    follows: ClassVar[tuple[str, ...]] = ("channels",)
    kind: ClassVar[str] = "linear"

    @property
    def width(self) -> Dim:
        return self.channels

    def shapes(self) -> dict[str, tuple[Dim, ...]]:
        return {"weight": (self.channels, 1, self.kernel), **({"bias": (self.channels,)} if self.bias else {})}

    @formula("FLOPs, forward", "FLOP", "mamba")
    def flops(self, step: Step) -> Dim:
        return 2 * self.tokens(step) * self.channels * self.kernel  # one multiply-add for each tap of a channel's filter

    @formula("FLOPs, gradients of input and weight", "FLOP", "mamba")
    def grad_flops(self, step: Step) -> tuple[Dim, Dim]:
        forward = self.flops(step)
        return forward, forward

    @formula("elements of recurrent state of a sequence", "1", "mamba")
    def state(self) -> Dim:
        """The last `kernel` tokens, as implementations hold them: the oldest makes room for the next."""
        return self.channels * self.kernel
