"""What a command line answers and how it refuses, for tests of verbs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bursar.cli import main


def answer(capsys: pytest.CaptureFixture[str], line: str) -> dict[str, Any]:
    """The object that a command line prints with --json."""
    assert main([*line.split(), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def refused(capsys: pytest.CaptureFixture[str], line: str) -> str:
    """What a command line that ends with status 2 prints as its error."""
    assert main(line.split()) == 2
    return capsys.readouterr().err
