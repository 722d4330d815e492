"""Optimizers as data: the states that each keeps for a weight, its update, what the update costs, and what it holds for a while.

The master copy of the weights is no state of the optimizer: a precision recipe decides on it. States are as wide as the recipe says
(FP32 unless it says otherwise); those in blocks of 8 bits have a width of their own.

Sharded states: what is kept element by element is spread over the ranks as the weights are. Matrices that an optimizer needs
whole (Muon, Shampoo, SOAP), and factors of matrices, are taken as dealt evenly: Megatron's layer-wise distributed optimizer and
Distributed Shampoo deal whole weights or blocks to ranks by size, and over FSDP2's shards a matrix is gathered for its update.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

from bursar.dims import Dim
from bursar.errors import PlanError, UnknownNameError
from bursar.formula import formula
from bursar.optimizers import states
from bursar.optimizers.states import State, Weight, each
from bursar.precision import bytes_of

# how an optimizer steps through its weights; cast: gradients are copied to FP32 for a fused step (Colossal-AI's low-level ZeRO);
# flattened: they are copied into one tensor first (DeepSpeed, ZeRO stages 1 and 2)
UPDATES = ("fused", "foreach", "for-loop", "cast", "flattened")


class Intermediates(NamedTuple):
    """What torch.optim 2.13 allocates while it updates, in elements of the states' format: `foreach` for each element of all
    weights; a for-loop for each element of the weight at work (`live`) and of the one before, which is still bound (`left`)."""

    foreach: int
    live: int
    left: int


NONE, FRESH, ADAM = Intermediates(0, 0, 0), Intermediates(1, 1, 1), Intermediates(1, 2, 1)


@dataclass(frozen=True)
class Optimizer:
    """`flops` are those of the update per parameter, every + − × ÷ √ counted, matrix products (`products`) apart. `workspace` is
    what the update of one weight holds beside its states. `paged` states live in managed memory."""

    name: str
    states: tuple[State, ...]
    update: str
    flops: int
    source: str
    intermediates: Intermediates | None = None
    products: Callable[[Weight], Dim] | None = None
    workspace: Callable[[Weight, Dim], Dim] | None = None
    paged: bool = False
    per_parameter: str = ""  # bytes of state per parameter of an m×n matrix, where they follow from its shape
    width: int = 4  # bytes of a state's element

    @cached_property
    def flat(self) -> bool:
        """Whether every parameter costs the same, whatever weight it belongs to."""
        return all(state.flat for state in self.states) and not self.paged

    @cached_property
    def bytes_per_parameter(self) -> int | Fraction | None:
        """Bytes of state for each parameter (of a weight of many blocks); None where they follow from the weight's shape."""
        if any(state.elements is not each for state in self.states):
            return None
        rates = [Fraction(self.width) if state.block is None else 1 + Fraction(4, state.block) for state in self.states]
        return bytes_of(8 * sum(rates, Fraction(0)))

    def bytes_of(self, weight: Weight) -> Dim:
        """Bytes of all its states for a weight, wherever they are."""
        return sum([state.bytes_of(weight, self.width) for state in self.states])

    def managed(self, weight: Weight) -> Dim:
        """Those of them that are in managed memory: the driver moves them to the host as the device fills up, and the step calls
        back those of the weight at work. Maxima of blocks stay on the device."""
        if not self.paged:
            return 0
        sizes = [(state.elements(weight), 1 if state.block else self.width) for state in self.states]
        return sum([states.in_pages(elements, elements * width) for elements, width in sizes])

    def stored_as(self, width: int) -> Optimizer:
        """The same optimizer with states of so many bytes an element."""
        return self if width == self.width else replace(self, width=width)


@formula("bytes at work in an optimizer step", "B", "pytorch-optim")
def step_temporary(owned: Dim, loop: Dim, per_element: Dim, width: Dim, cast: Dim) -> Dim:
    """What exists only while a rank steps over the `owned` elements that it updates.

    per_element   intermediates for each of them (foreach), in elements of `width` bytes
    loop          elements of intermediates in a loop over weights, at the worst weight
    cast          bytes of an element of the copy of the gradients in the master's format, where they are narrower
    """
    return owned * (per_element * width + cast) + loop * width


def _states(*names: str) -> tuple[State, ...]:
    return tuple(State(name, each) for name in names)


def _moments(block: int | None = None) -> tuple[State, ...]:
    return State("exp_avg", each, block), State("exp_avg_sq", each, block)


_ADAMW = "θ ← (1−ηλ)θ − η·m̂/(√v̂+ε)"

