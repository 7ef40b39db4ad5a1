"""Enrolment quality of a face: its size, sharpness, light and contrast.

The limits were set on LFW crops, ORL and photographs, and refuse almost none of them: their job is
to keep out faces that the network cannot recognise, not to demand passport photographs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from siamkit.types import Quality, Region
from siamkit_facefinder import CHIP_POINTS, cut, upright_matrix
from siamkit_faces import landmarks

MIN_EYES = 12.0  # px between the centres of the eyes; at 10 px the EER is five times that at 20
MIN_SHARPNESS = 0.015  # see sharpness(); the least in 953 LFW crops is 0.022
MIN_LIGHT, MAX_LIGHT = 30.0, 225.0  # mean luminance of the face, 0 to 255
MIN_CONTRAST = 8.0  # standard deviation of that luminance; the least in LFW is 14
GOOD_EYES, GOOD_SHARPNESS, GOOD_CONTRAST = 60.0, 0.30, 30.0  # at or above: score 1

LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
# The square from brow to chin whose light and sharpness count, in px of the chip.
FACE_CORNER, FACE_SIDE, FACE_CELLS = np.array([24.2, 37.9]), 63.6, 50


def assess(pixels: NDArray[np.uint8], region: Region) -> Quality:
    """Measure a face of a (height, width, 3) picture; each value past its limit is a problem."""
    points = landmarks.points_of(pixels, region)
    face = face_luminance(pixels, points)
    eyes = eye_distance(points)
    sharp, light, contrast = sharpness(face), float(face.mean()), float(face.std())
    measures = {"eyes_px": eyes, "sharpness": sharp, "luminance": light, "contrast": contrast}
    problems = []
    if eyes < MIN_EYES:
        problems.append(
            f"face is {eyes:.0f} px between the eyes; at least {MIN_EYES:.0f} are needed"
        )
    if contrast < MIN_CONTRAST:
        problems.append(f"contrast is {contrast:.1f}; at least {MIN_CONTRAST:.0f} is needed")
    elif sharp < MIN_SHARPNESS:  # meaningless for a picture without contrast
        problems.append(
            f"face is blurred: sharpness {sharp:.3f}; at least {MIN_SHARPNESS} is needed"
        )
    if light < MIN_LIGHT:
        problems.append(
            f"face is too dark: mean luminance {light:.0f}; at least {MIN_LIGHT:.0f} is needed"
        )
    if light > MAX_LIGHT:
        problems.append(
            f"face is overexposed: mean luminance {light:.0f}; at most {MAX_LIGHT:.0f} is allowed"
        )
    score = min(eyes / GOOD_EYES, sharp / GOOD_SHARPNESS, contrast / GOOD_CONTRAST, 1.0)
    rounded = {name: round(value, 4) for name, value in measures.items()}
    return Quality(score=round(score, 4), problems=tuple(problems), measures=rounded)


def eye_distance(points: NDArray[np.float64]) -> float:
    """Estimate the px between the eyes if the face looked into the camera.

    Uses the larger of the estimates from its width and its height: a profile is narrow, a bowed
    head is low. points: (5, 2), see CHIP_POINTS.
    """

    def extents(places: NDArray[np.float64]) -> NDArray[np.float64]:
        eye, other_eye, mouth = places[0], places[1], places[3:].mean(axis=0)
        across, down = eye - other_eye, mouth - (eye + other_eye) / 2
        lengths: NDArray[np.float64] = np.linalg.norm([across, down], axis=1)
        return lengths

    known = extents(CHIP_POINTS)
    return float(known[0] * (extents(points) / known).max())


def face_luminance(pixels: NDArray[np.uint8], points: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the (50, 50) luminance of the face, from brow to chin: means of 2 x 2 px."""
    chip = upright_matrix(points)
    scale = FACE_SIDE / (2 * FACE_CELLS)
    corner = chip[:, :2] @ (FACE_CORNER + (scale - 1) / 2) + chip[:, 2]
    face = cut(pixels, np.column_stack([chip[:, :2] * scale, corner]), 2 * FACE_CELLS)
    luminance: NDArray[np.float32] = face @ LUMINANCE
    blocks: NDArray[np.float32] = luminance.reshape(FACE_CELLS, 2, FACE_CELLS, 2).mean(axis=(1, 3))
    return blocks


def sharpness(luminance: NDArray[np.float32]) -> float:
    """Divide the variance of the Laplacian by that of the luminance: blur lowers it, contrast not.

    J. L. Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000.
    """
    centre = luminance[1:-1, 1:-1]
    around = luminance[:-2, 1:-1] + luminance[2:, 1:-1] + luminance[1:-1, :-2] + luminance[1:-1, 2:]
    return float((around - 4 * centre).var() / max(float(luminance.var()), 1.0))
