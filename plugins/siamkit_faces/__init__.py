"""Faces: SFace, served by ONNX Runtime."""

from siamkit_faces.modality import Faces

__all__ = ["Faces"]
