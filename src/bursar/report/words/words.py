"""A word or a sentence in the languages of the reports."""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    en: str
    zh: str
