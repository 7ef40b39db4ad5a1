"""Encoders and detectors: names, the cache, and how folders are built, added and checked."""
