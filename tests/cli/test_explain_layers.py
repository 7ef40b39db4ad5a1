"""`siamkit explain --layers`: what channels respond to, and what tokens get attention."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import siamkit as sk
from siamkit.flows.layer_attention import _Attention, _weights
from siamkit.flows.layer_places import StrongestPlaces, pick_channels, pick_layers, split_networks
from siamkit.reports.layers import layers_page
from siamkit.sdk.graph_writer import RUNTIME, GraphWriter, Port
from siamkit.sdk.layers import Layer
from siamkit.sdk.onnx import encoder_session
from siamkit.sdk.tensor_layouts import Axis

DOTS = ((30, 40), (70, 55), (50, 80))  # column, row of a bright dot in each picture of the set
FACES = ("explain", "--layers", "-m", "faces", "--detector", "none")
TEXTS = ("explain", "--layers", "-m", "questions")


@pytest.fixture
def dotted(shell):
    """Grey pictures of a face chip's size, each with a bright dot; a file that is no picture."""
    (shell.folder / "set").mkdir()
    for number, (column, row) in enumerate(DOTS):
        pixels = np.full((112, 112, 3), 90, np.uint8)
        pixels[row : row + 3, column : column + 3] = 250
        Image.fromarray(pixels).save(shell.folder / "set" / f"<b>{number}.png")
    (shell.folder / "set" / "bad.png").write_text("no picture")
    return shell


def test_the_strongest_places_of_early_channels_hold_what_stands_out(dotted):
    chosen = ("--layer", "1", "--layer", "conv_4_relu", "-k", "3")
    done = dotted(*FACES, "set/<b>0.png", "--from", "set", *chosen, "--json", "-o", "out.html")
    assert done.code == 0, done.err
    assert "bad.png: not a picture" in done.err
    facts = json.loads(done.out)
    assert (facts["samples"], len(facts["errors"]), len(facts["layers"])) == (3, 1, 27)
    assert [view["layer"] for view in facts["shown"]] == ["conv_1_relu", "conv_4_relu"]
    for view in facts["shown"]:
        for channel in view["channels"]:
            assert len(channel["places"]) == len({p["source"] for p in channel["places"]}) == 3
            for place in channel["places"]:
                column, row = DOTS[int(place["source"][-5])]
                left, top, right, bottom = place["box"]
                assert right - left == view["sees"][0]
                assert left <= column + 3
                assert column <= right
                assert top <= row + 3
                assert row <= bottom
    page = (dotted.folder / "out.html").read_text()
    assert "&lt;b&gt;0.png" in page
    assert "<b>0" not in page
    assert "<script" not in page
    assert page.count("class=where") == 2 * 4 * 3


def test_chosen_channels_and_a_gallery_of_samples(dotted):
    for number in range(len(DOTS)):
        options = ("--as", f"dot {number}", "--detector", "none", "--any-quality")
        enrolled = dotted("enrol", "faces", f"set/<b>{number}.png", *options)
        assert enrolled.code == 0, enrolled.err
    done = dotted("explain", "--layers", "faces", "--channels", "5,2", "--layer", "conv_2_relu")
    assert done.code == 0, done.err
    first, second, _, _, row, *_ = done.out.splitlines()
    assert first == "27 layers, 1 shown: their places see 5 × 5 px early, 5 × 5 px late"
    assert second == "3 pictures"
    assert row.split()[0] == "conv_2_relu"
    assert "5 (" in row


@pytest.mark.parametrize("modality", ["signatures", "voices"])
def test_one_example_through_the_layers(shell, modality):
    from siamkit.embed.pipeline import open_pipeline
    from siamkit.flows.layers import LayerChoice, show_layers

    pipeline = open_pipeline(modality, encoder=None, detector=None)
    source = pipeline.modality.examples()[0][1]
    shown = show_layers(pipeline, [], source, LayerChoice(("1", "11")))
    assert [view.layer.input for view in shown.views] == [shown.layers[0].input] * 2
    early, late = shown.views
    assert early.sees[0] < late.sees[0] <= shown.picture.shape[1]
    for view in shown.views:
        assert view.channels
        for channel in view.channels:
            assert channel.response.shape == view.energy.shape
            assert channel.response.max() > channel.response.min()


def test_blank_pictures_are_said_to_make_no_channel_stand_out(shell):
    (shell.folder / "set").mkdir()
    Image.new("RGB", (112, 112), "grey").save(shell.folder / "set" / "blank.png")
    blank = ("explain", "--layers", "-m", "images", "--layer", "1")
    done = shell(*blank, "set/blank.png", "-o", "out.html")
    assert done.code == 0, done.err
    assert "channels that stand out" in done.out
    assert "none: each responds alike to every place" in done.out
    assert "No channel stands out" in (shell.folder / "out.html").read_text()
    chosen = (*blank, "--from", "set", "--channels", "2")
    done = shell(*chosen)
    assert "channels chosen" in done.out
    assert "2 (all places alike)" in done.out
    (view,) = json.loads(shell(*chosen, "--json").out, parse_constant=pytest.fail)["shown"]
    assert view["channels"][0]["stands_out"] is None


