"""What a live PyTorch module really needs, in the ledger's own terms. The only room that imports PyTorch (`bursar[torch]`)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bursar.measure.flops import counts as counts
    from bursar.measure.meter import Meter as Meter
    from bursar.measure.tracing import Trace as Trace
    from bursar.measure.tracing import trace as trace

_WHERE = {"trace": "tracing", "Trace": "tracing", "counts": "flops", "Meter": "meter"}
__all__ = ["Meter", "Trace", "counts", "trace"]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"bursar.measure.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'bursar.measure' has no attribute {name!r}")
