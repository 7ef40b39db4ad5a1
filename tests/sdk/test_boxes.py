"""Overlaps and non-maximum suppression, against slow twins."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from siamkit.sdk import boxes
from siamkit.types import Region

edges = st.tuples(*[st.integers(0, 12)] * 4).map(
    lambda e: (min(e[0], e[2]), min(e[1], e[3]), max(e[0], e[2]), max(e[1], e[3]))
)


def pixels(box):
    return {(x, y) for x in range(box[0], box[2]) for y in range(box[1], box[3])}


def slow_iou(left, right):
    union = pixels(left) | pixels(right)
    return len(pixels(left) & pixels(right)) / len(union) if union else 0.0


def slow_suppress(rows, scores, limit, groups):
    chosen = []
    for row in sorted(range(len(rows)), key=lambda row: -scores[row]):
        rivals = [better for better in chosen if groups[better] == groups[row]]
        if all(slow_iou(rows[better], rows[row]) <= limit for better in rivals):
            chosen.append(row)
    return chosen


@given(st.lists(edges, min_size=1, max_size=6), st.lists(edges, min_size=1, max_size=6))
def test_overlaps_are_those_of_counted_pixels(left, right):
    ratios = boxes.iou(np.array(left, np.float32), np.array(right, np.float32))
    expected = [[slow_iou(one, other) for other in right] for one in left]
    np.testing.assert_allclose(ratios, expected, atol=1e-6)


@given(st.lists(st.tuples(edges, st.integers(0, 5), st.integers(0, 1)), max_size=12))
def test_suppression_keeps_what_no_better_box_of_its_group_covers(detections):
    rows = [box for box, _, _ in detections]
    scores, groups = [s for _, s, _ in detections], [g for _, _, g in detections]
    array = np.array(rows, np.float32).reshape(-1, 4)
    kept = boxes.suppress(array, np.array(scores), 0.45, np.array(groups))
    assert kept.tolist() == slow_suppress(rows, scores, 0.45, groups)
    kept = boxes.suppress(array, np.array(scores), 0.45)
    assert kept.tolist() == slow_suppress(rows, scores, 0.45, [0] * len(rows))


def test_empty_boxes_repeat_nothing():
    empty = np.array([(3, 3, 3, 3), (3, 3, 3, 9), (0, 0, 5, 5), (0, 0, 5, 5)], np.float32)
    assert boxes.suppress(empty, np.array([1.0, 2.0, 3.0, 0.5]), 0.5).tolist() == [2, 1, 0]


def test_groups_stay_apart_beyond_the_picture():
    far = np.array([(-90, -90, 5, 5), (-90, -90, 5, 5), (0, 0, 5, 5)], np.float32)
    assert boxes.suppress(far, np.ones(3), 0.001, np.array([0, 1, 2])).tolist() == [0, 1, 2]


def test_no_regions_are_an_empty_array():
    assert boxes.array([]).shape == (0, 4)
    assert boxes.array([Region()], 7, 5).tolist() == [[0, 0, 7, 5]]


def test_a_box_touches_whole_pixels_inside_the_picture():
    assert boxes.pixel_box((-3.5, 1.2, 4.1, 99.0), 10, 20) == (0, 1, 5, 20)
    assert boxes.clip((-3.5, 1.2, 4.1, 99.0), 10, 20) == (0.0, 1.2, 4.1, 20.0)
