"""Arithmetic on scores and vectors; no files, no store."""
