import math

import pytest

from siamkit.errors import BadInput
from siamkit.sdk.prompts import require_inside
from siamkit.types import Prompt


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(points=((0, 0), (640, 480)), not_points=((3, 4),)),
        Prompt(box=(0, 0, 640, 480)),
        Prompt(box=(-0.6, 10, 20, 480.9)),
    ],
)
def test_prompts_inside_are_taken(prompt):
    require_inside(prompt, 640, 480)


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        (Prompt(points=((641, 20),)), "the point 641,20 is outside the picture of 640 x 480 px"),
        (Prompt(points=((1, 1),), not_points=((5, -1),)), "the point 5,-1 is outside the picture"),
        (Prompt(points=((math.nan, 1),)), "the point nan,1 is outside the picture"),
        (Prompt(box=(10, 10, 700, 20)), "the box 10,10,700,20 is not inside the picture of 640"),
        (Prompt(box=(10, 10, 10, 20)), "the box 10,10,10,20 is empty"),
        (Prompt(box=(math.nan, 10, 30, 20)), "is empty"),
        (Prompt(not_points=((3, 4),)), "needs a point on the object, or a box"),
    ],
)
def test_prompts_that_mark_nothing_are_refused_in_one_line(prompt, reason):
    with pytest.raises(BadInput, match=reason) as caught:
        require_inside(prompt, 640, 480)
    assert "\n" not in str(caught.value)
