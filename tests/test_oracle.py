"""Says whether the truth from PyTorch and transformers in `tests/oracle` was asked, and skips with the reason where it was not."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("library", ["torch", "transformers"])
def test_the_oracle_is_there(library: str) -> None:
    pytest.importorskip(library, reason=f"tests/oracle is left out: no {library} here (pip install 'bursar[oracle]')")
