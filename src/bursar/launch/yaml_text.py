"""YAML of plain values: by its safe loader, and without aliases, which make small files large."""

from __future__ import annotations

from typing import Any

from bursar.errors import BursarError, PlanError


def mapping(text: str, what: str) -> dict[str, Any]:
    """A text as a mapping of words."""
    try:
        import yaml
    except ImportError:
        raise BursarError("reading YAML needs PyYAML", valid="pip install 'bursar[launch]'") from None
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise PlanError("a config has no aliases", field="file", valid="plain values")
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise PlanError(f"not valid YAML: {' '.join(str(error).split())[:100]}", field="file", valid=what) from None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise PlanError(f"{what} is a mapping of words", field="file", valid="a mapping")
    return found
