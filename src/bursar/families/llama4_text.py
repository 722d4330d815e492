"""Llama 4 Scout and Maverick without their vision tower (Meta, 5 April 2025; no paper): see `_llama4`."""

from __future__ import annotations

from bursar.config import Config
from bursar.families._llama4 import text
from bursar.tree import Architecture


def build(c: Config) -> Architecture:
    return text(c, "llama4_text")
