"""Speech: find the parts of a recording in which somebody speaks."""

from siamkit_speech.finder import Speech

__all__ = ["Speech"]
