"""Questions: short texts, and which of them ask the same."""

from __future__ import annotations

from siamkit_questions.modality import Questions

__all__ = ["Questions"]
