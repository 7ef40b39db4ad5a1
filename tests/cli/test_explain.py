"""`siamkit explain`: which parts make a score, as a table, JSON and a picture."""

from __future__ import annotations

import json
from functools import cache
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from siamkit import Explanation
from siamkit.embed.pipeline import Pipeline, open_pipeline
from siamkit.errors import BadInput, NothingFound, PluginError
from siamkit.flows import occlusion
from siamkit.flows.explain import explain
from siamkit.reports.explain import draw

MODALITIES = [("letters", None), ("questions", None), ("faces", "facefinder"),
              ("signatures", "signatures"), ("voices", "speech")]  # fmt: skip


@pytest.fixture
def textured(shell):
    """Two pictures of noise in a white margin, of which the left halves are alike."""
    rng = np.random.default_rng(0)
    common = rng.integers(0, 200, (6, 3, 3), dtype=np.uint8)
    for name in ("a", "b"):
        half = rng.integers(0, 200, (6, 3, 3), dtype=np.uint8)
        square = np.hstack([common, half]).repeat(10, axis=0).repeat(10, axis=1)
        picture = np.full((80, 80, 3), 255, dtype=np.uint8)
        picture[10:70, 10:70] = square
        Image.fromarray(picture).save(shell.folder / f"{name}.png")
    Image.new("RGB", (80, 80), "white").save(shell.folder / "empty.png")
    flat = Image.new("RGB", (80, 80), "white")
    flat.paste("red", (10, 10, 60, 60))
    flat.save(shell.folder / "flat.png")
    return shell


def falls(pipeline, found: Explanation) -> list[float]:
    """A side each: how much further the score falls without the best fifth than without others."""
    rng, differences = np.random.default_rng(0), []
    sides = (found.left, found.right)
    whole, _ = pipeline.embed([side.crop for side in sides])
    for side, against in zip(sides, whole[::-1], strict=True):
        worth = np.array([part.contribution for part in side.parts])
        count = max(1, round(0.2 * len(worth)))
        best = np.zeros(len(worth), dtype=bool)
        best[np.argsort(-worth)[:count]] = True
        pieces = occlusion.split(side.crop)
        media = [pieces.hide(h) for h in (best, *(rng.permutation(best) for _ in range(4)))]
        scores = pipeline.embed(media)[0] @ against
        differences.append(float(scores[1:].mean() - scores[0]))
    return differences


@cache
def explained(modality: str, detector: str | None) -> tuple[Pipeline, Explanation]:
    """Explain the score of two examples of one identity."""
    pipeline = open_pipeline(modality, encoder=None, detector=detector)
    (label, a), *others = pipeline.modality.examples()
    b = next(source for name, source in others if name == label)
    return pipeline, explain(pipeline, a, b)


@pytest.mark.parametrize(("modality", "detector"), MODALITIES)
def test_the_score_falls_further_without_the_best_parts_than_without_others(modality, detector):
    pipeline, found = explained(modality, detector)
    assert min(falls(pipeline, found)) > 0
    assert found.score == pytest.approx(
        float(np.prod(pipeline.embed([found.left.crop, found.right.crop])[0], axis=0).sum()),
        abs=1e-4,
    )


def test_the_shared_word_contributes_most(shell):
    done = shell("explain", "-m", "letters", "--text", "xylophone and much else",
                 "--text", "we want a xylophone", "--json")  # fmt: skip
    assert done.code == 0, done.err
    found = json.loads(done.out)
    for side in ("left", "right"):
        best = max(found[side]["parts"], key=lambda part: part["contribution"])
        assert best["text"] == "xylophone"
        start, stop = best["where"]
        assert found[side]["source"][start:stop] == "xylophone"


def test_a_word_contributes_what_the_score_loses_without_it(shell):
    a, b = "hello there my friend", "hello here my fiend"
    found = json.loads(shell("explain", "-m", "letters", "--text", a, "--text", b, "--json").out)
    part = found["left"]["parts"][1]
    assert part["text"] == "there"
    less = shell("verify", "-m", "letters", "--text", "hello my friend", "--text", b, "--json")
    drop = found["score"] - json.loads(less.out)["score"]
    assert part["contribution"] == pytest.approx(drop, abs=1e-5)


def test_pictures_are_explained_and_drawn(textured):
    done = textured("explain", "-m", "tiles", "a.png", "b.png", "--json", "-o", "out.png")
    assert done.code == 0, done.err
    assert "saved out.png" in done.err
    found = json.loads(done.out)
    assert found["decision"] in ("same", "different")
    assert found["threshold"]["value"] == 0.999
    assert found["left"]["region"]["where"] == [10, 10, 70, 70]
    assert len(found["right"]["parts"]) == 100
    left = [p["contribution"] for p in found["left"]["parts"] if p["where"][2] <= 24]
    right = [p["contribution"] for p in found["left"]["parts"] if p["where"][0] >= 36]
    assert np.mean(left) > np.mean(right)
    with Image.open(textured.folder / "out.png") as picture:
        assert picture.width > 900
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 100


def test_areas_of_two_pictures_stand_in_one_table(textured):
    lines = textured("explain", "-m", "tiles", "a.png", "b.png").out.splitlines()
    head = next(n for n, line in enumerate(lines) if line.startswith("area of the crop"))
    rows = [line.rsplit(maxsplit=4) for line in lines[head + 1 : head + 10]]
    assert len({row[0] for row in rows}) == 9
    shares = {row[0]: int(row[1]) for row in rows}
    assert shares["left"] > shares["right"]  # the left halves are alike
    assert [line.split()[0] for line in lines[2:4]] == ["A:", "B:"]


