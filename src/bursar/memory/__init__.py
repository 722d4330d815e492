"""Bytes of a rank: what waits along the wires, what a stage holds, the moments of a step, and measured overheads."""
