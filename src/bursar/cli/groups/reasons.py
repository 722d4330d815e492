"""Verbs that say why: where a number comes from, what differs, what letters mean, which claims hold."""

from __future__ import annotations

from collections.abc import Mapping

from bursar.cli.verb import PLANNED, READ, Verb

REASONS: Mapping[str, Verb] = {
    "explain": Verb(
        "quantity [model]",
        ("layer", "depth", "as", "seq", "past", "micro_batch", "batch", "kv_dtype", "derivation", *PLANNED, *READ),
        "bursar explain activations gpt3-175b --layer 0 --kernels textbook --seq 2048",
        "explain",
    ),
    "diff": Verb(
        "a [b]",
        ("against", "convention", "seq", "micro_batch", "kv_dtype", *PLANNED, *READ),
        "bursar diff llama-2-7b llama-3-8b",
        "diff",
    ),
    "glossary": Verb("[letter]", (), "bursar glossary D", "glossary"),
    "check": Verb("", ("only", "claims", "measured"), "bursar check --only N4", "check"),
}
