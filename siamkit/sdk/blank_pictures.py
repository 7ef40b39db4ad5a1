"""Refuse pictures of a single colour, in which a network sees nothing."""

from __future__ import annotations

from siamkit.types import Image, Quality

# Standard deviation of a colour channel, 0 to 255. A flat colour has less than 1, from a JPEG too;
# the least of 200 pictures (Caltech-101, COIL-20) is 19.
LEAST_SHADES, GOOD_SHADES = 1.0, 20.0


def assess_shades(picture: Image, problem: str) -> Quality:
    """Return the quality of a crop, in [0, 1]. problem: with a single colour, for people."""
    from PIL import Image as pil
    from PIL import ImageStat

    stddev = ImageStat.Stat(pil.fromarray(picture.pixels)).stddev  # numpy takes 8 times the memory
    shades = max(stddev)
    is_blank = shades < LEAST_SHADES
    score = round(min(1.0, shades / GOOD_SHADES), 4)
    return Quality(
        score, (problem,) if is_blank else (), {"shades": round(shades, 1)}, not is_blank
    )
