"""Why a search has no plan: the cut that breaks the fewest rules, and which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, product

from bursar.errors import BursarError, PlanError, shown
from bursar.plan import CLI_NAMES, Plan
from bursar.planner import Space
from bursar.rules import RULES

MOST = 2000  # cuts that are looked at
DEGREES = ("tensor", "context", "pipeline", "data", "expert", "micro_batch")


def refusal(space: Space) -> PlanError | None:
    """The error of a search without a plan, about the cut of its space that comes nearest; None where the rules allow one."""
    found = [(_broken(space, plan), plan) for plan in islice(_cuts(space), MOST)]
    problems, plan = min(found, key=lambda one: len(one[0]), default=([], None))
    if plan is None or not problems:
        return None
    asked = f"no plan for {space.devices} devices and a global batch of {space.global_batch} sequences keeps the rules"
    degrees = [f"{CLI_NAMES[name]}={getattr(plan, name)}" for name in DEGREES if getattr(plan, name) > 1 or name == "data"]
    return PlanError(f"{asked}; nearest: {' '.join(degrees)}, but {problems[0]}", field="devices", value=space.devices)


def _broken(space: Space, plan: Plan) -> list[str]:
    """What is wrong with a plan, rule by rule."""
    found: list[str] = []
    for rule in RULES:
        try:
            demands = list(rule.demands(space.architecture, plan, space.job))
            found += [f"{one.problem(plan)}; valid: {_listed(one.valid(plan))}" for one in demands if not one.holds]
        except BursarError as error:  # a rule may stand on another one that is broken
            found.append(str(error))
    return found


def _listed(valid: object) -> str:
    if isinstance(valid, (list, tuple)):
        return ", ".join(str(one) for one in valid)
    return valid if isinstance(valid, str) else shown(valid)


def _cuts(space: Space) -> Iterator[Plan]:
    """Plans of the space by their degrees, each with the first value of every other axis. What devices no degrees share out are
    left to data parallelism, rounded down."""
    setting = next(space.settings())
    names = ("tp", "cp", "pp", "ep", "micro_batch")
    for tp, cp, pp, ep, micro in product(*[space.values(name) for name in names]):
        stages = [found for found in space.pipelines() if found[0] == pp][:1] or [(pp, "1f1b", 1)]
        zero = next((zero for zero, shard in space.shardings(pp) if shard == "all"), 0)
        yield replace(
            setting, tensor=tp, sequence=tp > 1 and setting.sequence, context=cp, pipeline=pp, expert=ep,
            expert_tensor=1 if ep > 1 else tp, micro_batch=micro, data=max(1, space.devices // (tp * cp * pp)),
            schedule=stages[0][1], virtual=stages[0][2], zero=zero, recompute=space.values("recompute")[0],
        )  # fmt: skip
