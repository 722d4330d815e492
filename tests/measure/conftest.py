"""Tests of what is measured on live modules: without PyTorch they are left out, and a line says so."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]
