"""What a launch says: a plan with its model, lengths and batch, as a framework's arguments or config hold them.

A framework expresses some fields of a plan, leaves some open (its user's script says those), and has one way for all others:
what differs from that way is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, NamedTuple

from bursar.errors import PlanError, shown
from bursar.model import Model, load
from bursar.plan import CLI_NAMES, Plan
from bursar.precision import RECIPES

MAX_BYTES = 2**18  # a launch script or a config is some kilobytes


class Job(NamedTuple):
    """What is written: a model trained by a plan on sequences of `length` tokens, `global_batch` of them per step, on nodes of so
    many devices."""

    model: Model
    plan: Plan
    length: int
    global_batch: int
    node: int = 8


@dataclass(frozen=True)
class Launch:
    """What was read. `model` is a config or a name of the catalog; None, as for a length or a batch: the file does not say it.
    `unread` are keys that no cost depends on, or that nothing here knows; `notes` are (key of a sentence, its facts)."""

    plan: Plan
    model: Mapping[str, Any] | str | None = None
    length: int | None = None
    global_batch: int | None = None
    vocab: int | None = None  # with its padding
    unread: tuple[str, ...] = ()
    notes: tuple[tuple[str, Mapping[str, Any]], ...] = ()


class Framework(NamedTuple):
    """How a framework is written and read. `open` are what its file does not say and a reader takes from elsewhere; `expressed` are
    the fields of a plan that it can have any way, `held` those with the ways that it has; `usual` is what it does unless told
    otherwise, `again` the part of that which a search does not tell apart: its winners are read again with it."""

    name: str
    write: Callable[[Job], str]
    read: Callable[[str, Mapping[str, Any]], Launch]
    open: tuple[str, ...]
    suffix: str
    expressed: frozenset[str]
    held: Mapping[str, tuple[Any, ...]]
    usual: Mapping[str, Any] = MappingProxyType({})
    again: Mapping[str, Any] = MappingProxyType({})


def refuse(framework: str, plan: Plan, expressed: Collection[str], held: Mapping[str, tuple[Any, ...]]) -> None:
    """Raise for the first field of a plan that a framework cannot express. What is neither expressed nor held has its default."""
    for field in fields(Plan):
        if field.name in expressed:
            continue
        valid = held.get(field.name, (field.default,))
        value = getattr(plan, field.name)
        if value not in valid:
            name = CLI_NAMES[field.name].replace("_", "-")
            raise PlanError(f"{framework} cannot express {name}={shown(value)}", field=name, value=value, valid=_named(valid))


def _named(values: tuple[Any, ...]) -> str:
    return " or ".join("not given" if value is None else "none" if value == () else str(value) for value in values)


def dtypes(precision: str, gradient: str, state: str) -> dict[str, Any]:
    """The fields of a plan for the dtypes of gradients and states: None where they are those of the recipe."""
    usual = RECIPES[precision]
    return {
        "precision": precision,
        "grad_dtype": None if gradient == usual.gradient else gradient,
        "state_dtype": None if state == usual.state else state,
    }


def whole(key: str, value: Any, low: int = 1, high: int = 10**9) -> int:
    """A whole number as a file gives it, refused if it is none."""
    try:
        number = int(value) if isinstance(value, str) and len(value) <= 20 else value
    except ValueError:
        number = None
    if type(number) is not int or not low <= number <= high:
        raise PlanError(f"{key}={shown(value)}", field=key, value=value, valid=f"a whole number from {low:,} to {high:,}")
    return number


def flag(key: str, value: Any) -> bool:
    """A yes or no as a file gives it."""
    found = {"true": True, "false": False, "yes": True, "no": False}.get(str(value).lower())
    if found is None:
        raise PlanError(f"{key}={shown(value)}", field=key, value=value, valid="true, false")
    return found


def word(key: str, value: Any, valid: Mapping[str, Any]) -> Any:
    """What a word of a file stands for."""
    if not isinstance(value, str) or value not in valid:
        raise PlanError(f"{key}={shown(value)} has no counterpart here", field=key, value=value, valid=list(valid))
    return valid[value]


def layers_of(model: Mapping[str, Any] | str | None) -> int | None:
    """Layers of a model, where it is known."""
    return None if model is None else int(load(dict(model) if isinstance(model, Mapping) else model).architecture.layers)


def told(framework: str, key: str, given: Mapping[str, Any], valid: str) -> Any:
    """What a file leaves open and was said elsewhere."""
    value = given.get(key)
    if value is None:
        raise PlanError(f"the {framework} file does not say {key.replace('_', '-')}", field=key, valid=valid)
    return value


def share(devices: int, degrees: int, text: str) -> int:
    """Data-parallel ranks: the devices that other degrees leave."""
    if devices % degrees:
        raise PlanError(
            f"{text}={degrees} does not divide devices={devices}", field="devices", value=devices, valid=f"a multiple of {degrees}"
        )
    return devices // degrees
