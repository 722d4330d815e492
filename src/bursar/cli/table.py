"""The table of verbs: what each takes, where its answer and its report are. Sections are those of the help."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.cli.groups.choices import CHOICES
from bursar.cli.groups.init import INIT
from bursar.cli.groups.matrix import MATRIX
from bursar.cli.groups.measured import MEASURED
from bursar.cli.groups.needs import NEEDS
from bursar.cli.groups.numerics import FORMATS, NUMERICS
from bursar.cli.groups.optimizers import OPTIMIZER
from bursar.cli.groups.reasons import REASONS
from bursar.cli.groups.scaling import SCALING
from bursar.cli.verb import Verb

SECTIONS: Mapping[str, Mapping[str, Verb]] = {
    "help_needs": NEEDS,
    "help_choices": {**CHOICES, "scaling": Verb("", (), "bursar scaling optimal --flops 1e24", "scaling", verbs=SCALING)},
    "help_reasons": REASONS,
    "help_measured": MEASURED,
    "help_theory": {
        "matrix": Verb("", (), "bursar matrix mlp 32 128 128 10 --batch 64", "matrix", verbs=MATRIX),
        **FORMATS,
        "numerics": Verb("", (), "bursar numerics sum", "numerics", verbs=NUMERICS),
        "optimizer": Verb("", (), "bursar optimizer race", "optimizers", verbs=OPTIMIZER),
        "init": Verb("", (), "bursar init xavier --fan-in 4096 --fan-out 1024", "init", verbs=INIT),
    },
    "help_catalogs": {
        "models": Verb("", (), "bursar models", "catalogs"),
        "devices": Verb("", (), "bursar devices --json", "catalogs"),
        "clusters": Verb("", (), "bursar clusters", "catalogs"),
        "optimizers": Verb("", (), "bursar optimizers", "catalogs"),
    },
}
VERBS: Mapping[str, Verb] = {name: verb for section in SECTIONS.values() for name, verb in section.items()}
