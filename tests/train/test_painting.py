"""Paint by gradient descent: losses fall, a seed paints one picture, a killed run goes on."""

from __future__ import annotations

import itertools
import json
import os

import numpy as np
import pytest
import torch
from PIL import Image

import siamkit as sk
from siamkit.sdk.graph_writer import TYPES, GraphWriter, Port
from siamkit.sdk.model_folder import Card, projection, write_folder
from siamkit.sdk.picture_recipe import TRAINED
from siamkit.train.pictures import losses as losses_module
from siamkit.train.pictures import paint
from siamkit.train.pictures.events import PaintingSaved, PaintingStep

SIDE = 48


@pytest.fixture
def encoder(tmp_path):
    """A folder with three convolutions of random weights."""
    rng = np.random.default_rng(0)
    graph = GraphWriter()
    planes = graph.node("Transpose", "pixels", perm=(0, 3, 1, 2))
    planes = graph.node("Div", graph.node("Cast", planes, to=TYPES["float32"]), np.float32(255))
    channels = 3
    for number in (1, 2, 3):
        weights = rng.normal(size=(8, channels, 3, 3), scale=0.3).astype(np.float32)
        planes = graph.node("Conv", planes, weights, strides=[1 + number % 2] * 2, pads=[1] * 4)
        planes, channels = graph.node("Relu", planes, output=f"conv{number}_1"), 8
    mean = graph.node("ReduceMean", planes, axes=(2, 3), keepdims=0)
    graph.node("LpNormalization", mean, output="vectors", axis=-1, p=2)
    ports = [Port("pixels", "uint8", ("n", 64, 64, 3))], [Port("vectors", "float32", ("n", 8))]
    folder = tmp_path / "small"
    folder.mkdir()
    card = Card("styles", "small", 8, TRAINED, "CC0-1.0", source="drawn")
    write_folder(folder, graph.model("small", *ports), card)
    return folder


@pytest.fixture
def pictures(tmp_path):
    """A content with a square, and a style with stripes."""
    content = np.full((SIDE, SIDE + 16, 3), 90, np.uint8)
    content[12:36, 16:40] = (200, 150, 40)
    style = np.zeros((SIDE, SIDE, 3), np.uint8)
    style[::4], style[1::4] = (250, 60, 30), (240, 200, 90)
    for name, array in (("content", content), ("style", style)):
        Image.fromarray(array).save(tmp_path / f"{name}.png")
    return tmp_path / "content.png", tmp_path / "style.png"


@pytest.fixture
def ws(tmp_path):
    with sk.Workspace(tmp_path / "store") as workspace:
        yield workspace


def losses(painting):
    return [event for event in painting.events() if isinstance(event, PaintingStep)]


@pytest.mark.parametrize("optimiser", ["adam", "lbfgs"])
def test_losses_fall_and_the_style_comes_nearer(ws, encoder, pictures, optimiser):
    settings = {"optimiser": optimiser, "init": "noise", "style_weight": 0.3}
    painting = ws.paint(*pictures, encoder=encoder, steps=60, **settings)
    steps = losses(painting)
    for name in ("loss", "content", "style"):
        values = [getattr(step, name) for step in steps]
        assert values[-1] < 0.5 * values[0], name
    windows = np.array([step.loss for step in steps]).reshape(6, 10).mean(1)
    assert (np.diff(windows) < 0).all()
    assert painting.painted.image.pixels.shape == (SIDE, SIDE + 16, 3)


def test_the_shipped_network_paints(ws):
    """Squares become waves: less than half as far from the style as they were."""
    squares = np.random.default_rng(0).integers(0, 256, (8, 8, 3))
    content = np.kron(squares, np.ones((8, 8, 1))).astype(np.uint8)
    y, x = np.mgrid[:64, :64]
    bends = 2 * np.sin(y / 7)
    angles = (0.3, 0.5, 0.9)  # of the three colours
    waves = [np.sin((x * np.cos(angle) + y * np.sin(angle)) / 3 + bends) for angle in angles]
    style = (128 + 100 * np.stack(waves, axis=-1)).astype(np.uint8)
    painted = ws.paint(content, style, steps=80).run()
    assert painted.encoder == "styles/moments"
    assert painted.style_distance < 0.5 * painted.distance_before


