"""The letters of formulas: what each stands for here, which config keys hold it, and what papers mean by the same letter."""

from __future__ import annotations

from bursar.cli.asked import Options, Payload


def glossary(options: Options) -> Payload:
    """What the letters of formulas stand for, here and in the papers, and where these clash."""
    from bursar.explain.glossary import Meaning, clashes, letters
    from bursar.facts import sources
    from bursar.notation import SYMBOLS

    lang, known = options["lang"], {symbol.letter: symbol for symbol in SYMBOLS}

    def shown(meaning: Meaning) -> Payload:
        source = sources()[meaning.source] if meaning.source else None
        cited = {"source": source.title, "url": source.url} if source else {"source": "bursar", "url": ""}
        return {"meaning": meaning.zh if lang == "zh" else meaning.en, **cited}

    return {
        "symbols": [
            {
                "letter": letter,
                "word": known[letter].word if letter in known else None,
                "config_keys": list(known[letter].keys) if letter in known else [],
                "clash": clashes(meanings),
                "meanings": [shown(meaning) for meaning in meanings],
            }
            for letter, meanings in letters(options["letter"]).items()
        ]
    }
