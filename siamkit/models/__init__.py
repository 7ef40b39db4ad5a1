"""Encoder folders: names, the cache, and how folders are built, added and checked."""