@pytest.mark.parametrize("optimiser", ["adam", "lbfgs"])
def test_a_killed_painting_goes_on_as_if_it_had_not_been(
    ws, encoder, pictures, optimiser, tmp_path
):
    settings = {"encoder": encoder, "steps": 14, "optimiser": optimiser, "init": "noise"}
    whole = ws.paint(*pictures, **settings).run()
    for event in ws.paint(*pictures, tmp_path / "out.png", **settings).events():
        if isinstance(event, PaintingSaved) and event.step == 10:
            break  # as a kill would, right after a checkpoint
    again = ws.paint(*pictures, tmp_path / "out.png", **settings)
    assert [step.step for step in losses(again)] == [11, 12, 13, 14]
    assert np.array_equal(again.painted.image.pixels, whole.image.pixels)
    assert not again.checkpoint.exists()
    other = ws.paint(*pictures, **(settings | {"seed": 1})).run()
    assert not np.array_equal(other.image.pixels, whole.image.pixels)


def test_a_checkpoint_of_other_settings_is_not_used(ws, encoder, pictures, tmp_path, caplog):
    first = ws.paint(*pictures, tmp_path / "out.png", encoder=encoder, steps=12)
    next(event for event in first.events() if isinstance(event, PaintingSaved))
    second = ws.paint(*pictures, tmp_path / "out.png", encoder=encoder, steps=12, style_weight=5)
    assert losses(second)[0].step == 1
    assert "it is of other pictures or settings" in caplog.text
    first.checkpoint.write_bytes(b"damaged")
    assert losses(ws.paint(*pictures, tmp_path / "out.png", encoder=encoder, steps=2))
    assert "it is damaged" in caplog.text


def test_losses_that_are_not_numbers_leave_the_last_good_picture(
    ws, encoder, pictures, tmp_path, monkeypatch
):
    whole = ws.paint(*pictures, encoder=encoder, steps=2).run()
    painting = ws.paint(*pictures, tmp_path / "out.png", encoder=encoder, steps=9)
    events = painting.events()
    list(itertools.islice(events, 4))  # the start and three steps
    style_loss = losses_module.style_loss
    monkeypatch.setattr(losses_module, "style_loss", lambda *pair: style_loss(*pair) * torch.nan)
    with pytest.raises(
        sk.SiamkitError, match=r"not numbers any more.*step 2,.*out\.png"
    ) as failure:
        list(events)
    assert "smaller weights" in failure.value.hint
    assert np.array_equal(painting.painted.image.pixels, whole.image.pixels)
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (SIDE + 16, SIDE)


def test_too_little_memory_proposes_a_smaller_size(ws, encoder, pictures, monkeypatch):
    def full(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")

    painting = ws.paint(*pictures, encoder=encoder, steps=2)
    monkeypatch.setattr(paint, "PictureObjective", full)
    with pytest.raises(sk.BadInput, match="GB of memory") as failure:
        painting.run()
    assert "`--size 32`" in failure.value.hint
    monkeypatch.setattr("siamkit.train.pictures.memory.SHARE", 1e-9)
    with pytest.raises(sk.BadInput, match="GB of memory"):  # before the work begins
        ws.paint(*pictures, encoder=encoder)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"style_layers": ("relu9_9",)}, "no layer 'relu9_9'"),
        ({"steps": 0}, "steps is 0"),
        ({"style_weight": float("nan")}, "style_weight is nan"),
        ({"content_weight": 0, "style_weight": 0}, "nothing to paint"),
        ({"colour": 1}, "no setting 'colour'"),
        ({"size": 20}, "too few to paint"),
    ],
)
def test_settings_that_cannot_be_met(ws, encoder, pictures, settings, message):
    with pytest.raises(sk.BadInput, match=message):
        ws.paint(*pictures, encoder=encoder, **settings).run()


def test_a_size_that_is_named_is_that_of_the_picture(ws, encoder, pictures):
    settings = {"encoder": encoder, "steps": 1}
    assert ws.paint(*pictures, size=96, **settings).run().width == 96
    assert ws.paint(*pictures, **settings).run().width == SIDE + 16


