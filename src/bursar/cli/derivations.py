"""Derivations step by step, as the verbs that derive answer them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bursar.theory.steps import Derivations


def derivations(of: Derivations, name: str | None, texts: str, lang: str) -> dict[str, Any]:
    """One derivation, or all; the text of a step is the word `<texts>_<key>`."""
    from bursar.facts import sources
    from bursar.report.words import say
    from bursar.theory.steps import steps

    return {
        "derivations": [
            {
                "name": each,
                "steps": [
                    {
                        "formula": step.formula,
                        "latex": step.latex,
                        "text": say(f"{texts}_{step.key}", lang),
                        "values": dict(step.values),
                        "source": sources()[step.source].title,
                    }
                    for step in steps(of, each)
                ],
            }
            for each in ([name] if name else of)
        ]
    }
