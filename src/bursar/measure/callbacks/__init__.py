"""The meter in the loops of frameworks: a file for each, which imports it."""
