"""Letters of derivations beside those of configs, and what each means."""

from __future__ import annotations

from bursar.notation import SYMBOLS

# letters of rules and jobs
OTHERS: dict[str, tuple[str, str]] = {
    "N": ("parameters", "参数量"),
    "D": ("tokens", "词元数"),
}


def meaning(letter: str, lang: str) -> str:
    """What a letter stands for."""
    for symbol in SYMBOLS:
        if symbol.letter == letter:
            return symbol.meaning_zh if lang == "zh" else symbol.meaning
    en, zh = OTHERS.get(letter, ("", ""))
    return zh if lang == "zh" else en
