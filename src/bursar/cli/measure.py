"""What PyTorch modules really need, measured; these verbs need `pip install 'bursar[torch]'`."""

from __future__ import annotations

from typing import Any

from bursar.errors import BursarError

Options = dict[str, Any]
Payload = dict[str, Any]


def trace(options: Options) -> Payload:
    """Parameters, FLOPs and saved bytes of a module, counted as it runs (TARGET: package.module:name or path.py:name)."""
    try:
        from bursar import measure
        from bursar.measure import target
    except ImportError:
        raise BursarError("measuring needs PyTorch", field="target", valid="pip install 'bursar[torch]'") from None
    made = target.make(options["target"], options["on"])
    found = measure.trace(made.module, *made.args, strict=bool(options["strict"]), **made.kwargs)
    return {
        "target": options["target"],
        "module": found.kind,
        "device": found.device,
        "measured": {
            "params": found.params,
            "forward_flops": found.forward,
            "backward_flops": found.backward,
            "saved_bytes": found.saved_bytes,
        },
        **_kept(made, options),
        "trainable": found.trainable,
        "buffers": found.buffers,
        "forward_macs": found.macs,
        "again_flops": found.again,
        "by_operator": dict(found.by_operator),
        "modules": [part._asdict() for part in found.parts],
        "saved": [item._asdict() for item in found.saved],
        "unknown_ops": [{"op": name, "calls": calls} for name, calls in found.unknown.items()],
        "depth": options["depth"],
        "html": options["html"],
    }


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