OPTIMIZERS: Mapping[str, Optimizer] = MappingProxyType({
    optimizer.name: optimizer
    for optimizer in (
        Optimizer("sgd", (), "θ ← θ − ηg", 2, "sgd", NONE),
        Optimizer("momentum", _states("momentum"), "v ← γv + g; θ ← θ − ηv", 4, "momentum", NONE),
        Optimizer("nesterov", _states("momentum"), "v ← γv + g; θ ← θ − η(g + γv)", 6, "nesterov", Intermediates(0, 1, 0)),
        Optimizer("rmsprop", _states("square_avg"), "E ← ρE + (1−ρ)g²; θ ← θ − ηg/(√E+ε)", 9, "rmsprop", FRESH),
        Optimizer("adagrad", _states("sum"), "c ← c + g²; θ ← θ − ηg/(√c+ε)", 7, "adagrad", Intermediates(2, 1, 1)),
        Optimizer("adam", _moments(), "θ ← θ − η·m̂/(√v̂+ε)", 14, "adam", ADAM),
        Optimizer("adamw", _moments(), _ADAMW, 15, "adamw", ADAM),
        Optimizer(
            "amsgrad", (*_moments(), State("max_exp_avg_sq", each)), "v̄ ← max(v̄, v); θ ← θ − η·m̂/(√(v̄/(1−β₂ᵗ))+ε)", 15, "amsgrad",
            ADAM,
        ),
        Optimizer("lamb", _moments(), "u ← m̂/(√v̂+ε) + λθ; θ ← θ − η·‖θ‖/‖u‖·u", 20, "lamb"),
        Optimizer("lars", _states("momentum"), "v ← γv + η·κ‖θ‖/(‖g‖+λ‖θ‖)·(g + λθ); θ ← θ − v", 10, "lars"),
        Optimizer("lion", _states("exp_avg"), "θ ← θ − η(sign(β₁m + (1−β₁)g) + λθ); m ← β₂m + (1−β₂)g", 11, "lion"),
        Optimizer(
            "adafactor", (State("factors", states.of_factors),),
            "R, C ← row and column means of g²; u ← g/√(RC/ΣR), clipped; θ ← θ − α·RMS(θ)·u", 13, "adafactor",
            workspace=states.clipped_bytes, per_parameter="4*(m + n)/(m*n)",
        ),
        Optimizer(
            "muon",
            (State("momentum", states.of_matrix), State("exp_avg", states.of_others), State("exp_avg_sq", states.of_others)),
            "hidden matrices: B ← μB + G; θ ← (1−ηλ)θ − η·√max(1, m/n)·NewtonSchulz₅(G + μB); others: AdamW", 9, "muon",
            products=states.orthogonalised, workspace=states.orthogonalised_bytes, per_parameter="4, and 8 for others",
        ),
        Optimizer(
            "shampoo",
            (State("exp_avg", each), State("factors", states.of_blocks), State("inverse_roots", states.of_blocks)),
            "per block: L ← L + GGᵀ; R ← R + GᵀG; θ ← θ − η·L^(−1/4)·M·R^(−1/4)", 5, "shampoo",
            products=states.preconditioned_flops, per_parameter="4 + 8*(m**2 + n**2)/(m*n), up to 1024 each",
        ),
        Optimizer(
            "soap", (*_moments(), State("factors", states.of_sides), State("eigenbasis", states.of_sides)),
            "L, R ← averages of GGᵀ, GᵀG with eigenbases Q; Adam on QₗᵀGQᵣ; θ ← θ − η·Qₗ·u·Qᵣᵀ", 15, "soap",
            products=states.rotated_flops, per_parameter="8 + 8*(m**2 + n**2)/(m*n), up to 10000 each",
        ),
        Optimizer("sophia", _states("exp_avg", "hessian"), "θ ← (1−ηλ)θ − η·clip(m/max(γh, ε), 1)", 10, "sophia"),
        # blocks of 2048 as in the paper; bitsandbytes from 0.44 on has 256
        Optimizer("adamw-8bit", _moments(2048), f"{_ADAMW}, states in blocks of 8 bits", 15, "adam-8bit"),
        Optimizer("adamw-8bit-256", _moments(256), f"{_ADAMW}, states in blocks of 8 bits", 15, "bitsandbytes"),
        Optimizer("paged-adamw", _moments(), f"{_ADAMW}, states in managed memory", 15, "bitsandbytes", paged=True),
        Optimizer(
            "paged-adamw-8bit", _moments(256), f"{_ADAMW}, states in blocks of 8 bits in managed memory", 15, "bitsandbytes",
            paged=True,
        ),
        Optimizer(
            "schedule-free", _states("z", "exp_avg_sq"), "z ← z − η(g/(√v̂+ε) + λy); x ← (1−c)x + cz; θ = y = (1−β)z + βx", 17,
            "schedule-free",
        ),
    )
})  # fmt: skip


def optimizer(name: str) -> Optimizer:
    """An optimizer by name."""
    if name not in OPTIMIZERS:
        raise UnknownNameError("optimizer", name, OPTIMIZERS)
    return OPTIMIZERS[name]


def check_update(chosen: Optimizer, update: str) -> None:
    """That an optimizer can step in a way: foreach and for-loop are those of torch.optim."""
    if update not in UPDATES:
        raise UnknownNameError("optimizer_step", update, UPDATES)
    if update in ("foreach", "for-loop") and chosen.intermediates is None:
        theirs = [name for name, known in OPTIMIZERS.items() if known.intermediates is not None]
        raise PlanError(
            f"optimizer_step={update} of {chosen.name}, whose steps of torch.optim were not traced", field="optimizer_step",
            value=update, valid=f"fused, or one of {', '.join(theirs)}",
        )  # fmt: skip
