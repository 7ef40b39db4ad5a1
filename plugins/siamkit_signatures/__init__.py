"""Signatures: handwritten ink compared by a trained network, and found on pages."""

from siamkit_signatures.finder import SignatureFinder
from siamkit_signatures.modality import Signatures

__all__ = ["SignatureFinder", "Signatures"]
