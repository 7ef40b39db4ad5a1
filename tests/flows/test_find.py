"""Find what is enrolled in pictures: places, verdicts, and thresholds per picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import siamkit as sk
from siamkit.embed.batches import Job
from siamkit.embed.pipeline import Pipeline
from siamkit.flows.find import find
from siamkit.flows.find_places import open_search
from siamkit.sdk import boxes
from siamkit.stats.find_calibration import FindSetup
from siamkit.types import Region

STRICT = sk.DecisionRule(threshold=0.99)


def draw(path, *squares, size=(120, 60), ground="white"):
    """Draw squares of (colour, left, top, right, bottom)."""
    picture = Image.new("RGB", size, ground)
    for colour, *box in squares:
        picture.paste(colour, tuple(box))
    picture.save(path)
    return path


@pytest.fixture
def ws(tmp_path):
    """A gallery `things` of a red, a blue, and a second, darker red thing; no detector."""
    with sk.Workspace(tmp_path / "store") as workspace:
        workspace.create_gallery("things", "swatches")
        for label, colour in (("red", "red"), ("blue", "blue"), ("red", (200, 0, 0))):
            path = draw(tmp_path / f"{colour}.png", size=(30, 30), ground=colour)
            workspace.enrol("things", label, path)
        yield workspace


@pytest.fixture
def negatives(tmp_path):
    """Twenty pictures with squares of no enrolled colour, more or less like one."""
    folder = tmp_path / "negatives"
    folder.mkdir()
    for number in range(20):
        shade = (0, 255, 12 * number)  # green to cyan
        draw(folder / f"{number}.png", (shade, 10, 10, 50, 50))
    return folder


class Listed:
    """Regions as a test lists them."""

    name, kind = "listed", "image"

    def __init__(self, *boxes):
        self.regions = [Region(box) if isinstance(box, tuple) else box for box in boxes]

    def find(self, medium):
        return self.regions


def search_with(ws, detector):
    gallery = ws.gallery("things")
    opened = ws.pipeline_of(gallery)
    pipeline = Pipeline(opened.modality, detector, opened.encoder)
    return open_search(ws.index(gallery), pipeline)


def test_each_thing_is_found_where_it_is(ws, tmp_path):
    path = draw(tmp_path / "shelf.png", ("blue", 10, 10, 40, 40), ("red", 60, 5, 110, 55))
    picture = ws.find("things", path, detector="squares", rule=STRICT)
    assert picture.decision == "present"
    assert (picture.width, picture.height) == (120, 60)
    assert {s.identity: s.region.where for s in picture.sightings} == {
        "blue": (10, 10, 40, 40),
        "red": (60, 5, 110, 55),
    }
    assert picture.identities == tuple(s.identity for s in picture.sightings)
    assert all(s.source.endswith(f"{s.identity}.png") for s in picture.sightings)
    assert all(s.probability is None and s.fpir is None for s in picture.sightings)
    assert picture.nearest is None  # the whole picture is where the red thing is, too


def test_absent_names_the_nearest_place_that_was_rejected(ws, tmp_path):
    path = draw(tmp_path / "shelf.png", ((255, 90, 0), 60, 5, 110, 55))
    picture = ws.find("things", path, detector="squares", rule=STRICT)
    assert (picture.decision, picture.sightings) == ("absent", ())
    assert picture.nearest.identity == "red"
    assert picture.nearest.region.where == (60, 5, 110, 55)
    assert 0.8 < picture.nearest.score < 0.99


def test_overlapping_regions_of_one_identity_are_one_place(ws, tmp_path):
    path = draw(tmp_path / "shelf.png", ("red", 10, 10, 50, 50), ("blue", 60, 10, 100, 50))
    detector = Listed(
        (12, 12, 50, 50),
        (10, 10, 48, 48),
        (10, 10, 30, 30),  # a part
        (0, 0, 56, 60),  # with surroundings
        (60, 10, 100, 50),
        (62, 12, 100, 50),
    )
    (picture,) = find(search_with(ws, detector), [path], STRICT)
    places = [(s.identity, s.region.where) for s in picture.sightings]
    assert sorted(places) == [
        ("blue", (60, 10, 100, 50)),
        ("red", (12, 12, 50, 50)),
    ]


def test_regions_that_cannot_be_cut_out_are_passed_over(ws, tmp_path):
    """Outside the picture, thinner than a pixel, or partly outside: then what is inside counts."""
    path = draw(tmp_path / "shelf.png", ("red", 90, 10, 120, 50))
    thin, outside, partly = (10, 10, 10.4, 50), (200, 0, 300, 50), (90, 10, 140, 50)
    (picture,) = find(search_with(ws, Listed(thin, outside, partly)), [path], STRICT)
    assert [s.region.where for s in picture.sightings] == [(90, 10, 120, 50)]


def test_the_mask_of_a_region_comes_along(ws, tmp_path):
    path = draw(tmp_path / "shelf.png", ("red", 10, 10, 50, 50))
    mask = np.ones((40, 40), bool)
    (picture,) = find(search_with(ws, Listed(Region((10, 10, 50, 50), mask=mask))), [path], STRICT)
    assert picture.sightings[0].region.mask is mask


def test_a_thing_that_fills_the_picture_is_found_without_any_region(ws, tmp_path):
    path = draw(tmp_path / "packshot.png", ground="blue")
    for detector in (Listed(), None):
        (picture,) = find(search_with(ws, detector), [path], STRICT)
        assert [s.identity for s in picture.sightings] == ["blue"]
        assert picture.sightings[0].region.where == (0, 0, 120, 60)


def test_a_modality_with_its_own_detector_takes_no_whole_picture_for_a_thing(ws, tmp_path):
    red = draw(tmp_path / "one.png", ("red", 10, 10, 50, 50))
    ws.enrol("tiles", "red", red)
    empty = draw(tmp_path / "empty.png")
    picture = ws.find("tiles", empty)
    assert (picture.decision, picture.nearest) == ("absent", None)
    assert (picture.width, picture.height) == (120, 60)
    assert (
        picture.threshold.source == "as for a query, false match rate 0.01, made up for the tests"
    )
    assert ws.find("tiles", red).identities == ("red",)


def test_a_bad_picture_does_not_end_the_others(ws, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    good = draw(tmp_path / "good.png", ground="red")
    pictures = list(ws.find_many("things", [bad, good], detector=None, rule=STRICT))
    assert [p.decision for p in pictures] == ["inconclusive", "present"]
    assert isinstance(pictures[0].error, sk.UnreadableSample)
    with pytest.raises(sk.UnreadableSample):
        ws.find("things", bad, detector=None)


def test_nothing_is_decided_without_a_threshold(ws, tmp_path):
    path = draw(tmp_path / "shelf.png", ("red", 10, 10, 50, 50))
    picture = ws.find("things", path, detector="squares")
    assert (picture.decision, picture.threshold, picture.sightings) == ("inconclusive", None, ())
    assert picture.nearest.identity == "red"


def test_a_modality_may_state_a_threshold_of_its_own(ws, tmp_path, monkeypatch):
    measured = sk.Threshold(0.9, source="made up for the tests", fpir=0.05)
    modality = type(ws.pipeline("swatches").modality)
    monkeypatch.setattr(modality, "find_thresholds", {(None, "squares"): measured}, raising=False)
    path = draw(tmp_path / "shelf.png", ("red", 10, 10, 50, 50))
    picture = ws.find("things", path, detector="squares")
    assert (picture.decision, picture.threshold) == ("present", measured)
    for setup in ({"detector": None}, {"detector": "squares", "tiles": 64}):
        assert ws.find("things", path, **setup).threshold is None


def test_a_calibrated_search_keeps_its_rate(ws, negatives, tmp_path):
    measured = ws.calibrate_find("things", negatives, detector="squares")
    calibration = measured.calibration
    assert calibration.setup == FindSetup("squares")
    assert calibration.source == "negatives, 20 pictures without an enrolled thing"
    assert (calibration.fpir, calibration.identities, calibration.samples) == (0.05, 2, 3)
    assert [h.score for h in measured.highest] == sorted(
        (h.score for h in measured.highest), reverse=True
    )
    assert measured.highest[0].identity == "blue"  # cyan is the nearest to an enrolled colour
    pictures = list(ws.find_many("things", sorted(negatives.iterdir()), detector="squares"))
    assert all(p.decision == "absent" for p in pictures)
    red = ws.find("things", draw(tmp_path / "r.png", ("red", 5, 5, 50, 50)), detector="squares")
    assert red.decision == "present"
    assert red.threshold == calibration.threshold()
    assert red.sightings[0].fpir == pytest.approx(1 / 21)
    assert red.sightings[0].probability is None  # nothing is labelled
    lax = sk.DecisionRule(fpir=0.5)
    boxed = list(ws.find_many("things", sorted(negatives.iterdir()), detector="squares", rule=lax))
    assert 8 <= sum(p.decision == "present" for p in boxed) <= 10
    with pytest.raises(sk.Uncalibrated, match=r"support a false positive rate of 0\.048"):
        ws.find("things", tmp_path / "r.png", detector="squares", rule=sk.DecisionRule(fpir=0.01))


def test_a_calibration_holds_for_its_detector_and_tiles_alone(ws, negatives, tmp_path, caplog):
    ws.calibrate_find("things", negatives, detector="squares")
    path = draw(tmp_path / "r.png", ground="red")
    assert ws.find("things", path, detector=None).decision == "inconclusive"
    assert "not calibrated for --detector none, but for --detector squares" in caplog.text
    assert "`siamkit calibrate things --find PICTURES --detector none`" in caplog.text
    with pytest.raises(sk.Uncalibrated, match="not calibrated for pictures") as refused:
        ws.find("things", path, detector=None, rule=sk.DecisionRule(fpir=0.1))
    assert "siamkit calibrate things --find PICTURES --detector none" in refused.value.hint


def test_a_grown_gallery_is_said_to_have_grown(ws, negatives, tmp_path, caplog):
    ws.calibrate_find("things", negatives, detector="squares")
    path = draw(tmp_path / "r.png", ground="red")
    ws.find("things", path, detector="squares")
    assert "grown" not in caplog.text
    ws.enrol("things", "green", draw(tmp_path / "g.png", ground="green"))
    ws.find("things", path, detector="squares")
    assert "has grown from 2 identities (3 samples) to 3 (4 samples)" in caplog.text


def test_pictures_that_cannot_calibrate_are_named(ws, negatives):
    (negatives / "broken.png").write_bytes(b"no picture")
    Image.new("RGB", (30, 30), "red").save(negatives / "copy.png")  # as it is enrolled
    faults = []
    measured = ws.calibrate_find(
        "things", negatives, detector="squares", report_fault=faults.append
    )
    assert len(measured.highest) == 20
    assert [fault.reason.partition(",")[0] for fault in faults][1:] == ["it is enrolled"]
    assert "broken.png" in str(faults[0])


def test_too_few_or_too_similar_pictures_are_refused(ws, negatives, tmp_path):
    with pytest.raises(sk.Uncalibrated, match="support a false positive rate"):
        ws.calibrate_find("things", negatives, detector="squares", fpir=0.01)
    for number in range(12):
        draw(negatives / f"{number}.png", ("red", 10, 10, 50, 50 - number))
    with pytest.raises(sk.Uncalibrated, match=r"as high as copies, .*\.png as red"):
        ws.calibrate_find("things", negatives, detector="squares")
    for path in sorted(negatives.iterdir())[:11]:
        path.unlink()
    with pytest.raises(sk.Uncalibrated, match="9 pictures without an enrolled thing are too few"):
        ws.calibrate_find("things", negatives, detector="squares")


def test_pictures_in_which_nothing_is_detected_set_no_threshold(ws, negatives, tmp_path):
    ws.enrol("tiles", "red", draw(tmp_path / "one.png", ("red", 10, 10, 50, 50)))
    for path in sorted(negatives.iterdir())[:11]:
        draw(path)
    with pytest.raises(sk.Uncalibrated, match="in 9 of 20 pictures there is anything to compare"):
        ws.calibrate_find("tiles", negatives)
    draw(sorted(negatives.iterdir())[0], ("green", 10, 10, 50, 50))
    assert ws.calibrate_find("tiles", negatives).calibration.highest[0] == -1


def test_a_reranker_judges_the_best_places(ws, negatives, tmp_path):
    path = draw(tmp_path / "r.png", ("red", 10, 10, 50, 50), ((255, 90, 0), 60, 10, 100, 50))
    judged = sk.DecisionRule(reranker="hue")
    picture = ws.find("things", path, detector="squares", rule=judged)
    assert [s.region.where for s in picture.sightings] == [(10, 10, 50, 50)]
    assert picture.sightings[0].score == picture.sightings[0].probability == 1.0
    assert picture.nearest.score == pytest.approx(1 - 90 / 255, abs=0.01)
    assert picture.threshold.source == "made up for the tests"
    measured = ws.calibrate_find("things", negatives, detector="squares", reranker="hue")
    assert measured.calibration.setup.options == "--detector squares --rerank hue"
    assert ws.find("things", path, detector="squares", rule=judged).threshold.fpir == 0.05
    (tmp_path / "red.png").unlink()  # what cannot be judged is not a sighting
    (tmp_path / "(200, 0, 0).png").unlink()
    assert ws.find("things", path, detector="squares", rule=judged).decision == "absent"


def test_other_media_and_an_empty_gallery_are_refused(ws, tmp_path):
    ws.create_gallery("faq", "letters")
    ws.create_gallery("none", "swatches")
    with pytest.raises(sk.BadInput, match="gallery faq holds letters, not pictures") as refused:
        ws.find("faq", tmp_path / "red.png")
    assert refused.value.hint == "`siamkit query faq --text TEXT`"
    with pytest.raises(sk.StoreError, match="nothing is enrolled in gallery none"):
        ws.find("none", tmp_path / "red.png", detector="squares")
    with pytest.raises(sk.BadInput, match="tiles need a detector"):
        ws.find("things", tmp_path / "red.png", detector=None, tiles=640)


def test_places_of_many_regions_are_those_of_a_plain_loop(ws, tmp_path):
    """The array code against the definition, on random boxes of a picture of random colours."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (6, 12, 3), np.uint8).repeat(10, 0).repeat(10, 1)
    path = tmp_path / "noise.png"
    Image.fromarray(pixels).save(path)
    corners = rng.uniform(0, (90, 40), (80, 2))
    sides = rng.uniform(4, 30, (80, 2))
    listed = [tuple(map(float, (*c, *(c + s)))) for c, s in zip(corners, sides, strict=True)]
    (places,) = search_with(ws, Listed(*listed)).places([Job(path)])
    vectors = np.stack([region.vector for region in places.embedded.regions])
    nearest = ws.index(ws.gallery("things")).search(vectors, 1).scores[:, 0]
    assert places.scores.tolist() == pytest.approx(nearest[places.rows].tolist(), abs=1e-6)
    assert places.scores.tolist() == sorted(places.scores, reverse=True)
    assert len(places.rows) > 10
    for i in range(len(places.rows)):
        for j in range(i):
            same = places.matches[i].identity == places.matches[j].identity
            assert not same or inside(places.box(i), places.box(j)) <= 0.5


def inside(a, b):
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    common = width * height
    areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return common / min(areas)


def test_boxes_of_an_approximate_detector_are_moved_to_the_thing(ws, tmp_path):
    red = (40.0, 10.0, 80.0, 50.0)
    path = draw(tmp_path / "red square.png", ("red", *map(int, red)))
    guesses = [(34.0, 0.0, 96.0, 60.0), (0.0, 0.0, 30.0, 60.0)]
    detector = Listed(*guesses)
    (guessed,) = search_with(ws, detector).places([Job(path)])
    detector.approximate = True
    (moved,) = search_with(ws, detector).places([Job(path)])
    assert (guessed.matches[0].identity, guessed.box(0)) == ("red", guesses[0])
    assert moved.matches[0].identity == "red"
    assert moved.highest > guessed.highest
    corners = np.array([red, guessed.box(0), moved.box(0)])
    overlaps = boxes.iou(corners[:1], corners)[0]
    assert overlaps[2] > overlaps[1] + 0.1
    masked = Region(guesses[0], mask=np.ones((60, 62), bool))
    detector.regions = [masked]
    (kept,) = search_with(ws, detector).places([Job(path)])
    assert kept.box(0) == guesses[0]
    assert kept.region(0).mask is masked.mask
