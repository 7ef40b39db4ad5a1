"""Voices: speakers compared by two networks that hear a clip in two ways."""

from siamkit_voices.modality import Voices

__all__ = ["Voices"]
