"""Initialization: variance rules, what a call really draws, and the variance that a network then carries forward and backward."""
