"""Pictures of a fit: the loss over parameters at every budget with its parabola, and the residuals of approach 3."""

from __future__ import annotations

from typing import Any

import numpy as np

from bursar.report.plot import BLUE, PALETTE, RED, Dots, Line, Mark, Note, Panel, Rule
from bursar.report.words import say
from bursar.scaling import isoflop
from bursar.scaling.runs import Measured
from bursar.scaling.study import Study

SMOOTH = 40  # points of a parabola


def panels(measured: Measured, found: Study, lang: str) -> list[Panel]:
    """Both pictures, one below the other."""
    return [
        Panel(say("isoflop_chart", lang), _budgets(measured), "N", "L", x_log=True),
        Panel(say("residual_chart", lang), _residuals(measured, found), "C", say("residual", lang), x_log=True),
    ]


def _budgets(measured: Measured) -> list[Mark]:
    flops, params, loss = (np.asarray(values) for values in (measured.flops, measured.params, measured.loss))
    marks: list[Mark] = []
    for index, rows in enumerate(isoflop.budgets(flops)):
        colour = PALETTE[index % len(PALETTE)]
        marks.append(Dots(params[rows], loss[rows], colour=colour))
        if np.unique(params[rows]).size >= 3:
            marks += _parabola(params[rows], loss[rows], f"{flops[rows].mean():.2g}", colour)
    return marks


def _parabola(params: Any, loss: Any, budget: str, colour: str) -> list[Mark]:
    """Of the loss over the logarithm of N, with the budget at its end."""
    log = np.log10(params)
    across = np.linspace(log.min(), log.max(), SMOOTH)
    up = np.polyval(np.polyfit(log, loss, 2), across)
    last = np.argmax(params)
    return [Line(10**across, up, colour=colour), Note(params[last], loss[last], f" {budget}", colour, "left")]


def _residuals(measured: Measured, found: Study) -> list[Mark]:
    flops, residuals = np.asarray(measured.flops), np.asarray(found.residuals)
    far = np.isin(np.arange(flops.size), found.outliers)
    return [
        Rule(0.0, colour="#000000"),
        Dots(flops[~far], residuals[~far], colour=BLUE),
        Dots(flops[far], residuals[far], colour=RED),
    ]
