"""Which plans are valid. A rule is one object, read as an error with ints, as a mask with arrays, as a line of the docs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bursar.errors import PlanError
from bursar.plan import Plan
from bursar.rules import degrees, schedules, tensors
from bursar.rules.rule import Job, Rule
from bursar.tree import Architecture

__all__ = ["OF_A_CUT", "OF_RANKS", "RULES", "Job", "Rule", "check", "mask"]

RULES: tuple[Rule, ...] = (
    Rule("seq", "the length stays within learned positions", schedules.of_length, of_a_cut=True),
    Rule(
        "tp",
        "tp divides the heads and the feed-forward width; it divides the KV heads or is a multiple of them",
        degrees.of_tensor,
        of_a_cut=True,
    ),
    Rule(
        "cp",
        "cp spreads attention and what works token by token; 2·cp (ulysses: cp) divides the length, with ulysses tp·cp the heads",
        degrees.of_context,
        of_a_cut=True,
    ),
    Rule("sp", "with sequence parallelism tp divides the tokens of a micro-batch", degrees.of_sequence, of_a_cut=True),
    Rule("ep", "ep divides the number of experts; with tp it needs sequence parallelism", degrees.of_expert, of_a_cut=True),
    Rule(
        "expert_load", "a rank receives at most all token copies, an expert every token once", degrees.of_expert_load, of_a_cut=True
    ),
    Rule("etp", "etp divides tp and an expert's width; ep·etp divides tp·cp·dp", degrees.of_expert_tensor),
    Rule(
        "sharding",
        "shard_group divides cp·dp, and with experts ep·etp divides tp·shard_group; no-reshard and per-parameter are for zero 3",
        degrees.of_sharding,
    ),
    Rule("pp", "a pipeline has no more stages than layers", schedules.of_stages),
    Rule(
        "vp",
        "an interleaved pipeline has vp of 2 or more; pp·vp divides the layers, unless a layout deals them out",
        schedules.of_virtual,
    ),
    Rule("layout", "a layout has one number for each stage or virtual stage, and adds up to the layers", schedules.of_layout),
    Rule("zero", "a schedule that puts weight gradients off keeps them whole: ZeRO 0 or 1", schedules.of_zero),
    Rule("global_batch", "dp·micro_batch divides the global batch", schedules.of_batch),
    Rule(
        "schedule",
        "micro-batches: interleaved a multiple of pp; at least pp for zb-h1, 2·pp − 1 for zb-h2 and zb-v, 2·pp for dualpipe and "
        "dualpipe-v; dualpipe has an even pp",
        schedules.of_schedule,
    ),
    Rule(
        "precision",
        "products run in the recipe's format on the device; block scales in hardware came with FP4; autocast is for eager and sdpa "
        "kernels, without tp, cp, stored frozen weights and schedules that split the backward pass",
        tensors.of_precision,
    ),
    Rule("kernels", "eager and sdpa kernels are for families whose modules were traced", tensors.of_kernels, of_a_cut=True),
    Rule("recompute", "a layer has every module that is recomputed", tensors.of_recomputed, of_a_cut=True),
    Rule(
        "offload",
        "parameters leave with zero 3, the optimizer if it is not paged, both together with per-parameter sharding; activations "
        "leave where no schedule splits the backward pass",
        tensors.of_offload,
    ),
    Rule("adapter", "DoRA is for whole matrices: tp=1", tensors.of_adapter, of_a_cut=True),
    Rule("devices", "the product of tp, cp, pp and dp is the number of devices", schedules.of_devices),
)

OF_A_CUT = tuple(rule for rule in RULES if rule.of_a_cut)
OF_RANKS = tuple(rule for rule in RULES if not rule.of_a_cut)


def check(architecture: Architecture, plan: Plan, job: Job) -> None:
    """Raise the first rule that a plan of ints breaks."""
    for rule in RULES:
        for demand in rule.demands(architecture, plan, job):
            if not demand.holds:
                raise PlanError(demand.problem(plan), field=rule.field, value=plan, valid=demand.valid(plan))


def mask(architecture: Architecture, plan: Plan, job: Job, *, among: Iterable[Rule] = RULES) -> Any:
    """Which plans of an array keep every rule, or those `among` them."""
    kept: Any = True
    for rule in among:
        for demand in rule.demands(architecture, plan, job):
            kept = kept & demand.holds
    return kept
