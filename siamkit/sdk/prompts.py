"""Check prompts: points and boxes have to be inside the picture that they mark."""

from __future__ import annotations

from siamkit.errors import BadInput
from siamkit.types import Box, Prompt

SLACK = 1.0  # px: a box that was rounded may stand out by so much


def require_inside(prompt: Prompt, width: int, height: int) -> None:
    """Raise BadInput for a prompt that marks nothing, or not within a picture of width x height px.

    A box needs an area, and may stand out by SLACK.
    """
    if not prompt.points and prompt.box is None:
        raise BadInput("a prompt needs a point on the object, or a box round it")
    size = f"the picture of {width} x {height} px"
    for x, y in (*prompt.points, *prompt.not_points):
        if not (0 <= x <= width and 0 <= y <= height):
            raise BadInput(f"the point {x:g},{y:g} is outside {size}")
    if prompt.box is not None:
        _require_box(prompt.box, width, height, size)


def _require_box(box: Box, width: int, height: int, size: str) -> None:
    left, top, right, bottom = box
    shown = f"the box {left:g},{top:g},{right:g},{bottom:g}"
    if not (left < right and top < bottom):
        raise BadInput(f"{shown} is empty", hint="give left,top,right,bottom in pixels")
    least, most = -SLACK, SLACK
    if not (left >= least and top >= least and right <= width + most and bottom <= height + most):
        raise BadInput(f"{shown} is not inside {size}")
