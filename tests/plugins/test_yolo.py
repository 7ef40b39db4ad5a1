"""YOLO exports become detectors: each layout against a slow decoder, and what does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from siamkit.errors import BadInput, MissingWeights
from siamkit.sdk.media import load_image
from siamkit.types import Image
from siamkit_objects import Objects
from siamkit_objects.folder import FolderDetector
from siamkit_objects.label_files import read_labels

SIDE = 64  # px of the tiny networks' inputs
CELLS = 64 + 16 + 4  # of grids of strides 8, 16, 32
NAMES = ("cat", "dog", "cow")
PICTURE = Image(np.random.default_rng(0).integers(0, 255, (60, 120, 3), np.uint8))
SCALE, TOP = SIDE / 120, 16  # it becomes 32 x 64 px in the middle
REAL = Path(__file__).parents[2].parent / "shared" / "models" / "for_tests" / "yolox_nano.onnx"


def write_graph(path, outputs, *, side=SIDE, metadata=None, batch=1, kind=TensorProto.FLOAT):
    """Write a graph that takes a picture and returns constants."""
    constants = [numpy_helper.from_array(array, f"c{n}") for n, array in enumerate(outputs)]
    nodes = [
        helper.make_node("ReduceMin", ["images"], ["least"], keepdims=0),
        helper.make_node("Sub", ["least", "least"], ["zero_in"]),
        helper.make_node("Cast", ["zero_in"], ["zero"], to=TensorProto.FLOAT),
        *(helper.make_node("Add", [f"c{n}", "zero"], [f"output{n}"]) for n in range(len(outputs))),
    ]
    graph = helper.make_graph(
        nodes,
        "yolo",
        [helper.make_tensor_value_info("images", kind, [batch, 3, side, side])],
        [
            helper.make_tensor_value_info(f"output{n}", TensorProto.FLOAT, None)
            for n in range(len(outputs))
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {key: str(value) for key, value in (metadata or {}).items()})
    path.write_bytes(model.SerializeToString())
    return path


def draw_rows(count, *, objectness, masks=0, classes=3):
    """Draw boxes all over the input, each with a few likely classes."""
    rng = np.random.default_rng(count + masks)
    rows = np.zeros((count, 4 + objectness + classes + masks), np.float32)
    rows[:, :2] = rng.uniform(0, SIDE, (count, 2))
    rows[:, 2:4] = rng.uniform(4, 40, (count, 2))
    if objectness:
        rows[:, 4] = rng.uniform(0, 1, count)
    start = 4 + objectness
    rows[:, start : start + classes] = rng.uniform(0, 1, (count, classes)) ** 2
    rows[:, start + classes :] = rng.normal(0, 1, (count, masks))
    return rows


def slow_decode(rows, *, objectness, iou, classes=3):
    """Return (label, score, box, row) of what remains, one pair at a time, best first."""
    candidates = []
    for number, row in enumerate(rows.astype(float)):
        scores = row[4 + objectness : 4 + objectness + classes] * (row[4] if objectness else 1)
        x, y, width, height = row[:4]
        box = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
        box = np.clip((box - [0, TOP, 0, TOP]) / SCALE, 0, [120, 60, 120, 60])
        if scores.max() >= 0.25 and (box[2:] > box[:2]).all():
            candidates.append((scores.max(), int(scores.argmax()), box, number))
    best = []
    for score, label, box, number in sorted(candidates, key=lambda c: -c[0]):
        if all(label != other[1] or overlap(box, other[2]) <= iou for other in best):
            best.append((score, label, box, number))
    return best[:300]


def overlap(left, right):
    """Return the intersection over union of two boxes."""
    common = np.maximum(np.minimum(left[2:], right[2:]) - np.maximum(left[:2], right[:2]), 0)
    sizes = [np.prod(box[2:] - box[:2]) for box in (left, right)]
    return common.prod() / (sum(sizes) - common.prod())


def add(path, folder, labels=None):
    folder.mkdir()
    Objects().add("onnx", str(path), folder, labels=labels)
    return FolderDetector(folder)


def require_same(regions, expected):
    assert [NAMES.index(region.label) for region in regions] == [e[1] for e in expected]
    for region, (score, _, box, _) in zip(regions, expected, strict=True):
        assert region.score == pytest.approx(score, abs=1e-5)
        assert region.where == pytest.approx(box, abs=1e-3)


LAYOUTS = {
    "v5": (3 * CELLS, True, False, {"names": list(NAMES), "stride": 32}),
    "v6": (CELLS, True, False, {"names": dict(enumerate(NAMES))}),
    "v8": (CELLS, False, True, {"names": dict(enumerate(NAMES)), "task": "detect"}),
    "v8 in rows": (CELLS, False, False, {"names": dict(enumerate(NAMES))}),
    "v3 in columns": (3 * CELLS, True, True, {"names": dict(enumerate(NAMES))}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_gives_what_a_slow_decoder_gives(tmp_path, layout):
    count, objectness, is_turned, metadata = LAYOUTS[layout]
    rows = draw_rows(count, objectness=objectness)
    output = rows.T[None] if is_turned else rows[None]
    path = write_graph(tmp_path / "a.onnx", [np.ascontiguousarray(output)], metadata=metadata)
    detector = add(path, tmp_path / "folder")
    expected = slow_decode(rows, objectness=objectness, iou=0.45 if objectness else 0.7)
    assert len(expected) > 5
    require_same(detector.find(PICTURE), expected)
    assert detector.labels == NAMES


@pytest.mark.parametrize(("layout", "side"), [("v5", 64), ("v8", None)])
def test_a_mask_is_where_the_weighted_prototypes_are_above_zero(tmp_path, layout, side):
    count, objectness, is_turned, metadata = LAYOUTS[layout]
    rows = draw_rows(count, objectness=objectness, masks=5)
    rows[8:, 4:] = 0  # the slow decoder of masks is very slow
    prototypes = np.random.default_rng(1).normal(0, 1, (1, 5, 16, 16)).astype(np.float32)
    raw = np.zeros((1, 3, 8, 8, 8), np.float32)  # of the unread heads that v5 adds
    outputs = [np.ascontiguousarray(rows.T[None] if is_turned else rows[None]), raw, prototypes]
    metadata = {**metadata, "imgsz": [SIDE, SIDE], "task": "segment"}
    path = write_graph(tmp_path / "a.onnx", outputs, side=side, metadata=metadata, batch=None)
    regions = add(path, tmp_path / "folder").find(PICTURE)
    expected = slow_decode(rows, objectness=objectness, iou=0.45 if objectness else 0.7)
    require_same(regions, expected)
    different = total = 0
    for region, (_, _, box, number) in zip(regions, expected, strict=True):
        values = np.tensordot(rows[number, -5:], prototypes[0], 1)
        mask = slow_mask(values, box)
        assert (region.mask is None) == (not mask.any())
        if region.mask is not None:
            assert region.mask.shape == mask.shape
            different += (region.mask != mask).sum()
            total += mask.size
    assert different <= 0.002 * total


def slow_mask(values, box):
    """Read a map of the input at the centre of each pixel that a box touches, one at a time."""
    left, top, right, bottom = (*np.floor(box[:2]).astype(int), *np.ceil(box[2:]).astype(int))
    mask = np.zeros((bottom - top, right - left), bool)
    for row, column in np.ndindex(mask.shape):
        x = (left + column + 0.5) * SCALE / 4 - 0.5
        y = ((top + row + 0.5) * SCALE + TOP) / 4 - 0.5
        x0, y0 = int(np.floor(x)), int(np.floor(y))
        near = np.clip([y0, y0 + 1], 0, 15), np.clip([x0, x0 + 1], 0, 15)
        weights = np.outer([1 - y + y0, y - y0], [1 - x + x0, x - x0])
        mask[row, column] = (values[np.ix_(*near)] * weights).sum() > 0
    return mask


@pytest.mark.parametrize("listed", [False, True])
def test_final_boxes_are_not_suppressed_again(tmp_path, listed):
    rows = np.zeros((300, 6), np.float32)
    rows[:3] = [[8, 20, 40, 40, 0.9, 1], [9, 20, 40, 40, 0.8, 1], [0, 30, 64, 60, 0.4, 2]]
    rows[3:] = [[1, 1, 2, 2, 0.1, 0]]
    output = rows[None]
    if listed:
        output = np.concatenate([np.zeros((300, 1)), rows[:, :4], rows[:, 5:], rows[:, 4:5]], 1)
    metadata = {"names": list(NAMES)}
    path = write_graph(tmp_path / "a.onnx", [output.astype(np.float32)], metadata=metadata)
    regions = add(path, tmp_path / "folder").find(PICTURE)
    assert [(r.label, round(r.score, 3)) for r in regions] == [
        ("dog", 0.9),
        ("dog", 0.8),
        ("cow", 0.4),
    ]
    assert regions[0].where == pytest.approx((15, 7.5, 75, 45))
    assert regions[2].where == pytest.approx((0, 26.25, 120, 60))


def test_final_boxes_may_have_masks(tmp_path):
    rows = np.zeros((30, 8), np.float32)
    rows[0] = [8, 20, 40, 40, 0.9, 1, 1, -1]
    maps = np.random.default_rng(1).normal(0, 1, (1, 2, 16, 16)).astype(np.float32)
    path = write_graph(tmp_path / "a.onnx", [rows[None], maps], metadata={"names": list(NAMES)})
    (region,) = add(path, tmp_path / "folder").find(PICTURE)
    mask = slow_mask(maps[0, 0] - maps[0, 1], np.array(region.where))
    assert (region.mask != mask).mean() < 0.002


def test_a_class_without_a_label_is_named(tmp_path):
    rows = np.zeros((1, 300, 6), np.float32)
    rows[0, 0] = [8, 20, 40, 40, 0.9, 3]
    path = write_graph(tmp_path / "a.onnx", [rows], metadata={"names": list(NAMES)})
    with pytest.raises(MissingWeights, match="reports class 3, but the card has 3 labels"):
        add(path, tmp_path / "folder")


@pytest.mark.parametrize("is_decoded", [False, True])
def test_yolox_is_recognised_with_and_without_its_grid(tmp_path, is_decoded):
    """Its picture lies at the left top, in 0 to 255 and BGR."""
    rows = draw_rows(CELLS, objectness=True)
    encoded, start = rows.copy(), 0
    for stride in (8, 16, 32):
        side = SIDE // stride
        for cell in range(side * side):
            row = encoded[start]
            row[:2] = row[:2] / stride - [cell % side, cell // side]
            row[2:4] = np.log(row[2:4] / stride)
            start += 1
    path = write_graph(tmp_path / "a.onnx", [(rows if is_decoded else encoded)[None]])
    if not is_decoded:  # as a trained network does it, the centre is near its cell
        encoded[:, :2] = np.clip(encoded[:, :2], -1, 2)
        path = write_graph(tmp_path / "a.onnx", [encoded[None]])
        start = 0
        for stride in (8, 16, 32):
            side = SIDE // stride
            for cell in range(side * side):
                rows[start, :2] = (encoded[start, :2] + [cell % side, cell // side]) * stride
                start += 1
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    detector = add(path, tmp_path / "folder", tmp_path / "names.txt")
    recipe = detector.card.input
    assert (recipe["place"], recipe["channels"], recipe["scale"]) == ("corner", "BGR", 1.0)
    assert detector.card.family == ("yolo" if is_decoded else "yolox")
    moved = rows.copy()
    moved[:, 1] += TOP  # the slow decoder takes the picture to be in the middle
    require_same(detector.find(PICTURE), slow_decode(moved, objectness=True, iou=0.45))


def test_half_precision_and_other_inputs(tmp_path):
    rows = draw_rows(CELLS, objectness=False)
    metadata = {"names": list(NAMES)}
    half = write_graph(
        tmp_path / "a.onnx", [rows.T[None].copy()], metadata=metadata, kind=TensorProto.FLOAT16
    )
    require_same(
        add(half, tmp_path / "folder").find(PICTURE), slow_decode(rows, objectness=False, iou=0.7)
    )


FAULTS = {
    "four pictures": (
        {"outputs": [(1, 7, CELLS)], "batch": 4},
        "takes 4 pictures at once",
    ),
    "raw heads": (
        {"outputs": [(1, 3, 8, 8, 8), (1, 3, 4, 4, 8)]},
        r"no known layout.*\(1, 3, 8, 8, 8\)",
    ),
    "queries": ({"outputs": [(1, 300, 7)]}, r"no known layout.*\(1, 300, 7\)"),
    "a classifier": ({"outputs": [(1, 1000)]}, r"no known layout.*\(1, 1000\)"),
    "a pose": (
        {"outputs": [(1, 56, CELLS)], "metadata": {"task": "pose", "names": {0: "person"}}},
        "is a model to pose, not to detect",
    ),
    "fewer names": (
        {"outputs": [(1, 9, CELLS)], "metadata": {"names": list(NAMES)}},
        "there are 3 labels, but .* has 5 classes",
    ),
    "an endless input": (
        {"outputs": [(1, 7, CELLS)], "side": None, "metadata": {"imgsz": [99999, 99999]}},
        r"takes pictures of \(99999, 99999\) px",
    ),
    "two predictions": ({"outputs": [(1, 7, CELLS), (1, 7, CELLS)]}, "no known layout"),
    "no names": ({"outputs": [(1, 9, CELLS)]}, "does not name its 5 classes"),
    "final without names": ({"outputs": [(1, 300, 6)]}, "does not name its classes"),
    "unreadable names": (
        {"outputs": [(1, 9, CELLS)], "metadata": {"names": "__import__('os')"}},
        "does not name its 5 classes",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_is_refused_with_what_was_seen(tmp_path, fault):
    how, message = FAULTS[fault]
    shapes = how["outputs"]
    outputs = [np.zeros(shape, np.float32) for shape in shapes]
    options = {key: value for key, value in how.items() if key != "outputs"}
    path = write_graph(tmp_path / "a.onnx", outputs, **options)
    with pytest.raises(BadInput, match=message):
        add(path, tmp_path / "folder")


def test_labels_of_another_number_are_refused_with_both(tmp_path, shell):
    shell.environment["SIAMKIT_CACHE"] = str(shell.folder / "cache")
    write_graph(tmp_path / "a.onnx", [draw_rows(CELLS, objectness=False).T[None].copy()])
    (tmp_path / "two.txt").write_text("cat\ndog\n")
    done = shell("detectors", "add", "mine", "onnx:a.onnx", "--labels", "two.txt")
    assert done.code == 2
    assert "there are 2 labels, but" in done.err
    assert "has 3 classes" in done.err
    assert not (shell.folder / "cache" / "detectors" / "mine").exists()


def test_labels_of_final_boxes_must_be_as_many_as_the_names(tmp_path):
    rows = np.zeros((1, 300, 6), np.float32)
    path = write_graph(tmp_path / "a.onnx", [rows], metadata={"names": list(NAMES)})
    (tmp_path / "two.txt").write_text("cat\ndog\n")
    with pytest.raises(BadInput, match=r"there are 2 labels, but .* has 3 classes"):
        add(path, tmp_path / "folder", tmp_path / "two.txt")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a .pt file", b"\x08\x08"])
def test_what_is_no_onnx_model_is_refused(tmp_path, content):
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(BadInput, match=r"a\.onnx cannot be used"):
        add(tmp_path / "a.onnx", tmp_path / "folder")
    with pytest.raises(BadInput, match=r"absent\.onnx cannot be read"):
        add(tmp_path / "absent.onnx", tmp_path / "other")


LABEL_FILES = {
    "names.txt": "cat\ndog\ncow\n\n",
    "names.json": '["cat", "dog", "cow"]',
    "numbered.json": '{"1": "dog", "0": "cat", "2": "cow"}',
    "data.yaml": "path: ../data # root\nnames:\n  0: cat\n  1: dog\n  2: 'cow'\nnc: 3\n",
    "list.yml": "train: a\nnames: [cat, 'dog', \"cow\"]\n",
    "lines.yaml": "names:\n- cat\n- dog\n- cow\n",
}


@pytest.mark.parametrize("name", LABEL_FILES)
def test_labels_are_read_from_every_kind_of_file(tmp_path, name):
    (tmp_path / name).write_text(LABEL_FILES[name])
    assert read_labels(tmp_path / name) == NAMES


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.txt", "", "the name of class 0 is empty|there is no list"),
        ("a.txt", "cat\n\ndog", "the name of class 1 is empty"),
        ("a.json", '{"0": "cat", "2": "dog"}', "its numbers are not 0 to 1"),
        ("a.json", '["cat", 1, [2]]', "the name of class 2"),
        ("a.json", '["cat"', "holds no labels"),
        ("a.yaml", "names: 3", "there is no list of names"),
        ("a.yaml", "names: {cat: 0}", "invalid literal"),
    ],
)
def test_what_holds_no_labels_is_refused(tmp_path, name, content, reason):
    (tmp_path / name).write_text(content)
    with pytest.raises(BadInput, match=reason):
        read_labels(tmp_path / name)


def test_words_of_yaml_stay_words(tmp_path):
    (tmp_path / "a.yaml").write_text("names: [yes, no, 1.0]")
    assert read_labels(tmp_path / "a.yaml") == ("yes", "no", "1.0")


@pytest.mark.skipif(not REAL.exists(), reason=f"no YOLOX export in {REAL.parent}")
def test_a_real_export_finds_a_cat_by_its_name(shell):
    skimage = pytest.importorskip("skimage")
    shell.environment["SIAMKIT_CACHE"] = str(shell.folder / "cache")
    done = shell("detectors", "add", "yolox", f"onnx:{REAL}", "--json")
    assert done.code == 0, done.err
    assert "COCO's names are assumed" in done.err
    detector = FolderDetector(Path(json.loads(done.out)["path"]))
    cat = load_image(Path(skimage.__file__).parent / "data" / "chelsea.png")
    best = detector.find(cat)[0]
    assert (best.label, best.score > 0.5) == ("cat", True)
    assert overlap(np.array(best.where), np.array([0, 0, 451, 300])) > 0.8