def test_an_encoder_without_layers_says_so(ws, pictures, tmp_path):
    folder = tmp_path / "flat"
    folder.mkdir()
    graph = projection(np.eye(64 * 64 * 3, 8), np.uint8)
    write_folder(folder, graph, Card("styles", "flat", 8, TRAINED, "CC0-1.0", source="drawn"))
    with pytest.raises(sk.BadInput, match="styles/flat has no layers"):
        ws.paint(*pictures, encoder=folder)
    with pytest.raises(sk.MissingWeights, match="vgg19 has not been added"):
        ws.paint(*pictures, encoder="vgg19")


def test_the_command_says_what_it_does(shell, encoder, pictures):
    content, style = map(str, pictures)
    command = ("style", content, "--like", style, "-o", "out.png", "--encoder", str(encoder))
    done = shell(*command, "--optimise", "--steps", "12", "--frames", "frames")
    assert done.code == 0, done.err
    assert "painting by styles/small, content in conv3_1" in done.err
    assert "style distance" in done.out
    names = ["step-00000.png", "step-00010.png", "step-00012.png"]
    assert sorted(path.name for path in (shell.folder / "frames").iterdir()) == names
    last = (shell.folder / "frames" / names[-1]).read_bytes()
    assert last == (shell.folder / "out.png").read_bytes()
    for given, message in (
        (("--steps", "5"), "--encoder goes with --optimise"),
        (("--optimise", "--strength", "0.5"), "use --style-weight"),
        (("--optimise", content), "one picture at a time"),
    ):
        refused = shell(*command, *given)
        assert (refused.code, message in refused.err) == (2, True), refused.err


def test_a_content_that_has_the_style_already_is_not_changed(shell, encoder, pictures):
    style = str(pictures[1])
    command = ("style", style, "--like", style, "-o", "out.png", "--encoder", str(encoder))
    done = shell(*command, "--optimise", "--steps", "12")
    assert done.code == 0, done.err
    assert "has this style already: nothing is changed" in done.err
    assert "style distance 0.00, 0.00 before; content loss 0.00" in done.out
    same = [np.asarray(Image.open(path)) for path in (style, shell.folder / "out.png")]
    np.testing.assert_array_equal(*same)


def test_names_that_are_not_utf8_are_shown_alike(shell, encoder, pictures):
    name = os.fsdecode(b"nu-\xff.png")
    try:
        (shell.folder / name).write_bytes(pictures[0].read_bytes())
    except OSError:
        pytest.skip("the disk takes no such name")
    command = ("style", name, "--like", str(pictures[1]), "--encoder", str(encoder))
    done = shell(*command, "--optimise", "--steps", "1", "-o", f"out-{name}", "--json")
    facts = json.loads(done.out)
    assert (facts["source"], facts["output"]) == (r"nu-\xff.png", r"out-nu-\xff.png")


def test_the_loss_of_a_blank_content_tells_nothing(shell, encoder, pictures):
    Image.new("RGB", (SIDE, SIDE), "white").save(shell.folder / "blank.png")
    command = ("style", "blank.png", "--like", str(pictures[1]), "-o", "out.png")
    done = shell(*command, "--encoder", str(encoder), "--optimise", "--steps", "2")
    assert done.code == 0, done.err
    assert "the content loss tells nothing here" in done.err


def test_layers_are_reconstructed(shell, encoder, pictures):
    content, style = map(str, pictures)
    command = ("style", content, "--reconstruct", "--like", style, "--encoder", str(encoder))
    command += ("--steps", "15", "--json")
    done = shell(*command, "-o", "figure")
    assert done.code == 0, done.err
    shown = json.loads(done.out)["reconstructions"]
    assert [(item["kind"], item["layers"][-1]) for item in shown] == [
        *(("style", "conv2_1"), ("style", "conv3_1")),
        *(("content", "conv2_1"), ("content", "conv3_1")),
    ]
    assert shown[2]["loss"] < 0.9
    folder = shell.folder / "figure"
    assert {"sheet.png", "style-conv3_1.png"} <= {path.name for path in folder.iterdir()}
    before = (folder / "sheet.png").read_bytes()
    (folder / "content-conv2_1.png").unlink()  # as if interrupted before it
    assert shell(*command, "-o", "figure").code == 0
    assert (folder / "sheet.png").read_bytes() == before
    assert "name a folder" in shell(*command, "-o", "figure.png").err
