"""How the oracle treats each family: one file a family, named after its model_type.

A file must have

    SMALL: dict[str, Values]           small configs by name, sizes that share few factors, one for each switch of the family
    random(pick: Random) -> Values     a random small config without model_type

and may have, where the family is not an ordinary decoder with transformers' usual names,

    COMPONENTS: dict[str, str]         transformers' module (without its layer) → our component, beside the shared list
    LAYER: str                         the regular expression of a layer's prefix
    KINDS: list[tuple[str, str]]       regular expression of a module → the kind of its FLOPs; the first match wins
    AUTO: str                          transformers' auto class (AutoModelForCausalLM)
    MODEL_TYPE: str                    transformers' name of the class, where the published model_type is remote code
    ATTENTION: str                     transformers' attention implementation, where it has no "sdpa"
    parts(module, tensor, values) -> dict[str, int] | None    components of a tensor that we count as several, with elements
    build(values, device) -> Any       the model itself, where transformers has no class of it
    config(values) -> Values           the config as transformers wants it, where a key has another name there
    inputs(values, seq, batch, device) -> dict         keyword arguments of a forward pass
    aside(values, seq, batch) -> dict[str, int]        forward FLOPs by kind that FlopCounterMode has no formula for
    over(values, seq, batch) -> int                    forward FLOPs that it counts and that are no cost of the model
    lacking(values, seq, batch) -> int                 what the counted backward pass has less (or more) than twice the forward one
    useless(values, seq, batch) -> int                 FLOPs of gradients that nothing needs (pixels, sound) or a choice stops
    explained(model) -> dict[str, int]                 what we count and transformers keeps as buffers, by component or name
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