def test_a_drawn_picture_that_stayed_grey_is_named(shell):
    array = np.random.default_rng(0).integers(0, 255, (112, 112, 3), np.uint8)
    choice = sk.LayerChoice(("1",), (2, 3))
    shown = sk.Workspace(shell.folder / "store").layers("images", array, choice=choice)
    (view,) = shown.views
    drawn = [np.full((8, 8, 3), 128, np.uint8), array]
    pairs = zip(view.channels, drawn, strict=True)
    channels = tuple(replace(channel, maximum=maximum) for channel, maximum in pairs)
    page = layers_page(replace(shown, views=(replace(view, channels=channels),)))
    assert (page.count("<small>stayed grey"), page.count("<small>drawn to maximise")) == (1, 1)


def test_layers_are_listed_without_files(shell):
    done = shell("explain", "--layers", "-m", "faces")
    assert done.code == 0, done.err
    assert done.out.startswith("27 layers: a place of the first sees 3 × 3 elements")
    assert len([line for line in done.out.splitlines() if line.startswith("conv_")]) == 26


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*FACES, "set/<b>0.png", "--layer", "conv_99"), "no layer 'conv_99'"),
        ((*FACES, "set/<b>0.png", "--layer", "1", "--channels", "32"), "from 0 to 31"),
        ((*FACES, "set/<b>0.png", "--channels", "a"), "give numbers from 0"),
        ((*FACES, "set/<b>0.png", "-o", "out.png"), "ends in .html"),
        ((*FACES, "set/<b>0.png", "set/<b>1.png"), "takes one FILE"),
        ((*FACES, "--from", "absent"), "absent"),
        ((*FACES, "-o", "out.html"), "needs something to show"),
        ((*TEXTS, "-o", "out.html"), "needs something to show: --text"),
        ((*FACES, "--layer", "1"), "nothing to show the layers"),
        ((*TEXTS, "--text", "a", "--layer", "1"), "no layers or channels to choose"),
        ((*FACES, "set/<b>0.png", "--maximise"), "--maximise draws on the page"),
        (("explain", "-m", "faces", "--layer", "1", "a.png", "b.png"), "--layer needs --layers"),
        (("explain", "--layers", "--from", "set"), "Give -m MODALITY"),
    ],
)
def test_what_cannot_be_shown_is_refused(dotted, arguments, message):
    done = dotted(*arguments)
    assert done.code == 2, done.err
    assert message in done.err
    assert not (dotted.folder / "out.html").exists()


def test_no_page_is_saved_of_an_empty_gallery(shell):
    assert shell("galleries", "create", "nobody", "-m", "faces").code == 0
    done = shell("explain", "--layers", "nobody", "-o", "out.html")
    assert done.code == 2
    assert "nobody holds no samples" in done.err
    assert not (shell.folder / "out.html").exists()


def test_an_encoder_without_layers_is_named(shell):
    done = shell("explain", "--layers", "-m", "letters", "--text", "hello")
    assert done.code == 1
    assert "does not show its layers" in done.err


def test_attention_of_a_text(shell):
    arguments = ("--text", "Reset my <password>", "--json", "-o", "out.html")
    done = shell("explain", "--layers", "-m", "questions", *arguments)
    assert done.code == 0, done.err
    (text,) = json.loads(done.out)["texts"]
    assert text["tokens"] == ["[CLS]", "reset", "my", "<", "password", ">", "[SEP]"]
    assert np.shape(text["shares"]) == (6, 7)
    np.testing.assert_allclose(np.sum(text["shares"], axis=1), 1, atol=1e-3)
    page = (shell.folder / "out.html").read_text()
    assert "&lt;password&gt;" in page
    assert "<password>" not in page


def test_without_texts_the_layers_of_attention_are_counted(shell):
    done = shell(*TEXTS)
    assert done.out.splitlines()[0] == "6 layers of attention"
    assert "--text" in done.out
    assert "-o" not in done.out


def test_a_set_of_texts_is_cut_with_a_warning(shell):
    texts = [part for number in range(21) for part in ("--text", f"text {number}")]
    done = shell(*TEXTS, *texts, "--json")
    assert len(json.loads(done.out)["texts"]) == 20
    assert "the first 20 of 21 texts are shown" in done.err


