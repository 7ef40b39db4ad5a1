"""Helpers that a plugin may import besides siamkit.errors, siamkit.types and siamkit.protocols."""
