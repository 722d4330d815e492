"""The table of the checks of an initialization call, in the order of their findings: causes before what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bursar.theory.initialization import fan_checks, scale_checks
from bursar.theory.initialization.drawn import Case
from bursar.theory.initialization.right import Found

CHECKS: Mapping[str, Callable[[Case], Found]] = {
    "one_axis": fan_checks.one_axis,
    "empty": scale_checks.empty,
    "constant": scale_checks.constant,
    "bounds_in_sigmas": lambda case: scale_checks.bounds(case, default=False),
    "default_bounds": lambda case: scale_checks.bounds(case, default=True),
    "truncation_shrinks": scale_checks.shrinks,
    "off_centre": scale_checks.off_centre,
    "no_scale": scale_checks.no_scale,
    "variance_as_std": scale_checks.variance_as_std,
    "limit_as_std": scale_checks.limit_as_std,
    "wrong_axis": scale_checks.wrong_axis,
    "embedding_fans": fan_checks.embedding,
    "fans_of_layout": fan_checks.fans_of_layout,
    "groups_counted": fan_checks.groups,
    "fused_projections": fan_checks.fused,
    "xavier_with_relu": fan_checks.xavier_with_relu,
    "wrong_gain": fan_checks.wrong_gain,
    "kaiming_gain": fan_checks.kaiming_mismatch,
    "kaiming_default": fan_checks.root_five,
    "slope_ignored": fan_checks.slope_ignored,
    "fan_out_mode": fan_checks.fan_out_mode,
    "residual_depth": scale_checks.residual,
    "xavier_unequal": fan_checks.xavier_unequal,
    "variance_off": scale_checks.variance_off,
}
SYMPTOMS = ("xavier_unequal", "variance_off")
# findings that say by themselves why a layer's variance is not kept
EXPLAIN_SCALE = set(CHECKS) - {"bounds_in_sigmas", "default_bounds", "truncation_shrinks", "off_centre", "slope_ignored", *SYMPTOMS}