def test_more_places_than_any_memory_holds(dotted):
    chosen = ("--layer", "1", "--channels", "3,3", "-k", "1000000000")
    done = dotted(*FACES, "--from", "set", *chosen, "--json")
    assert done.code == 0, done.err
    (view,) = json.loads(done.out)["shown"]
    assert [channel["channel"] for channel in view["channels"]] == [3]


def test_attention_is_what_the_fused_operator_weighs_values_with():
    writer, tokens, dim, heads = GraphWriter(), 5, 8, 2
    generator = np.random.default_rng(0)
    queries, keys, values = generator.normal(size=(3, 1, tokens, dim)).astype(np.float32)
    bias = generator.normal(size=3 * dim).astype(np.float32)
    writer.node(
        "MultiHeadAttention", "q", "k", "v", bias, domain=RUNTIME, num_heads=heads, output="y"
    )
    ports = [Port(name, "float32", (1, tokens, dim)) for name in "qkv"]
    graph = writer.model("attention", ports, [Port("y", "float32", (1, tokens, dim))])
    inputs = {"q": queries, "k": keys, "v": values}
    (expected,) = encoder_session(graph).run(None, inputs)
    weights = _weights([queries, keys, bias], _Attention(("q", "k", "b"), heads))
    halves = (values + bias[2 * dim :]).reshape(1, tokens, heads, -1).transpose(0, 2, 1, 3)
    own = (weights @ halves).transpose(0, 2, 1, 3).reshape(1, tokens, dim)
    np.testing.assert_allclose(own, expected, atol=1e-5)


def layer(name: str, stride: int, field: int = 3) -> Layer:
    axes = (Axis(2, stride, field, -1), Axis(3, stride, field, -1))
    return Layer(name, name, "x", "Conv", 3, axes, (2, 3), name)


def test_a_choice_takes_lists_and_numbers_and_refuses_other_types():
    choice = sk.LayerChoice([4, "layer 16"], np.array([12, 40]))
    assert choice == sk.LayerChoice(("4", "layer 16"), (12, 40))
    for wrong, message in [
        ({"layers": "4"}, "layers: expected a list of names or numbers, .*; got '4'"),
        ({"layers": (4.0,)}, "layers: expected"),
        ({"channels": 12}, "channels: expected a list of numbers from 0, .*; got 12"),
        ({"channels": "12"}, "channels: expected"),
        ({"places": 0}, "0 places"),
        ({"places": "6"}, "'6' places"),
    ]:
        with pytest.raises(sk.BadInput, match=message):
            sk.LayerChoice(**wrong)


def test_layers_are_picked_from_early_to_late():
    layers = [layer(f"layer {n}", stride) for n, stride in enumerate([1, 1, 2, 2, 2, 2, 4, 4], 1)]
    assert [each.name for each in pick_layers(layers, 3)] == ["layer 2", "layer 6", "layer 8"]
    assert [each.name for each in pick_layers(layers, 4)] == [f"layer {n}" for n in (2, 4, 6, 8)]
    assert pick_layers(layers[:1], 6) == layers[:1]


def test_layers_of_both_networks_of_an_encoder_are_picked():
    sizes = [(2, 3), (4, 11), (8, 35), (4, 19), (8, 43)]  # the fourth is of a branch, not a start
    layers = [layer(f"layer {n}", *size) for n, size in enumerate(2 * sizes, 1)]
    assert split_networks(layers) == [layers[:5], layers[5:]]
    names = [each.name for each in pick_layers(layers, 4)]
    assert names == ["layer 1", "layer 5", "layer 6", "layer 10"]
    assert len(pick_layers(layers, 3)) == 3


def test_places_are_those_of_brute_force():
    generator = np.random.default_rng(2)
    maps = generator.normal(size=(20, 3, 6, 5)).astype(np.float32)
    maps[:, 2] = 1.0  # a dead channel
    strongest = StrongestPlaces(layer("layer 1", 1), 4)
    for number, picture in enumerate(maps):
        strongest.add(number, picture, (slice(1, 5), slice(0, 5)))
    inner = maps[:, :, 1:5]
    for channel in (0, 1):
        best = inner[:, channel].max(axis=(1, 2))
        order = np.argsort(-best)[:4]
        ranked = strongest.ranked(channel)
        assert [strong.picture for strong in ranked] == order.tolist()
        for strong in ranked:
            row, column = divmod(strong.place, 5)
            assert maps[strong.picture, channel, row, column] == pytest.approx(strong.value)
        expected = (best[order].mean() - inner[:, channel].mean()) / inner[:, channel].std()
        assert strongest.selectivity[channel] == pytest.approx(expected, rel=1e-5)
    assert strongest.selectivity[2] == -np.inf
    assert set(pick_channels(strongest.selectivity, 4, strongest.pictures)) == {0, 1}
