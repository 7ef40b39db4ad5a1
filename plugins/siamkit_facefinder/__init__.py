"""Find faces in pictures: CenterFace, through ONNX Runtime."""

from siamkit_facefinder.finder import FaceFinder

__all__ = ["FaceFinder"]
