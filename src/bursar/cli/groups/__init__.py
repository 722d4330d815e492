"""Verbs by what they are asked for, a table for each."""
