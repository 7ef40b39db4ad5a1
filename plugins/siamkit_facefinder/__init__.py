"""Find faces in pictures: YuNet, through ONNX Runtime. Turn them upright by their landmarks."""

from siamkit_facefinder.finder import FaceFinder
from siamkit_facefinder.upright import CHIP_POINTS, CHIP_SIDE, cut, move, upright_matrix

__all__ = ["CHIP_POINTS", "CHIP_SIDE", "FaceFinder", "cut", "move", "upright_matrix"]
