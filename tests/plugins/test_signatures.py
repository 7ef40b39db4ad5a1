"""The signatures plugin: ink, canvases, variants, and what it refuses."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image as pil

import siamkit as sk
from siamkit.errors import MissingWeights, NothingFound, Uncalibrated, UnreadableSample
from siamkit.flows.explain import ExplainedSample, Explanation
from siamkit.io.wording import format_probability
from siamkit.protocols import Assesses, Modality, Trainable
from siamkit.sdk.model_folder import Card, write_folder
from siamkit.stats import calibration, calibration_json
from siamkit.types import Image, Region
from siamkit_signatures import Signatures, ink, rules
from siamkit_signatures.canvas import HEIGHT, WIDTH, fold, unfold

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "signatures"
requires_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no signatures in {DATA}")

SIGNATURES = Signatures()
EXAMPLES = [content for _, content in SIGNATURES.examples()]


@pytest.fixture(scope="module")
def plain() -> np.ndarray:
    """(height, width) uint8: one drawn signature, two tones, ink 0 on 255."""
    drawn = SIGNATURES.load(SIGNATURES.examples()[0][1]).pixels[:, :, 0]
    return np.where(drawn < 140, 0, 255).astype(np.uint8)


def rgb(grey: np.ndarray) -> Image:
    return Image(np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2)))


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel().astype(float), other.ravel().astype(float))[0, 1])


def coloured(grey: np.ndarray, pen: tuple[int, int, int], paper: tuple[int, int, int]) -> Image:
    share = (255.0 - grey)[:, :, None] / 255
    return Image((share * np.array(pen) + (1 - share) * np.array(paper)).astype(np.uint8))


def shadowed(grey: np.ndarray) -> Image:
    """A photograph: light falls off to a third, the sensor is noisy, the lens is soft."""
    light = (
        np.linspace(0.95, 0.33, grey.shape[1])[None, :] * np.linspace(1, 0.8, len(grey))[:, None]
    )
    soft = cv2.GaussianBlur(60 + grey * (180 / 255), (0, 0), 1.0)
    noise = np.random.default_rng(0).normal(0, 3, grey.shape)
    return rgb(np.clip(soft * light + noise, 0, 255).astype(np.uint8))


def ruled(grey: np.ndarray) -> Image:
    made = grey.copy()
    for y in range(15, len(made), 40):
        made[y : y + 2] = np.minimum(made[y : y + 2], 60)
    made[:, 25:27] = 60
    return rgb(made)


def leaning(grey: np.ndarray) -> Image:
    """On a printed line that is not quite level."""
    made = np.pad(grey, 30, constant_values=255)
    cv2.line(made, (5, 150), (made.shape[1] - 5, 165), 0, 2)
    return rgb(made)


def on_a_larger_sheet(grey: np.ndarray) -> Image:
    return rgb(np.pad(grey, ((90, 30), (10, 200)), constant_values=255))


def dusty(grey: np.ndarray) -> Image:
    made = np.pad(grey, 120, constant_values=255)
    made[3:6, 4:7] = made[-8:-6, -60:-57] = 0
    return rgb(made)


def deep(grey: np.ndarray) -> Image:
    content = io.BytesIO()
    pil.fromarray(grey.astype(np.uint16) * 180 + 9000).save(content, "PNG")
    return SIGNATURES.load(content.getvalue())


def transparent(grey: np.ndarray) -> Image:
    content = io.BytesIO()
    made = np.zeros((*grey.shape, 4), np.uint8)
    made[:, :, 3] = 255 - grey
    pil.fromarray(made).save(content, "PNG")
    return SIGNATURES.load(content.getvalue())


VARIANTS = {
    "blue ink": lambda g: coloured(g, (40, 60, 180), (245, 240, 230)),
    "red ink": lambda g: coloured(g, (200, 40, 50), (255, 255, 255)),
    "pale ink": lambda g: coloured(g, (170, 175, 190), (235, 235, 235)),
    "yellow paper": lambda g: coloured(g, (60, 60, 120), (250, 230, 120)),
    "light on dark": lambda g: coloured(g, (230, 230, 220), (30, 50, 40)),
    "inverted": lambda g: rgb(255 - g),
    "twice the size": lambda g: rgb(cv2.resize(g, None, fx=2, fy=2)),
    "half the size": lambda g: rgb(cv2.resize(g, None, fx=0.5, fy=0.5, interpolation=3)),
    "a shadow": shadowed,
    "ruled paper": ruled,
    "a leaning line": leaning,
    "a larger sheet": on_a_larger_sheet,
    "dust": dusty,
    "16 bits": deep,
    "transparent": transparent,
}


@pytest.mark.parametrize("name", VARIANTS)
def test_the_ink_is_what_counts(plain: np.ndarray, name: str) -> None:
    wanted = SIGNATURES.array(rgb(plain))
    medium = VARIANTS[name](plain)
    assert likeness(SIGNATURES.array(medium), wanted) > 0.9
    cropped = SIGNATURES.crop(medium, Region())
    assert likeness(SIGNATURES.array(cropped), wanted) > 0.9


def test_it_keeps_the_protocols() -> None:
    assert isinstance(SIGNATURES, Modality)
    assert isinstance(SIGNATURES, Trainable)
    assert isinstance(SIGNATURES, Assesses)
    constants = SIGNATURES.preprocessing()
    assert json.loads(json.dumps(constants)) == constants


def test_two_tones_pass_unchanged(plain: np.ndarray) -> None:
    np.testing.assert_array_equal(ink.extract_ink(rgb(plain).pixels), 255 - plain)


@pytest.mark.parametrize("pen", [(255, 0, 0), (0, 0, 255), (0, 255, 0), (255, 0, 255), (0, 0, 0)])
@pytest.mark.parametrize("paper", [(255, 255, 255), (255, 255, 0)])
def test_two_tones_may_be_of_any_colour(plain: np.ndarray, pen: tuple, paper: tuple) -> None:
    mask = np.where(plain < 128, 255, 0).astype(np.uint8)
    pixels = np.where(mask[..., None] > 0, np.uint8(pen), np.uint8(paper))
    made = SIGNATURES.crop(Image(pixels), Region()).pixels
    np.testing.assert_array_equal(made, SIGNATURES.crop(rgb(255 - mask), Region()).pixels)


@pytest.mark.parametrize("paper", [(0, 0, 255), (20, 60, 170), (0, 0, 0)])
def test_light_ink_on_dark_paper(plain: np.ndarray, paper: tuple) -> None:
    share = (plain.astype(np.float64) / 255)[..., None]
    pixels = share * np.array(paper) + (1 - share) * 255
    made = SIGNATURES.array(Image(pixels.astype(np.uint8))).astype(float)
    wanted = SIGNATURES.array(rgb(plain)).astype(float)
    assert np.corrcoef(made.ravel(), wanted.ravel())[0, 1] > 0.8


def test_an_array_fills_the_canvas(plain: np.ndarray) -> None:
    array = SIGNATURES.array(rgb(plain))
    assert array.shape == (HEIGHT // 2, WIDTH // 2, 4)
    assert array.dtype == np.uint8
    canvas = unfold(array)
    np.testing.assert_array_equal(fold(canvas), array)
    np.testing.assert_array_equal(array[5, 9].reshape(2, 2), canvas[10:12, 18:20])
    assert canvas.max() > 200
    left, top, width, height = cv2.boundingRect(canvas)
    assert width >= WIDTH - 10 or height >= HEIGHT - 10
    assert abs(2 * left + width - WIDTH) <= 2
    assert abs(2 * top + height - HEIGHT) <= 2


def test_a_rule_goes_and_the_strokes_across_it_stay() -> None:
    mask = np.zeros((100, 300), np.uint8)
    mask[50:52] = 255
    mask[20:80, 140:144] = 255
    made = rules.remove_rules(mask, *ink.RULES)
    assert made[20:80, 140:144].all()
    assert not made[:, :135].any()
    assert not made[:, 149:].any()


def test_a_drawn_underline_stays() -> None:
    x = np.arange(300)
    mask = np.zeros((100, 300), np.uint8)
    points = np.column_stack([x, 50 + 4 * np.sin(x / 40)]).round().astype(np.int32)
    cv2.polylines(mask, [points], False, 255, 3)
    np.testing.assert_array_equal(rules.remove_rules(mask, *ink.RULES), mask)


@pytest.mark.parametrize("tone", [0, 128, 255])
def test_a_blank_picture_has_no_ink(tone: int) -> None:
    blank = rgb(np.full((80, 200), tone, np.uint8))
    for act in (SIGNATURES.array, lambda medium: SIGNATURES.crop(medium, Region())):
        with pytest.raises(NothingFound, match="blank"):
            act(blank)
    assert SIGNATURES.assess(blank, Region()).problems


def test_noisy_paper_is_blank() -> None:
    noise = np.random.default_rng(1).normal(200, 3, (200, 400))
    with pytest.raises(NothingFound):
        SIGNATURES.array(rgb(cv2.GaussianBlur(noise, (0, 0), 1).astype(np.uint8)))


def test_a_region_is_cut_with_whole_strokes_and_without_neighbours(plain: np.ndarray) -> None:
    height, width = plain.shape
    sheet = np.full((3 * height, 2 * width), 255, np.uint8)
    sheet[:height, :width] = plain
    sheet[height + 5 : height + 12, ::9] = 0  # something printed below it
    rows, columns = np.nonzero(plain == 0)
    box = (columns.min() + 6.0, rows.min() + 4.0, columns.max() - 4.0, rows.max() - 4.0)
    made = SIGNATURES.array(SIGNATURES.crop(rgb(sheet), Region(where=box)))
    assert likeness(made, SIGNATURES.array(rgb(plain))) > 0.99
    keep = np.zeros((height, width), bool)
    with pytest.raises(NothingFound):
        SIGNATURES.crop(rgb(sheet), Region(where=(0, 0, width, height), mask=keep))
    with pytest.raises(NothingFound, match="outside"):
        SIGNATURES.crop(rgb(sheet), Region(where=(5000, 0, 5100, 50)))


def test_a_variant_keeps_shape_and_hand(plain: np.ndarray) -> None:
    array = SIGNATURES.array(rgb(plain))
    before = array.copy()
    made = [variant(array, own, own) for own in range(40)]
    np.testing.assert_array_equal(array, before)
    np.testing.assert_array_equal(variant(array, 7, 7), made[7])
    for one in made:
        assert one.shape == array.shape
        assert one.dtype == array.dtype
        assert 0.2 < one.sum() / array.sum() < 4
    assert not np.array_equal(made[0], made[1])
    blank = np.zeros_like(array)
    np.testing.assert_array_equal(variant(blank, 0, 0), blank)


def variant(array: np.ndarray, own: int, shared: int) -> np.ndarray:
    return SIGNATURES.augment(array, np.random.default_rng(own), np.random.default_rng([1, shared]))


def test_shared_variation_changes_all_signatures_alike(plain: np.ndarray) -> None:
    array = SIGNATURES.array(rgb(plain))

    def seen(own: int, shared: int) -> np.ndarray:
        return cv2.GaussianBlur(unfold(variant(array, own, shared)), (0, 0), 20)

    within = [likeness(seen(0, hand), seen(1, hand)) for hand in range(12)]
    between = [likeness(seen(0, hand), seen(1, hand + 1)) for hand in range(12)]
    assert np.median(within) > np.median(between) + 0.02


def test_views_are_the_four_flips(plain: np.ndarray) -> None:
    torch = pytest.importorskip("torch")
    array = SIGNATURES.array(rgb(plain))
    upright, mirrored, down, turned = (
        unfold(view[0].numpy()) for view in SIGNATURES.views(torch.from_numpy(array)[None])
    )
    canvas = unfold(array)
    np.testing.assert_array_equal(upright, canvas)
    np.testing.assert_array_equal(mirrored, canvas[:, ::-1])
    np.testing.assert_array_equal(down, canvas[::-1])
    np.testing.assert_array_equal(turned, canvas[::-1, ::-1])


def test_too_few_pixels_are_refused(plain: np.ndarray) -> None:
    good = SIGNATURES.assess(rgb(plain), Region())
    assert good.problems == ()
    assert good.score == 1
    small = SIGNATURES.assess(rgb(cv2.resize(plain, (30, 12), interpolation=3)), Region())
    assert small.score < good.score
    assert "at least 40" in small.problems[0]
    line = np.full((100, 300), 255, np.uint8)
    cv2.line(line, (20, 20), (280, 80), 0, 4)
    assert "writing" in SIGNATURES.assess(rgb(line), Region()).problems[0]


def test_examples_are_two_of_each_and_repeatable() -> None:
    made = SIGNATURES.examples()
    assert made == SIGNATURES.examples()
    assert [name for name, _ in made] == ["loops", "loops", "spikes", "spikes"]
    a, b, c, d = (SIGNATURES.array(SIGNATURES.load(content)) for _, content in made)
    assert min(likeness(a, b), likeness(c, d)) > max(likeness(a, c), likeness(b, d))


def test_text_and_damage_are_refused() -> None:
    for source in ("John Smith", b"", b"nothing"):
        with pytest.raises(UnreadableSample):
            SIGNATURES.load(source)


def test_without_an_encoder_it_says_how_to_train_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("siamkit_signatures.modality.SHIPPED", tmp_path / "none")
    with pytest.raises(MissingWeights) as raised:
        SIGNATURES.encoder()
    assert "siamkit train" in raised.value.hint


def test_an_encoder_is_served_by_the_version_that_made_it(
    tmp_path: Path, plain: np.ndarray
) -> None:
    graph = _graph()
    write_folder(tmp_path, graph, Card("signatures", "x", 16, SIGNATURES.preprocessing(), "", ""))
    vectors = SIGNATURES.encoder(tmp_path).embed([rgb(plain)])
    assert vectors.shape == (1, 16)
    other = {**SIGNATURES.preprocessing(), "size": [1, 1]}
    write_folder(tmp_path, graph, Card("signatures", "x", 16, other, "", ""))
    with pytest.raises(MissingWeights, match=r"another version .* size"):
        SIGNATURES.encoder(tmp_path)


def _graph() -> bytes:
    """The smallest network that eats arrays: each is averaged in 16 columns."""
    onnx = pytest.importorskip("onnx")
    helper, kinds = onnx.helper, onnx.TensorProto
    shape = helper.make_tensor("shape", kinds.INT64, [3], [-1, HEIGHT * WIDTH // 16, 16])
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=kinds.FLOAT),
        helper.make_node("Reshape", ["f", "shape"], ["r"]),
        helper.make_node("ReduceSum", ["r", "axis"], ["y"], keepdims=0),
    ]
    axis = helper.make_tensor("axis", kinds.INT64, [1], [1])
    x = helper.make_tensor_value_info("x", kinds.UINT8, ["n", HEIGHT // 2, WIDTH // 2, 4])
    y = helper.make_tensor_value_info("y", kinds.FLOAT, ["n", 16])
    graph = helper.make_graph(nodes, "g", [x], [y], [shape, axis])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    content: bytes = model.SerializeToString()
    return content


@settings(max_examples=60)
@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 60), st.just(3)))
    | hnp.arrays(np.uint8, st.sampled_from([(1, 900, 3), (900, 1, 3), (2, 3000, 3)]),
                 elements=st.sampled_from([0, 255]), fill=st.just(255))
)  # fmt: skip
def test_odd_pictures_give_an_array_or_nothing(pixels: np.ndarray) -> None:
    try:
        array = SIGNATURES.array(Image(pixels))
        crop = SIGNATURES.crop(Image(pixels), Region())
    except NothingFound:
        return
    finally:
        SIGNATURES.assess(Image(pixels), Region())
    assert array.shape == (HEIGHT // 2, WIDTH // 2, 4)
    assert array.any()
    assert crop.pixels.dtype == np.uint8


@requires_data
@pytest.mark.parametrize("name", ["cedar_bin", "bhsig_hindi", "bhsig_bengali"])
def test_rules_take_nothing_from_signatures(name: str) -> None:
    """A handful of CEDAR's scans have a straight dark rim, and no other loses a pixel."""
    files = sorted((DATA / name).rglob("*.png"))[::40]
    changed = 0
    for file in files:
        mask = ink.binarise(SIGNATURES.load(file).pixels)
        changed += not np.array_equal(rules.remove_rules(mask, *ink.RULES), mask)
    assert changed <= 0.08 * len(files)