def test_a_gallery_and_a_box(textured):
    two = Image.new("RGB", (180, 80), "white")
    for left, name in ((0, "a"), (90, "b")):
        with Image.open(textured.folder / f"{name}.png") as picture:
            two.paste(picture, (left, 0))
    two.save(textured.folder / "two.png")
    assert textured("galleries", "create", "wall", "-m", "tiles").code == 0
    done = textured("explain", "wall", "a.png", "two.png", "--json")
    assert "Note: two.png: 2 found, and the largest was compared" in done.err
    done = textured("explain", "wall", "b.png", "two.png", "--box", "100,10,160,70", "--json")
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert found["right"]["region"]["where"] == [100, 10, 160, 70]
    assert found["score"] == pytest.approx(1, abs=1e-6)


def test_sounds_and_texts_are_drawn_in_every_format(workspace, tmp_path):
    _, found = explained("voices", "speech")
    starts = [part.in_recording for part in found.left.parts if part.in_recording]
    assert len(starts) == len(found.left.parts) > 10
    assert all(0 <= start < stop < 5 for start, stop in starts)
    draw(found, tmp_path / "a.svg")
    assert ElementTree.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")
    odd = "我借呗十二期 $x_1$ چگونه वजन \u0300 😀 " + "x" * 300 + " words" * 900
    draw(workspace.explain("letters", odd, "one word or two"), tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as picture:
        picture.verify()
    draw(workspace.explain("letters", "one", "one"), tmp_path / "c.pdf")
    assert (tmp_path / "c.pdf").read_bytes().startswith(b"%PDF")


def test_one_word_carries_the_whole_score(shell):
    done = shell("explain", "-m", "letters", "--text", "hello", "--text", "hello there")
    assert done.code == 0
    assert "hello: it is one part, which carries the whole score" in done.err
    verdict, detail = done.out.splitlines()[:2]
    assert verdict == "different texts"
    assert detail.startswith("score 0.")
    assert "same from 0.800" in detail
    assert "there" in done.out


def test_the_table_stays_short(shell):
    done = shell("explain", "-m", "letters", "--text", " ".join(map(str, range(99))),
                 "--text", "1 2 3 4")  # fmt: skip
    assert len(done.out.splitlines()) < 30
    assert "… and 89 more" in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [(["a.png", "flat.png"], 2, "flat.png: there is nothing in it to hide: it is a single colour"),
     (["a.png", "empty.png"], 4, "empty.png: nothing was found in it"),
     (["gone.png", "b.png"], 2, "gone.png cannot be read: No such file"),
     (["a.png", "text.png"], 2, "text.png: not a picture"),
     (["a.png", "none.png"], 2, "none.png is empty"),
     (["a.png"], 2, "Give -m MODALITY A B"),
     (["a.png", "b.png", "-o", "x.gif"], 2, "x.gif: cannot write '.gif'"),
     (["a.png", "b.png", "-o", "no/x.png"], 2, "the folder of no/x.png does not exist"),
     (["a.png", "b.png", "-o", "folder.png"], 2, "folder.png is a directory"),
     (["a.png", "b.png", "-o", "a.png"], 2, "is the source itself"),
     (["a.png", "b.png", "--box", "900,900,990,990"], 2, "b.png: box 900,900,990,990"),
     (["a.png", "b.png", "--detector", "speech"], 1, "detector speech takes audio"),
     (["--text", "x", "--text", "y"], 2, "tiles are not texts")],
)  # fmt: skip
def test_bad_input_is_one_line(textured, arguments, code, said):
    (textured.folder / "text.png").write_text("not a picture")
    (textured.folder / "none.png").write_bytes(b"")
    (textured.folder / "folder.png").mkdir()
    done = textured("explain", "-m", "tiles", *arguments)
    assert done.code == code, done.err
    assert said in done.err
    assert done.out == ""


def test_another_encoder_than_the_gallerys(letters):
    letters.environment["TOYKIT_SALT"] = "other"
    done = letters("explain", "letters", "q.txt", "q.txt")
    assert (done.code, done.out) == (1, "")
    assert "gallery 'letters' holds templates of letters/1:toy" in done.err
    assert letters("explain", "nowhere", "q.txt", "q.txt").code == 1
    assert letters("explain", "letters", "q.txt", "q.txt", "--encoder", "x").code == 2


class Fragile:
    """An encoder that finds nothing without `key`, and no sense in a text without `sense`."""

    dim, fingerprint, threshold = 2, "fragile/1:toy", None

    def embed(self, batch):
        if any("key" not in text for text in batch):
            raise NothingFound("no key in it")
        rows = [[1, 0] if "sense" in text else [np.nan, 0] for text in batch]
        return np.array(rows, dtype=np.float32)


def test_a_part_without_which_nothing_is_left_carries_the_whole_score():
    letters = open_pipeline("letters", encoder=None, detector=None).modality
    pipeline = Pipeline(letters, None, Fragile())
    with pytest.raises(PluginError, match=r"key sense with a part hidden: .*NaN"):
        explain(pipeline, "key sense", "key sense")
    seen: list[tuple[str, int, int]] = []
    found = explain(
        pipeline, "key sense sense", "key sense sense", progress=lambda *now: seen.append(now)
    )
    assert seen == [("hiding parts", 3, 6), ("hiding parts", 6, 6)]
    assert [part.contribution for part in found.left.parts] == [1, 0, 0]


def test_a_medium_of_a_strangers_own_is_refused():
    class Shapes:
        name, kind, detector = "shapes", "text", None

        def load(self, source):
            return [source]

        def crop(self, medium, region):
            return medium

    class Ones(Fragile):
        def embed(self, batch):
            return np.tile(np.array([1, 0], np.float32), (len(batch), 1))

    with pytest.raises(BadInput, match="a list cannot be split"):
        explain(Pipeline(Shapes(), None, Ones()), "a", "b")
