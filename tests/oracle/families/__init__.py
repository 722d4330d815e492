"""How the oracle treats each family: one file a family, named after its model_type.

A file must have

    SMALL: dict[str, Values]           small configs by name, sizes that share few factors, one for each switch of the family
    random(pick: Random) -> Values     a random small config without model_type

and may have, where the family is not an ordinary decoder with transformers' usual names,

    COMPONENTS: dict[str, str]         transformers' module (without its layer) → our component, beside the shared list
    LAYER: str                         the regular expression of a layer's prefix
    KINDS: list[tuple[str, str]]       regular expression of a module → the kind of its FLOPs; the first match wins
    parts(module, tensor, values) -> dict[str, int] | None    components of a tensor that we count as several, with elements
    build(values, device) -> Any       the model itself, where transformers has no class of it
    unnamed(values, seq, batch) -> dict[str, int]    forward FLOPs by kind of products that no module of their kind makes
    useless(values, seq, batch) -> int    FLOPs of gradients that nothing needs (pixels, sound) or a choice stops

How transformers builds and feeds a family, and what its products lack or have too much, are rows of `bursar.measure.models` and
`bursar.measure.causes`.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from bursar.families import file_of

SPECS: dict[str, ModuleType] = {
    name: import_module(f"{__name__}.{name}") for _, name, _ in iter_modules(__path__) if not name.startswith("_")
}


def spec(model_type: str) -> ModuleType | None:
    """The file of a family, if it has one."""
    return SPECS.get(file_of(model_type))
