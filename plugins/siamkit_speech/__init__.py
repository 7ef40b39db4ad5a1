"""Speech: finds where somebody speaks in a recording."""

from siamkit_speech.finder import Speech

__all__ = ["Speech"]
