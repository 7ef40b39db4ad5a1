"""The rules of plugins, and what a drawing may look like."""

import json

import pytest
from siamkit_doodles import Doodles, doodle

from siamkit.errors import UnreadableSample
from siamkit.testing import parametrize_with_checks


@parametrize_with_checks([Doodles()])
def test_contract(plugin, check):
    check(plugin)


def test_size_and_place_do_not_count():
    strokes = json.loads(doodle(3, 0))["strokes"]
    moved = [[[7 * x - 300, 7 * y + 40] for x, y in stroke] for stroke in strokes]
    one, other = (
        Doodles().load(json.dumps({"strokes": drawn}).encode()) for drawn in (strokes, moved)
    )
    assert (one.pixels != other.pixels).mean() < 0.01


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"strokes": []}', b'{"strokes": [[[1, 2, 3]]]}',
                b'{"strokes": [[[NaN, 1]]]}', b'{"strokes": [["a"]]}',
                b'{"strokes": [[[1e308, 0], [-1e308, 0]]]}',
                b'{"strokes": [[[1%s, 0]]]}' % (b"0" * 400)]
)  # fmt: skip
def test_what_is_no_drawing_is_refused(content):
    with pytest.raises(UnreadableSample):
        Doodles().load(content)


def test_a_dot_is_a_drawing():
    assert (Doodles().load(b'{"strokes": [[[5, 5]]]}').pixels == 0).any()
