"""Every word and sentence of the reports, once, in English and Simplified Chinese: a file for each topic."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.report.words import (
    budget,
    calibrate,
    check,
    distributed,
    explain,
    explain_reasons,
    formats,
    help,
    init,
    init_derive,
    init_lint,
    inverse,
    jobs,
    launch,
    matrix,
    measure,
    meter,
    model,
    optimizers,
    profile,
    running,
    scaling,
    search,
    sweep,
    verify,
)
from bursar.report.words.words import Words

TOPICS: tuple[Mapping[str, Words], ...] = (
    jobs.WORDS,
    running.WORDS,
    inverse.WORDS,
    launch.WORDS,
    sweep.WORDS,
    search.WORDS,
    scaling.WORDS,
    budget.WORDS,
    calibrate.WORDS,
    check.WORDS,
    matrix.WORDS,
    measure.WORDS,
    meter.WORDS,
    distributed.WORDS,
    profile.WORDS,
    verify.WORDS,
    explain.WORDS,
    explain_reasons.WORDS,
    formats.WORDS,
    optimizers.WORDS,
    init.WORDS,
    init_lint.WORDS,
    init_derive.WORDS,
    help.WORDS,
    model.WORDS,
)
WORDS: Mapping[str, Words] = {key: words for topic in TOPICS for key, words in topic.items()}


def say(key: str, lang: str, **facts: object) -> str:
    """A word or a sentence in a language, with its facts put in."""
    words = WORDS[key]
    return (words.zh if lang == "zh" else words.en).format(**facts)