@requires_data
def test_a_grey_scan_gives_what_its_two_tones_give() -> None:
    for file in sorted((DATA / "cedar_bin").rglob("*.png"))[::150]:
        two = SIGNATURES.load(file)
        soft = cv2.GaussianBlur(two.pixels, (0, 0), 0.8).astype(float)
        grey = Image(np.clip(soft * 0.6 + 70, 0, 255).astype(np.uint8))
        # Blurred, as a grain of dust more or less shifts the canvas by a pixel.
        one, other = (cv2.GaussianBlur(unfold(SIGNATURES.array(m)), (0, 0), 4) for m in (two, grey))
        assert likeness(one, other) > 0.9


def test_more_references_narrow_the_zone_in_which_none_can_tell() -> None:
    single = calibration_json.read(Signatures.calibration)
    steps = [single, *(of_mean for _, of_mean in single.of_means)]
    assert [count for count, _ in single.of_means] == [2, 3, 5, 8]
    zones = []
    for step in steps:
        assert step.fmr == 0.03
        same, different = calibration.threshold_for_fmr(step), calibration.different_below(step)
        zones.append(same.value - different)
    assert zones[-1] > 0
    assert zones == sorted(zones, reverse=True)


@pytest.fixture
def drawn(shell: Any) -> list[str]:
    """Names of files in the shell's folder: two drawn signatures each of two hands."""
    names = [f"{at}.png" for at, _ in enumerate(SIGNATURES.examples())]
    for name, (_, content) in zip(names, SIGNATURES.examples(), strict=True):
        (shell.folder / name).write_bytes(content)
    return names


