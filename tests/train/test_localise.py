"""Train a localiser from drawn pictures to a detector folder; interrupt a run and resume it."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from toydata import in_shares, train  # noqa: F401

from siamkit.models.detectors import open_detector
from siamkit.sdk.detector_folder import read_card
from siamkit.sdk.media import load_image
from siamkit.train.events import LocaliserStep, Saved
from siamkit.train.folder import LAST
from siamkit.train.localise.augment import vary
from siamkit.train.localise.losses import losses
from siamkit.train.localise.network import Answers, Served
from siamkit.train.localise.run import LocaliserRun
from siamkit.train.localise.trainer import _open
from siamkit.train.processes import Processes
from siamkit.train.record import read_record

TINY = {
    "backbone": "test_efficientnet",
    "pretrained": "false",
    "size": 64,
    "views": 2,
    "width": 16,
    "batch": 8,
    "steps": 30,
    "evaluate_every": 15,
    "learning_rate": 0.01,
    "warmup": 2,
    "device": "cpu",
}
COLUMNS = ("image", "label", "left", "top", "right", "bottom")


def as_options(**settings):
    values = in_shares({key: str(value) for key, value in (TINY | settings).items()})
    return [part for key, value in values.items() for part in ("--set", f"{key}={value}")]


def write_pictures(folder, count=30):
    """Write pictures of a red square, a blue disc or nothing, and boxes.csv."""
    with (folder / "boxes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(count):
            rng = np.random.default_rng(number)
            noise = rng.integers(90, 160, (48, 64, 3)).astype(np.uint8)
            picture = Image.fromarray(noise)
            left, top = int(rng.integers(2, 30)), int(rng.integers(2, 20))
            box = (left, top, left + 24, top + 22)
            label = ("square", "disc", "")[number % 3]
            if label == "square":
                ImageDraw.Draw(picture).rectangle(box, fill=(230, 20, 20))
            elif label:
                ImageDraw.Draw(picture).ellipse(box, fill=(20, 20, 230))
            picture.save(folder / f"{number}.png")
            writer.writerow([f"{number}.png", label, *(box if label else ("",) * 4)])


def localise(train, *arguments, data="boxes.csv", out="run", **settings):  # noqa: F811
    fixed = ("train", data, "--localise", "-o", out)
    return train(*fixed, *as_options(**settings), *arguments)


def test_pictures_are_trained_exported_and_served(train):  # noqa: F811
    write_pictures(train.folder)
    completed = localise(train, "--json", "--licence", "CC0-1.0", "--name", "shapes")
    assert completed.code == 0, completed.err
    facts = json.loads(completed.out)
    assert (facts["name"], facts["steps"], facts["faults"]) == ("shapes", 30, [])
    assert facts["labels"] == ["disc", "square"]
    assert 0 <= facts["error"] <= 1
    steps = [
        event for event in read_record(train.folder / "run") if isinstance(event, LocaliserStep)
    ]
    assert np.mean([s.loss for s in steps[-8:]]) < 0.9 * np.mean([s.loss for s in steps[:8]])

    card = read_card(train.folder / "run" / "detector")
    assert (card.family, card.licence, card.fingerprint) == (
        "localiser",
        "CC0-1.0",
        facts["fingerprint"],
    )
    assert card.training["data"]["train"] == {"disc": 8, "square": 8, "nothing": 8}
    assert card.training["data"]["validation"] == {"disc": 2, "square": 2, "nothing": 2}

    detector = open_detector("run/detector").with_min_score(0.0)
    run = LocaliserRun.open("run")
    network = Served(_open(run, Processes()).model.whole).eval()
    for number in (0, 1):
        medium = load_image(train.folder / f"{number}.png")
        (region,) = detector.find(medium)
        row = run.prepared.dataset.sources.index(str(train.folder / f"{number}.png"))
        pixels = torch.from_numpy(np.array(run.prepared.dataset.arrays[row : row + 1]))
        with torch.inference_mode():
            y = network(network.network.normalise(pixels))[0].numpy()
        sides = np.array([64, 48, 64, 48])
        box = np.array([y[1] - y[4] / 2, y[2] - y[3] / 2, y[1] + y[4] / 2, y[2] + y[3] / 2])
        assert np.allclose(region.where, (box * sides).clip(0, sides), atol=0.5)  # pixels rounded
        assert region.score == pytest.approx(y[0] * y[5:].max(), abs=0.02)
        assert region.label == ("square", "disc")[int(y[5] > y[6])]

    assert train("train", "plot", "run").out == "run/plot.png\n"
    assert (train.folder / "run" / "plot.png").stat().st_size > 10_000
    assert train("train", "export", "run").code == 0


def test_an_interrupted_run_resumes_exactly(train):  # noqa: F811
    """All of the network learns; the run is cut off after its first checkpoint."""
    write_pictures(train.folder, 12)
    settings = {"frozen": "false", "steps": 4, "evaluate_every": 2}
    assert localise(train, out="whole", **settings).code == 0

    completed = localise(train, "--json", out="cut", **(settings | {"steps": 4}))
    assert completed.code == 0
    (train.folder / "cut" / LAST).unlink()  # as if it had been killed before the first checkpoint
    run = LocaliserRun.open("cut")
    for event in run.events():
        if isinstance(event, Saved):
            break
    completed = train("train", "-o", "cut", "--resume", "--json")
    assert completed.code == 0, completed.err
    fingerprints = [
        read_card(train.folder / out / "detector").fingerprint for out in ("whole", "cut")
    ]
    assert fingerprints[0] == fingerprints[1]


def test_bad_items_are_named_and_the_others_are_used(train):  # noqa: F811
    write_pictures(train.folder, 12)
    with (train.folder / "boxes.csv").open("a") as file:
        file.write("absent.png,square,1,1,5,5\n")
        file.write("0.png,disc,3,3,9,9\n")  # smaller than the square that is there
        file.write("3.png,disc,100,3,130,9\n")  # outside
        file.write("4.png,disc,9,3,5,\n")
        file.write("6.png,square,-4,3,40,40\n")
    completed = localise(train, "--json", steps=2)
    assert completed.code == 0, completed.err
    facts = json.loads(completed.out)
    assert len(facts["faults"]) == 3
    for text in ("absent.png cannot be read", "(100, 3, 130, 9) lies outside", "not complete"):
        assert any(text in fault for fault in facts["faults"]), text
        assert text in completed.err
    assert "3 of 13 examples are left out" in completed.err
    assert "2 of 10 pictures show several objects: the largest is learnt" in facts["notes"]
    assert any("1 boxes reach out" in note for note in facts["notes"])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--set", "steps=0"), "steps = 0"),
        (("--set", "margin=0.3"), "unknown key 'margin'"),
        (("--set", "backbone=nonsense"), "timm has no backbone 'nonsense'"),
        (("-m", "faces"), "--localise goes with none of -m"),
    ],
)
def test_a_run_that_cannot_begin_leaves_nothing(train, arguments, reason):  # noqa: F811
    write_pictures(train.folder, 3)
    completed = train("train", "boxes.csv", "--localise", "-o", "run", *arguments)
    assert completed.code == 2
    assert reason in completed.err
    assert not (train.folder / "run").exists()


def test_a_run_of_the_other_kind_is_not_resumed(train):  # noqa: F811
    write_pictures(train.folder, 12)
    assert localise(train, steps=1).code == 0
    completed = train("train", "boxes.csv", "-m", "tiles", "-o", "run")
    assert "a run was started there" in completed.err
    assert "--localise goes with" in train("train", "-o", "run", "--resume", "-m", "tiles").err


def test_views_keep_the_box_on_the_object():
    picture = np.full((64, 64, 3), 120, np.uint8)
    picture[20:40, 10:50] = (250, 10, 10)
    box = np.array([10, 20, 50, 40], np.float32) / 64
    for seed in range(40):
        pixels, moved = vary(picture, box, np.random.default_rng(seed))
        red = pixels[..., 0].astype(int) - pixels[..., 1] > 60
        rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
        shown = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        assert np.abs(shown - moved * 64).max() < 7  # turned: the bounds of the ellipse


def test_boxes_and_labels_count_only_where_something_is():
    answers = Answers(
        torch.zeros(2),
        torch.tensor([[0.1, 0.1, 0.9, 0.9], [0.0, 0.0, 0.1, 0.1]], requires_grad=True),
        torch.zeros((2, 3), requires_grad=True),
        torch.zeros((2, 4)),
        torch.tensor([0.1, 0.1, 0.9, 0.9]).expand(2, 4, 4),
        torch.tensor([[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]),
    )
    boxes = torch.tensor([[0.2, 0.2, 0.8, 0.8], [0.0, 0.0, 0.0, 0.0]])
    parts = losses(answers, torch.tensor([1, -1]), boxes)
    parts.total.backward()
    assert answers.boxes.grad[0].abs().sum() > 0
    assert answers.boxes.grad[1].abs().sum() == 0
    assert answers.labels.grad[1].abs().sum() == 0
    assert parts.label.item() == pytest.approx(np.log(3))
    assert losses(answers, torch.tensor([-1, -1]), boxes).box.item() == 0
