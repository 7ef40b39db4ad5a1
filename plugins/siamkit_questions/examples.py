"""Example questions, written for this project: four subjects, each asked about in two ways."""

from __future__ import annotations

EXAMPLES = (
    ("password", "How do I reset a forgotten password?"),
    ("password", "I forgot my password. How can I set a new one?"),
    ("bread", "Why does my sourdough bread not rise?"),
    ("bread", "What keeps a sourdough loaf from rising?"),
    ("visa", "Do I need a visa to visit Japan for two weeks?"),
    ("visa", "Is a visa required for a two-week trip to Japan?"),
    ("battery", "How long should a laptop battery last?"),
    ("battery", "What is the usual lifetime of a notebook's battery?"),
)
