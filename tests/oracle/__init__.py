"""Counts held against PyTorch and transformers, which know nothing of this project's formulas."""
