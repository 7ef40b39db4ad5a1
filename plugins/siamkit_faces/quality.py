"""Enrolment quality of a face: its size, sharpness, light and contrast.

The limits were set on LFW crops, ORL and photographs, and refuse almost none of them: their job is
to keep out faces that the network cannot recognise, not to demand passport photographs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from siamkit.types import Quality, Region
from siamkit_faces import align, chips

MIN_EYES = 12.0  # px between the centres of the eyes; at 10 px the EER is five times that at 20
MIN_SHARPNESS = 0.015  # see sharpness(); the least in 953 LFW crops is 0.022
MIN_LIGHT, MAX_LIGHT = 30.0, 225.0  # mean luminance of the face, 0 to 255
MIN_CONTRAST = 8.0  # standard deviation of that luminance; the least in LFW is 14
GOOD_EYES, GOOD_SHARPNESS, GOOD_CONTRAST = 60.0, 0.30, 30.0  # at or above: score 1

LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
EYES = 0.554  # the distance between the eyes, in units of the face's side


def assess(pixels: NDArray[np.uint8], region: Region) -> Quality:
    """Measure a face of a (height, width, 3) picture; each value past its limit is a problem."""
    template, points = chips.anchors(pixels, region)
    face = face_luminance(align.cut(pixels, align.chip_matrix(template, points), align.CHIP_SIDE))
    eyes = eye_distance(template, points)
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


def eye_distance(template: NDArray[np.float64], points: NDArray[np.float64]) -> float:
    """Estimate the px between the eyes if the face looked into the camera.

    Uses the larger of the estimates from its width and its height: a profile is narrow, a bowed
    head is low. template, points: (k, 2), see chips.anchors.
    """
    # The two eyes, and the nose or mouth below: of dlib's points alone, or of the detector's.
    dlib = len(template) == len(align.DLIB_POINTS)
    groups = ([0, 1], [2, 3], [4]) if dlib else ([0], [1], [3, 4])

    def extents(values: NDArray[np.float64]) -> NDArray[np.float64]:
        eye, other_eye, below = (values[group].mean(axis=0) for group in groups)
        across, down = eye - other_eye, below - (eye + other_eye) / 2
        lengths: NDArray[np.float64] = np.linalg.norm([across, down], axis=1)
        return lengths

    return float(EYES * (extents(points) / extents(template)).max())


def face_luminance(chip: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the (50, 50) luminance of the chip's inner part, the face: means of 2 x 2 px."""
    edge = round(align.CHIP_SIDE * align.PADDING / (1 + 2 * align.PADDING))
    inner: NDArray[np.float32] = chip[edge:-edge, edge:-edge] @ LUMINANCE
    half = inner.shape[0] // 2
    blocks: NDArray[np.float32] = inner.reshape(half, 2, half, 2).mean(axis=(1, 3))
    return blocks


def sharpness(luminance: NDArray[np.float32]) -> float:
    """Divide the variance of the Laplacian by that of the luminance: blur lowers it, contrast not.

    J. L. Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000.
    """
    centre = luminance[1:-1, 1:-1]
    around = luminance[:-2, 1:-1] + luminance[2:, 1:-1] + luminance[1:-1, :-2] + luminance[1:-1, 2:]
    return float((around - 4 * centre).var() / max(float(luminance.var()), 1.0))
