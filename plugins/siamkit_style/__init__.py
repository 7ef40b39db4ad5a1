"""Styles: how pictures are painted or made, not what they show."""

from siamkit_style.modality import Styles

__all__ = ["Styles"]
