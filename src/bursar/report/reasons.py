"""Why a plan wins or loses, from the parts of its step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bursar.report.units import duration, percent
from bursar.report.words import say

if TYPE_CHECKING:
    from bursar.planner import Candidate, Found

USEFUL = ("forward", "backward")
WORTH_SAYING = 0.01  # of the winner's step


def why(candidate: Candidate, found: Found, lang: str) -> str:
    """Why the first plan is the first, or what a later one loses to it."""
    return _first(candidate, found, lang) if candidate is found.best[0] else _later(candidate, found.best[0], lang)


def _first(candidate: Candidate, found: Found, lang: str) -> str:
    parts = {name: value / candidate.step_s for name, value in candidate.seconds._asdict().items()}
    useful = percent(sum(parts[name] for name in USEFUL))
    others = sorted(((share, name) for name, share in parts.items() if name not in USEFUL and share >= WORTH_SAYING), reverse=True)
    listed = say("comma", lang).join(f"{say(name, lang)} {percent(share)}" for share, name in others)
    rest = say("why_rest", lang, parts=listed) if others else ""
    return say("why_first", lang, feasible=found.feasible, useful=useful, rest=rest)


def _later(candidate: Candidate, winner: Candidate, lang: str) -> str:
    ours, theirs = candidate.seconds._asdict(), winner.seconds._asdict()
    changes = sorted(((ours[name] - theirs[name], name) for name in ours), reverse=True)
    floor = WORTH_SAYING * winner.step_s
    worth = [pair for pair in changes if pair[0] >= floor] or changes[:1]
    losses = [f"{say(name, lang)} +{duration(change)}" for change, name in worth if change > 0]
    gains = [f"{duration(-change)} {say(name, lang)}" for change, name in reversed(changes) if -change >= floor]
    slower = percent(candidate.step_s / winner.step_s - 1)
    sentence = say("why_later", lang, slower=slower, losses=say("comma", lang).join(losses) or "≈")
    return sentence + (say("why_gains", lang, gains=say("comma", lang).join(gains)) if gains else "")
