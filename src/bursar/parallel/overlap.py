"""Overlap: which communication runs beside compute, and what it costs there.

data     gradients are reduced beside the last backward pass, weights gathered beside the first forward pass or, where they are
         sharded, beside the passes of every micro-batch (DDP and FSDP; Megatron's --overlap-grad-reduce, --overlap-param-gather).
tensor   with sequence parallelism gathers and scatters go in as many parts as there are ranks, beside the product they feed or
         follow: all but one part can hide (Transformer Engine's userbuffers, --tp-comm-overlap; async tensor parallelism).
expert   the all-to-alls of one micro-batch run beside the compute of another (DualPipe; Megatron's
         --overlap-moe-expert-parallel-comm).

Two that run together take the longer of the two, and a share of the shorter: communication takes processors and bandwidth.
"""

from __future__ import annotations

from collections.abc import Iterable

from bursar.dims import Dim, at_most
from bursar.errors import PlanError, shown
from bursar.formula import formula

KINDS = ("data", "tensor", "expert")
USUAL = ("data",)


def read(words: str | Iterable[str]) -> tuple[str, ...]:
    """What overlaps, each kind once and in one order; refused with what would be valid."""
    given = words.split(",") if isinstance(words, str) else list(words)
    asked = [str(word).strip() for word in given]
    if asked in ([], [""], ["none"]):
        return ()
    for word in asked:
        if word not in KINDS:
            raise PlanError(f"overlap={shown(word)}", field="overlap", value=word, valid=("none", *KINDS))
    return tuple(kind for kind in KINDS if kind in asked)


@formula("seconds of communication that outlast the compute they run beside", "s", "calculon")
def exposed(sent: Dim, beside: Dim, price: Dim, alone: Dim = 0) -> Dim:
    """max(C, X) + ω·min(C, X) − C, where a share `alone` of X finds nothing to run beside."""
    return sent - (1 - price) * at_most(sent * (1 - alone), beside)
