"""What PyTorch modules really need, measured; these verbs need `pip install 'bursar[torch]'`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bursar.cli.asked import Options, Payload, assumed, model_of
from bursar.errors import BursarError

INSTALL = "pip install 'bursar[torch]'"


def trace(options: Options) -> Payload:
    """Parameters, FLOPs and saved bytes of a module, counted as it runs (TARGET: package.module:name or path.py:name)."""
    try:
        from bursar import measure
        from bursar.measure import target
    except ImportError:
        raise BursarError("measuring needs PyTorch", field="target", valid=INSTALL) from None
    made = target.make(options["target"], options["on"])
    found = measure.trace(made.module, *made.args, strict=bool(options["strict"]), **made.kwargs)
    return {
        "target": options["target"],
        **found.payload(),
        **_kept(made, options),
        "depth": options["depth"],
        "html": options["html"],
    }


VERIFIED = 64  # tokens where no length is asked for: enough to tell every dimension apart
DIFFERS = 2  # exit status where a difference has no cause


def verify(options: Options) -> Payload:
    """What is predicted of a MODEL beside what transformers' module of it has; fails where a difference is not explained."""
    try:
        from bursar.measure import verify as verifying
    except ImportError:
        raise BursarError("verifying needs PyTorch and transformers", field="model", valid=f"{INSTALL} transformers") from None
    from bursar.report.words import say

    model, seq, batch = model_of(options), options["seq"] or VERIFIED, options["batch"]
    found = verifying.verify(model, seq, batch, options["kernels"])
    causes = [{**cause._asdict(), "cause": cause.reason, "reason": say(cause.reason, "en")} for cause in found.causes]
    return {
        "model": model.name,
        "seq": seq,
        "batch": batch,
        "kernels": options["kernels"],
        "predicted": found.predicted._asdict(),
        "measured": found.measured._asdict(),
        "difference": found.difference,
        "causes": causes,
        "unexplained": found.unexplained,
        "missing": [{"quantity": name, "cause": key, "reason": say(key, "en")} for name, key in found.missing.items()],
        "unknown_ops": _operators(found.unknown),
        "exit_status": DIFFERS if found.unexplained else 0,
        **assumed(options),
    }


def _operators(unknown: Mapping[str, int]) -> list[Payload]:
    return [{"op": name, "calls": calls} for name, calls in unknown.items()]


def _kept(made: Any, options: Options) -> Payload:
    """What an optimizer keeps after a step, and what the parameters are, where that is asked for."""
    if not (options["optimizer_states"] or options["values"]):
        return {}
    from bursar.measure.states import states, values

    found: Payload = {}
    if options["optimizer_states"]:
        rows = states(made.module, made.args, made.kwargs, options["optimizer_states"])
        found["optimizer_states"] = {row.name: {"elements": row.elements, "bytes": row.bytes} for row in rows}
    return {**found, **({"values": [row._asdict() for row in values(made.module)]} if options["values"] else {})}