def test_an_inconclusive_answer_says_how_far_references_help(
    shell: Any, drawn: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("siamkit_signatures.strokes.Strokes.against", lambda *_: 0.4)
    done = shell("verify", "-m", "signatures", *drawn[:2])
    assert done.code == 5
    assert done.out.startswith("inconclusive (probability of the same writer 0.")
    assert "inconclusive: add references" in done.out
    assert "are accepted with 1, " in done.out
    shell("enrol", "desk", *drawn[:2], "--as", "Doe", "-m", "signatures")
    done = shell("verify", "desk", "--as", "Doe", drawn[2], "--json")
    assert json.loads(done.out)["advice"].count(" % ") == 4, "for 2, 3, 5 and 8"
    done = shell("query", "desk", drawn[3])
    assert "inconclusive: perhaps Doe" in done.out
    assert "inconclusive: add references" in done.out


def test_strokes_judges_a_pair_in_either_order_and_in_any_company() -> None:
    encoder = SIGNATURES.encoder()
    media = [SIGNATURES.crop(m, Region(None)) for m in map(SIGNATURES.load, EXAMPLES)]
    vectors = encoder.embed(media)
    strokes = SIGNATURES.reranker("strokes", encoder)
    left, right = [0, 2, 0], [1, 3, 2]
    probabilities = strokes.score(
        [media[i] for i in left], [media[i] for i in right], vectors[left], vectors[right]
    )
    assert min(probabilities[:2]) > probabilities[2], "two hands"
    back = strokes.score([media[1]], [media[0]], vectors[1:2], vectors[:1])
    assert back[0] == pytest.approx(probabilities[0], abs=1e-4)
    cosine = float(vectors[0] @ vectors[1])
    by_claim = strokes.against(media[1], [media[0]], cosine)
    assert by_claim == pytest.approx(probabilities[0], abs=1e-4)
    assert strokes.score([], [], vectors[:0], vectors[:0]).shape == (0,)


def test_strokes_serves_only_the_encoder_that_it_was_fitted_to() -> None:
    with pytest.raises(Uncalibrated, match="not fitted to the encoder"):
        SIGNATURES.reranker("strokes", SimpleNamespace(fingerprint="signatures/1:another"))


def test_a_threshold_is_on_the_cosine_and_without_files_the_cosine_decides(
    shell: Any, drawn: list[str]
) -> None:
    judged = json.loads(shell("verify", "-m", "signatures", *drawn[:2], "--json").out)
    assert "by strokes" in judged["threshold"]["source"]
    given = json.loads(
        shell("verify", "-m", "signatures", *drawn[:2], "--threshold", "0.5", "--json").out
    )
    assert given["score"] == judged["score"]
    assert given["threshold"]["value"] == 0.5
    shell("enrol", "desk", *drawn[:2], "--as", "Doe", "-m", "signatures")
    (answer,) = json.loads(shell("query", "desk", drawn[1], "--json").out)["probes"]
    assert (answer["decided_by"], answer["reranker"]) == ("probability", "strokes")
    for name in drawn[:2]:
        (shell.folder / name).unlink()
    (answer,) = json.loads(shell("query", "desk", drawn[2], "--json").out)["probes"]
    assert answer["decided_by"] == "cosine"
    done = shell("verify", "desk", "--as", "Doe", drawn[2], "--json")
    assert "by strokes" not in json.loads(done.out)["threshold"]["source"]
    assert done.err.count("strokes cannot judge 'Doe'") == 1


def test_the_nearest_loses_to_no_other_because_its_file_is_gone(
    shell: Any, drawn: list[str]
) -> None:
    pil.open(shell.folder / drawn[0]).rotate(3, fillcolor="white").save(shell.folder / "bob.png")
    (shell.folder / "ann.png").write_bytes((shell.folder / drawn[0]).read_bytes())
    for name, label in (("ann.png", "Ann"), ("bob.png", "Bob")):
        shell("enrol", "desk", name, "--as", label, "-m", "signatures")
    (shell.folder / "ann.png").unlink()
    done = shell("query", "desk", drawn[0], "--json")
    (answer,) = json.loads(done.out)["probes"]
    assert (answer["regions"][0]["identity"], answer["decided_by"]) == ("Ann", "cosine")
    assert done.err.count("strokes cannot judge 'Ann'") == 1


def test_how_many_matches_are_shown_changes_no_decision(
    shell: Any, drawn: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "siamkit_signatures.strokes.Strokes.against", lambda *args: 0.01 if args[3] > 0.999 else 0.9
    )
    for name, label in zip(drawn, ("Ann", "Bob"), strict=False):
        shell("enrol", "desk", name, "--as", label, "-m", "signatures")
    for k in ("1", "5"):
        (answer,) = json.loads(shell("query", "desk", drawn[0], "-k", k, "--json").out)["probes"]
        (region,) = answer["regions"]
        assert (region["identity"], len(region["matches"])) == ("Bob", min(int(k), 2))
        assert (region["decided_by"], region["reranker"]) == ("probability", "strokes")
    done = shell("classify", "desk", drawn[0], "--unknown", "--json")
    (sample,) = json.loads(done.out)["probes"]
    assert "by strokes" in sample["threshold"]["source"]


def test_a_score_stands_beside_a_threshold_on_its_scale(shell: Any, drawn: list[str]) -> None:
    with sk.Workspace(shell.folder / "store") as ws:
        pair = [shell.folder / name for name in drawn[:2]]
        (verified,) = ws.verify_many("signatures", [pair])
    (row,) = verified.verification.rows()
    assert row["score"] == row["probability"] > row["threshold"]
    facts = verified.to_dict()
    assert (facts["a"], facts["decision"]) == (str(pair[0]), "same")
    assert not {"verification", "error"} & facts.keys()
    side = ExplainedSample("a", Region(None), None, 1, None, ())
    explanation = Explanation(facts["score"], side, side, verified.verification)
    assert explanation.lines[1].startswith(f"probability {format_probability(row['score'])}, same")
    for described in (facts, explanation.to_dict()):
        assert (described["decided_by"], described["reranker"]) == ("probability", "strokes")


def test_beyond_what_helps_it_sends_to_people() -> None:
    assert "let people look" in Signatures().advise(8)
