"""What is wrong in an initialization call, and where the rules come from."""

from __future__ import annotations

from typing import Any

from bursar.cli.derivations import derivations
from bursar.cli.init import known_fans

Options = dict[str, Any]
Payload = dict[str, Any]


def lint(options: Options) -> Payload:
    """What is wrong in an initialization call, with the numbers, the reason and the call that is right."""
    from bursar.report.words import say
    from bursar.theory.initialization import lint as of

    case, findings = of.lint(
        options["call"], shape=options["shape"], layout=options["weight_layout"], groups=options["groups"],
        known=None if options["shape"] else known_fans(options), nonlinearity=options["nonlinearity"] or "linear",
        slope=options["slope"], depth=options["layers"], branch=options["branch"],
    )  # fmt: skip
    drawn = case.drawn
    return {
        "call": options["call"],
        "shape": list(case.shape) if case.shape else None,
        "weight_layout": case.layout,
        "fan_in": case.found.fan_in,
        "fan_out": case.found.fan_out,
        "nonlinearity": case.nonlinearity,
        "mean": drawn.mean if drawn else None,
        "variance": drawn.variance if drawn else None,
        "std": case.std if drawn else None,
        "output_variance": case.found.fan_in * drawn.variance if drawn else None,
        "wanted_variance": case.wanted,
        "findings": [
            {
                "kind": finding.kind,
                "what": say(f"lint_{finding.kind}", options["lang"], **finding.numbers),
                "why": say(f"lint_{finding.kind}_why", options["lang"], **finding.numbers),
                "numbers": dict(finding.numbers),
                "right": finding.right,
            }
            for finding in findings
        ],
    }


def derive(options: Options) -> Payload:
    """Where the rules come from, step by step: xavier, he, truncated, residual, attention."""
    from bursar.theory.initialization.derivations import DERIVATIONS

    return derivations(DERIVATIONS, options["name"], "init_derive", options["lang"])
