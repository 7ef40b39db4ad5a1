"""The pages of `siamkit evaluate --report` and `siamkit calibrate --report`."""

from __future__ import annotations

import csv
from html.parser import HTMLParser

import numpy as np
import pytest
from manifest import lines
from scoreddata import texts

VOID = {"meta", "img", "br"}
# What may be left open, as HTML has it.
OPTIONAL = {"html", "p", "li", "tr", "td", "th", "thead", "tbody"}


class Page(HTMLParser):
    """Which elements there are; every other one must be closed in its place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.open, self.seen, self.said = text, [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        for name, value in attrs:
            assert name not in ("src", "href") or value.startswith("data:"), value
        if tag not in VOID | OPTIONAL:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in OPTIONAL:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.said.append(data)

    def count(self, tag):
        return sum(seen == tag for seen, _ in self.seen)

    def points(self):
        """How many points each curve has."""
        return [len(a["points"].split()) for tag, a in self.seen if tag == "polyline"]


def read(folder, name="r.html"):
    return Page((folder / name).read_text())


def write(folder, rows, head=("a", "b", "label")):
    with (folder / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])


def pairs(listed):
    return [
        (a, b, int(one == other))
        for n, (one, a) in enumerate(listed)
        for other, b in listed[n + 1 :]
    ]


def test_texts_are_escaped_and_the_worst_pair_is_named(shell):
    attack = "<script>alert(1)</script>"
    rows = [(*row, "x<b>" if n % 2 else "$y$") for n, row in enumerate(pairs(texts(12)))]
    rows.append((attack, attack + " ", 0, "x<b>"))
    write(shell.folder, rows, ("a", "b", "label", "kind<"))
    done = shell(
        "evaluate", "t.csv", "-m", "letters", "--rerank", "none", "--rerank", "words", "--snorm",
        "--group", "kind<",
        "--report", "r.html",
    )  # fmt: skip
    assert done.code == 0, done.err
    page = read(shell.folder)
    assert page.count("script") == 0
    assert attack in "".join(page.said)  # the most similar of all non-mated pairs
    assert page.text.count("&lt;script&gt;") >= 2
    for name in ("letters", "letters, words", "letters, S-norm"):
        assert f"{name}: two identities, highest scores" in page.text
    assert len(page.points()) >= 3 * 2 * 2  # DET and ROC, what is supported and what is not
    assert "FMR of each group" in page.text
    assert "x&lt;b&gt;" in page.text
    for figure, value in [line.split("  ", 1) for line in done.out.splitlines() if "EER" in line]:
        assert figure in page.text
        for part in value.split("  "):
            assert part.strip() in page.text  # the same figures as the command prints


def picture(path, rng, base):
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    noisy = np.clip(base + rng.integers(-40, 40, base.shape), 0, 255).astype(np.uint8)
    Image.fromarray(noisy).resize((400, 300)).save(path)


@pytest.fixture
def people(shell):
    rng = np.random.default_rng(0)
    for person in range(6):
        base = rng.integers(0, 200, (8, 8, 3))
        for number in range(3):
            picture(shell.folder / f"people/p{person}/{number}.png", rng, base)
    return shell


def test_pictures_are_embedded_small_and_identification_is_drawn(people):
    (people.folder / "people/p0/broken.png").write_bytes(b"not a picture")
    done = people(
        "evaluate", "people", "-m", "tiles", "--detector", "none", "--report", "r.html"
    )  # fmt: skip
    assert done.code == 1
    page = read(people.folder)
    assert page.text.count("data:image/jpeg;base64,") == page.count("img") == 36
    assert len(page.text) < 500_000
    assert "CMC" in page.text
    assert "p5/2.png" in page.text or "p4/2.png" in page.text
    assert "Could not be used: 1" in page.text
    assert "broken.png" in page.text


def test_files_that_are_gone_are_names(people):
    assert people("galleries", "create", "g", "-m", "tiles", "--detector", "none").code == 0
    done = people("enrol", "g", "--from", "people")
    assert done.code == 0, done.err
    (people.folder / "people/p0/0.png").unlink()
    (people.folder / "people/p1/0.png").write_text("no picture any more")
    assert people("evaluate", "--gallery", "g", "--report", "r.html").code == 0
    page = read(people.folder)
    assert "no preview" in page.text
    assert page.count("img")


def test_sounds_are_played(tmp_path):
    import soundfile

    from siamkit.reports.previews import exhibit

    rng = np.random.default_rng(0)
    for name, seconds in (("short", 1), ("long.x", 40)):
        noise = 0.1 * rng.standard_normal(16_000 * seconds)
        soundfile.write(tmp_path / f"{name}<.wav", noise, 16_000)
    short, long = exhibit(tmp_path / "short<.wav"), exhibit(tmp_path / "long.x<.wav")
    assert "<audio controls" in short
    assert "data:audio/wav;base64" in short
    assert "data:audio/mpeg;base64" in long
    assert "first 12 s" in long
    assert len(long) < 400_000
    assert "short&lt;.wav" in short
    assert "no preview" in exhibit(tmp_path)


def test_the_page_about_many_scores_is_small():
    from siamkit.flows.evaluate import Evaluation
    from siamkit.flows.trials import Trials
    from siamkit.reports import evaluate as evaluation_page
    from siamkit.stats.verification import measure_verification

    rng = np.random.default_rng(0)
    mated = rng.random(200_000) < 0.1
    scores = rng.normal(np.where(mated, 2, -2), 1)
    left, right = rng.integers(2_000, size=(2, len(mated)))
    names = [f"sample {number}" for number in range(2_000)]
    trials = Trials(names, np.arange(2_000), left, np.where(mated, left, right), mated, scores)
    thresholds = {"the given threshold": 0.0}
    metrics = measure_verification(trials.to_comparisons(scores), thresholds=thresholds, draws=2)
    evaluation = Evaluation("s", trials, scores, metrics)
    assert repr(evaluation).startswith("<Evaluation of s: 200,000 trials, EER 0.0")
    page = Page(evaluation_page.html([evaluation], "s"))
    assert len(page.text) < 100_000
    assert max(page.points()) > 200
    assert "the given threshold: 0.000" in page.text


@pytest.mark.parametrize(
    "rows",
    [
        [(1, 0.9), (1, 0.8), (0, 0.1), (0, 0.2)],  # no error at any threshold between
        [(1, 0.1), (0, 0.9)],  # always wrong
        [(1, 0.5), (0, 0.5), (0, 0.5)],  # one score
        [(1, -1e300), (0, 1e300), (0, 0.0)],
    ],
)
def test_scores_of_any_kind_have_a_page(shell, rows):
    write(shell.folder, rows, ("label", "score"))
    done = shell("evaluate", "t.csv", "--report", "r.html")
    assert done.code == 0, done.err
    page = read(shell.folder)
    assert "nan" not in page.text
    assert "inf" not in page.text.replace("info", "")


def test_the_page_about_a_calibration(shell):
    done = shell("enrol", "a.b", "-m", "letters", "--from", "-", stdin=lines(*texts(40)))
    assert done.code == 0, done.err
    done = shell("calibrate", "a.b", "--report", "r.html")
    assert done.code == 0, done.err
    page = read(shell.folder)
    assert "Calibration of a.b" in page.text
    for title in ("Are the probabilities right?", "What a score means", "Error rates", "search"):
        assert title in page.text
    assert "extrapolated" in page.text
    assert page.count("circle") > 2


def test_few_identities_calibrate_and_have_a_page(shell):
    done = shell("enrol", "g", "-m", "letters", "--from", "-", stdin=lines(*texts(9, 2)))
    assert done.code == 0, done.err
    done = shell("calibrate", "g", "--report", "r.html")
    assert done.code == 0, done.err
    assert "What a score means" in read(shell.folder).text


@pytest.mark.parametrize("name", ["r.pdf", "absent/r.html", "."])
def test_a_page_that_cannot_be_written_is_refused_first(shell, name):
    done = shell("calibrate", "none", "--report", name)
    assert done.code == 2
    assert "--report" in done.err
    assert not list(shell.folder.iterdir())
