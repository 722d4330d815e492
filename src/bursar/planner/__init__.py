"""The best plan for a cluster: every plan of a stated space as float64 arrays, masked by the rules; winners read again in ints.

`SPACE` says what is searched, `Space.axes` with which values. With a pipeline ZeRO stops at stage 1, unless it is fixed: gradients
and weights of a pipeline stage are in use until its last micro-batch. What does not fit has no seconds.
"""

from __future__ import annotations

from bursar.planner.found import Candidate, Found, best_if_any, best_of, read, search, smallest_cluster
from bursar.planner.scoring import Scored, score
from bursar.planner.sensitivity import Changed, sensitivity
from bursar.planner.space import AXES, BASE, MAX_MICRO_BATCH, VIRTUAL, Space, space_of

__all__ = [
    "AXES", "BASE", "Candidate", "Changed", "Found", "MAX_MICRO_BATCH", "SPACE", "Scored", "Space", "VIRTUAL", "best_if_any",
    "best_of", "read", "score", "search", "sensitivity", "smallest_cluster", "space_of",
]  # fmt: skip

SPACE = (
    "every product of the axes that keeps the rules: tp over divisors of the devices within a link domain; cp over divisors "
    "that leave a rank 2,048 tokens or more, by ring, all-gather or Ulysses; pp over divisors up to the number of layers; dp "
    "the rest; ep over divisors of the experts, etp 1 or tp; every schedule, interleaved with vp 2, 4 or 8; micro-batch over "
    "divisors of the global batch up to 16; no, selective or full recomputation, or lists of modules; ZeRO 0-3 without a "
    "pipeline and 0-1 with one, over all ranks or over those of a link domain; sequence parallelism beside tensor parallelism. "
    "--fix and --also change the values of an axis. No plan is left out: bytes are worked out for all, seconds for those that "
    "fit, so that best plans and the front are exact"
)
