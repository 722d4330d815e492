"""Verbs that come in groups, a table for each."""
