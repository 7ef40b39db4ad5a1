"""Whole pictures: the packaged network, and anybody's timm model, against timm itself."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pil

from siamkit import DecisionRule, Image, Region
from siamkit.errors import (
    BadInput,
    LowQuality,
    MissingPackage,
    MissingWeights,
    NothingFound,
    PluginError,
    UnreadableSample,
)
from siamkit.models import added
from siamkit.models import names as encoder_names
from siamkit.sdk.model_folder import CARD, read_card
from siamkit.sdk.picture_recipe import Recipe, prepare, read_recipe
from siamkit_images import Images

CONFIGS = {
    "center": {},
    "border": {"crop_mode": "border", "crop_pct": 0.9, "mean": (0.485, 0.456, 0.406)},
    "squash": {"crop_mode": "squash", "interpolation": "lanczos"},
    "wide": {"input_size": (3, 96, 160)},
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Folders of one small network of timm with random weights, with several configurations."""
    import timm
    import torch

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("timm")
    for name, config in CONFIGS.items():
        model = timm.create_model("test_efficientnet", pretrained_cfg_overlay=config)
        timm.models.save_for_hf(model, folder / name, model_config={"pretrained_cfg": config})
    return folder


@pytest.fixture(scope="module")
def packaged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    Images().build("efficientnet-lite0", folder)
    return folder


@pytest.fixture(scope="module")
def detail(tmp_path_factory):
    folder = tmp_path_factory.mktemp("detail")
    Images().build("detail", folder)
    return folder


@pytest.fixture(scope="module")
def fused(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fused")
    Images().build("fused", folder)
    return folder


def photographs():
    data = Path(pil.__file__).parents[1]
    return [
        Image(np.asarray(pil.open(path).convert("RGB")))
        for path in (
            data / "skimage" / "data" / "astronaut.png",
            data / "matplotlib" / "mpl-data" / "sample_data" / "grace_hopper.jpg",
            data / "skimage" / "data" / "coffee.png",
        )
    ]


def test_the_packaged_network_ranks_similar_pictures_first(packaged):
    encoder = Images().encoder(packaged)
    assert encoder.dim == 1280
    assert encoder.card.licence == "Apache-2.0"
    astronaut, hopper, coffee = photographs()
    smaller = Image(np.asarray(pil.fromarray(coffee.pixels).resize((300, 200)))[10:-10, 20:-5])
    rows = encoder.embed([astronaut, hopper, coffee, smaller])
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)
    cosines = rows @ rows.T
    assert cosines[2, 3] > 0.8
    assert cosines[2, 3] > cosines[0, 1] > cosines[0, 2]


@pytest.mark.parametrize("name", ["packaged", "detail", "fused"])
def test_its_examples_are_distinguished(name, request):
    modality = Images()
    names, sources = zip(*modality.examples(), strict=True)
    encoder = modality.encoder(request.getfixturevalue(name))
    rows = encoder.embed([modality.load(source) for source in sources])
    cosines = rows @ rows.T
    same = np.array(names)[:, None] == np.array(names)
    np.fill_diagonal(cosines, np.nan)
    assert np.nanmin(cosines[same]) > np.nanmax(cosines[~same])


def test_the_encoder_of_crops_sees_their_ends(packaged, detail):
    """A wide crop is stretched to the square: what stands at its ends changes the vector."""
    rng = np.random.default_rng(0)
    wide = rng.integers(0, 256, (60, 360, 3), dtype=np.uint8)
    other = wide.copy()
    other[:, :120], other[:, -120:] = 255, 0
    pictures = [Image(wide), Image(other)]
    encoder = Images().encoder(detail)
    rows = encoder.embed(pictures)
    assert encoder.dim == 2560
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)
    central = Images().encoder(packaged).embed(pictures)
    assert rows[0] @ rows[1] < 0.8 < central[0] @ central[1]


@pytest.mark.parametrize("name", CONFIGS)
def test_a_model_of_timm_is_served_as_timm_does(saved, tmp_path, name):
    import timm
    import torch

    Images().add("timm", str(saved / name), tmp_path)
    encoder = Images().encoder(tmp_path)
    model = timm.create_model(f"local-dir:{saved / name}", pretrained=True, num_classes=0).eval()
    config = timm.data.resolve_model_data_config(model)
    transform = timm.data.create_transform(**config, is_training=False)
    pictures = photographs()
    with torch.inference_mode():
        ready = torch.stack([transform(pil.fromarray(picture.pixels)) for picture in pictures])
        wanted = torch.nn.functional.normalize(model(ready), dim=1).numpy()
    assert (encoder.embed(pictures) * wanted).sum(axis=1).min() >= 0.9995
    card = read_card(tmp_path)
    assert card.licence == "apache-2.0, says its config.json"
    assert card.source.startswith(f"timm:{saved / name}, SHA-256 ")
    assert tuple(card.preprocessing["size"]) == config["input_size"][1:]
    assert card.preprocessing["mean"] == list(config["mean"])
    assert card.preprocessing["interpolation"] == config["interpolation"]
    assert card.threshold is None


@pytest.mark.parametrize("shape", [(1, 1), (7, 900), (900, 9), (33, 57), (160, 160), (2000, 1100)])
@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("size", [(160, 160), (96, 160)])
def test_pictures_of_any_shape_are_scaled_as_by_timm(shape, mode, size):
    from timm.data import create_transform

    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    smooth = [128 + 100 * np.sin(rows / a + columns / b) for a, b in ((9, 14), (31, -8), (50, 70))]
    pixels = np.stack(smooth, axis=-1).astype(np.uint8)
    recipe = Recipe(size, 0.875, mode, "bicubic", (124, 116, 104))
    transform = create_transform(
        (3, *size), crop_pct=0.875, crop_mode=mode, interpolation="bicubic", is_training=False,
        mean=(0.485, 0.456, 0.406), std=(1, 1, 1), normalize=False,
    )  # fmt: skip
    wanted = transform(pil.fromarray(pixels)).permute(1, 2, 0).numpy()
    found = prepare(pixels, recipe)
    assert found.shape == (*size, 3)
    assert np.abs(found.astype(int) - wanted).mean() <= 1


def test_a_thin_picture_does_not_fill_the_memory():
    recipe = Recipe((224, 224), 0.875, "center", "bicubic", (0, 0, 0))
    pixels = np.full((1, 500_000, 3), 200, np.uint8)
    assert (prepare(pixels, recipe) == 200).all()


def test_a_box_is_cut_out():
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    modality = Images()
    assert (modality.crop(Image(pixels), Region((1, 1, 4, 3))).pixels == pixels[1:3, 1:4]).all()
    assert modality.crop(Image(pixels), Region()).pixels is pixels
    assert modality.crop(Image(pixels), Region((-2, -2, 99, 99))).pixels.shape == pixels.shape
    with pytest.raises(NothingFound, match="outside"):
        modality.crop(Image(pixels), Region((10, 10, 20, 20)))
    with pytest.raises(UnreadableSample, match="not text"):
        modality.load("a cat")


def test_unknown_timm_models_raise_with_suggestions(tmp_path):
    for model, words, hint in (
        ("resnet8", "timm has no model 'resnet8'", "resnet18"),
        ("resnet18.nope", "timm has no weights 'resnet18.nope'", "resnet18.a1_in1k"),
        ("xyzzy-17", "timm has no model", "list_models"),
        (str(tmp_path), "no config.json", "save_for_hf"),
    ):
        with pytest.raises(BadInput, match=words) as raised:
            Images().add("timm", model, tmp_path)
        assert hint in raised.value.hint
    with pytest.raises(MissingWeights, match="no encoder of their own"):
        Images().encoder()


def test_without_a_network_the_default_is_named(tmp_path, monkeypatch):
    from huggingface_hub import HfApi, constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MissingWeights, match="HF_HUB_OFFLINE forbids") as raised:
        Images().add("timm", "test_resnet", tmp_path)
    assert "efficientnet-lite0" in raised.value.hint
    asked = []

    def unreachable(self, name, **options):
        asked.append(name)
        raise ConnectionError("Name or service not known\n" * 3)

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(HfApi, "model_info", unreachable)
    for model in ("test_resnet", "somebody/something"):
        with pytest.raises(MissingWeights, match="the hub cannot be reached") as raised:
            Images().add("timm", model, tmp_path)
        assert "\n" not in str(raised.value)
        assert "efficientnet-lite0" in raised.value.hint
    assert asked == ["timm/test_resnet.r160_in1k", "somebody/something"]


def test_without_torch_the_packages_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingPackage, match="needs the package torch, which") as raised:
        Images().add("timm", "resnet18", tmp_path)
    assert 'pip install "siamkit[train]"' in raised.value.hint


def test_a_network_too_large_to_be_written_is_refused(saved, tmp_path, monkeypatch):
    monkeypatch.setattr("siamkit.sdk.torch_export.MAX_WEIGHTS", 100_000)
    with pytest.raises(BadInput, match="is too large"):
        Images().add("timm", str(saved / "center"), tmp_path)


def test_an_export_that_went_wrong_is_noticed(saved, tmp_path, monkeypatch):
    from siamkit_images import export

    class WrongEncoder:
        def __init__(self, folder, prepare):
            pass

        def embed(self, pictures):
            return np.eye(4, 256)

    monkeypatch.setattr(export, "OnnxEncoder", WrongEncoder)
    with pytest.raises(PluginError, match="different vectors from timm: cosine"):
        Images().add("timm", str(saved / "center"), tmp_path)


def test_a_card_that_is_not_understood_is_refused(saved, tmp_path):
    Images().add("timm", str(saved / "center"), tmp_path)
    card = json.loads((tmp_path / CARD).read_text())
    card["preprocessing"]["mode"] = "spiral"
    (tmp_path / CARD).write_text(json.dumps(card))
    with pytest.raises(MissingWeights, match="spiral"):
        Images().encoder(tmp_path)


def test_variants_for_training_are_of_one_shape_and_repeat():
    modality = Images()
    array = modality.array(modality.load(modality.examples()[0][1]))
    assert (array.shape, array.dtype) == ((224, 224, 3), np.uint8)
    before = array.copy()

    def variant(own, shared):
        return modality.augment(array, np.random.default_rng(own), np.random.default_rng(shared))

    for seed in range(20):
        made = variant(seed, seed)
        assert (made.shape, made.dtype) == (array.shape, np.uint8)
        assert (variant(seed, seed) == made).all()
    assert (array == before).all()
    assert (variant(1, 0) != variant(2, 0)).any()
    mirrored = {(variant(3, seed) == variant(3, 0)[:, ::-1]).all() for seed in range(20)}
    assert mirrored == {False, True}


def test_a_network_that_was_trained_here_is_opened(saved, tmp_path):
    """Such a card has the constants of `preprocessing` alone."""
    from siamkit.sdk.model_folder import read_folder, write_folder

    Images().add("timm", str(saved / "center"), tmp_path)
    card, graph = read_folder(tmp_path)
    write_folder(tmp_path, graph, replace(card, preprocessing=Images().preprocessing()))
    recipe = read_recipe(Images().preprocessing())
    assert recipe.size == (224, 224)
    assert Images().encoder(tmp_path).dim == card.dim


def test_a_gallery_of_products_takes_no_code(saved, shell):
    shell.environment["SIAMKIT_CACHE"] = str(shell.folder / "cache")
    for number, picture in enumerate(photographs()):
        pil.fromarray(picture.pixels).save(shell.folder / f"{number}.png")
        half = pil.fromarray(picture.pixels).reduce(2)
        half.save(shell.folder / f"{number}-small.jpg")
    model = f"timm:{saved / 'center'}"
    done = shell("encoders", "add", "products", model, "--kind", "image", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["licence"] == "apache-2.0, says its config.json"
    done = shell("init", "catalogue", "--encoder", model, "--json")
    assert done.code == 0, done.err
    made = json.loads(done.out)
    assert (made["modality"], made["encoder"]) == ("images", "center")
    assert shell("init", "shop", "--encoder", "products").code == 0
    for number in range(3):
        assert shell("enrol", "catalogue", f"{number}.png", "--as", f"no {number}").code == 0
    for number in range(3):
        done = shell("query", "catalogue", f"{number}-small.jpg", "-k", "1", "--json")
        (region,) = json.loads(done.out)["probes"][0]["regions"]
        assert region["matches"][0]["identity"] == f"no {number}"
        assert shell("classify", "catalogue", f"{number}-small.jpg").out.startswith(
            f"no {number} ("
        )
    script = (
        "import sys\nfrom siamkit.cli import run\nrun(sys.argv[1:])\n"
        "print('torch' in sys.modules, 'timm' in sys.modules, 'sklearn' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "classify", "catalogue", "0.png", "--json"],
        cwd=shell.folder, env=shell.environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "False False False", done.stderr


@pytest.fixture
def adding(saved, shell):
    """A shell, and a folder of a model that may be changed."""
    shell.environment["SIAMKIT_CACHE"] = str(shell.folder / "cache")
    shutil.copytree(saved / "center", shell.folder / "mine")
    return shell


def test_a_folder_that_was_saved_again_is_another_model(adding, saved):
    model = adding.folder / "my own"  # with a space, which the hint has to quote
    (adding.folder / "mine").rename(model)
    assert adding("encoders", "add", "products", "timm:my own", "--kind", "image").code == 0
    shutil.rmtree(model)
    shutil.copytree(saved / "squash", model)
    told = adding("encoders", "add", "products", "timm:my own", "--kind", "image")
    assert told.code == 2
    assert "'products' already exists, made from an earlier content of its files" in told.err
    hint = re.search("`siamkit (.*)`, then --encoder another", told.err)
    assert adding(*shlex.split(hint[1])).code == 0
    assert adding("init", "shop", "--encoder", "another").code == 0


def test_the_second_of_two_that_add_one_name_is_refused(adding, saved):
    commands = [
        ("encoders", "add", "own", f"timm:{saved / name}", "--kind", "image")
        for name in ("center", "squash")
    ]
    process = adding.start(*commands[0])
    here = adding(*commands[1])
    said = [here.err, process.communicate(timeout=120)[1].decode()]
    assert sorted([here.code, process.returncode]) == [0, 2], said
    assert any("an encoder 'own' already exists" in line for line in said)


def test_an_existing_gallery_is_refused_before_an_export(adding):
    assert adding("init", "shop", "-m", "images").code == 0
    told = adding("init", "shop", "--encoder", "timm:mine")
    assert told.code == 1
    assert "gallery 'shop' already exists" in told.err
    rows = json.loads(adding("encoders", "list", "--json").out)
    assert "mine" not in {row["name"] for row in rows}


def test_an_encoder_folder_says_its_modality(adding):
    folder = adding("encoders", "path", "images").out.strip()
    shutil.copytree(adding.folder / folder, adding.folder / "copied")
    assert adding("init", "shop", "--encoder", "./copied").code == 0
    (made,) = json.loads(adding("galleries", "--json").out)
    assert made["modality"] == "images"


def test_names_that_cannot_be_had_come_with_a_way_out(adding, tmp_path):
    for arguments, words in (
        (("encoders", "add", "images", "timm:mine", "--name", ""), "'' cannot be"),
        (("encoders", "add", "images", "timm:mine", "--name", "a" * 65), "at most 64"),
        (("encoders", "add", "My_Own", "timm:mine", "--kind", "image"), "'My_Own' cannot be"),
        (("init", "g", "--encoder", "timm:efficientnet-lite0"), "of their own"),
        (("init", "g", "--encoder", "timm:./missing"), "there is no folder ./missing"),
        (("init", "g", "--encoder", "timm:~/missing"), "there is no folder ~/missing"),
        (("init", "g", "--encoder", "timm:runs/7/missing"), "there is no folder runs/7/missing"),
    ):
        told = adding(*arguments)
        assert told.code == 2, told.err
        assert words in told.err
    assert adding("encoders", "add", "images", "timm:mine").code == 0
    folder = adding.folder / "cache" / "encoders" / "images" / "mine"
    note = (folder / "built-by.txt").read_bytes()
    assert encoder_names.resolve(Images(), str(folder)) == folder
    assert (folder / "built-by.txt").read_bytes() == note
    (folder / "encoder.onnx").write_bytes(b"")
    told = adding("encoders", "build", "images", "mine")
    hint = re.search("`siamkit (.*)` adds it again", told.err)
    assert adding(*shlex.split(hint[1])).code == 0
    assert adding("init", "shop", "--encoder", "mine").code == 0
    shutil.rmtree(adding.folder / "cache")
    told = adding("query", "shop", "mine/config.json")
    assert told.code == 1
    assert "no encoder 'mine' for images" in told.err
    assert "`siamkit encoders add images ORIGIN:MODEL --name mine` makes one" in told.err


@pytest.mark.parametrize("built_by", [b"siamkit 0.0.9, code 0123456789ab", b"\xff\xfe"])
def test_no_model_is_named_if_the_cache_has_none(tmp_path, monkeypatch, shell, built_by):
    """Neither for an encoder that an older plugin has built, nor with a damaged record."""
    shell.environment["SIAMKIT_CACHE"] = str(tmp_path)
    folder = tmp_path / "encoders" / "images" / "old"
    folder.mkdir(parents=True)
    (folder / "built-by.txt").write_bytes(built_by)
    told = shell("encoders", "build", "images", "old")
    assert told.code == 1, told.err
    assert "`siamkit encoders add images ORIGIN:MODEL --name old` adds it again" in told.err
    monkeypatch.setenv("SIAMKIT_CACHE", str(tmp_path))
    with pytest.raises(MissingWeights, match="no encoder"):
        encoder_names.resolve(Images(), "a\0b")


def test_a_network_that_gives_no_vectors_is_refused(adding):
    import timm
    import torch

    model = timm.create_model("test_efficientnet")
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.fill_(float("nan"))
    timm.models.save_for_hf(model, adding.folder / "broken")
    told = adding("encoders", "add", "images", "timm:broken")
    assert told.code == 2
    assert "broken returns vectors of zeros, NaN or Inf" in told.err


def test_what_a_killed_export_leaves_is_swept(adding):
    left = adding.folder / "cache" / "encoders" / "images" / f".siamkit-{0:016x}"
    left.mkdir(parents=True)
    os.utime(left, (0, 0))
    assert adding("encoders", "add", "images", "timm:mine").code == 0
    assert not left.exists()


def test_an_export_survives_another_that_ends_beside_it(saved, tmp_path, monkeypatch):
    monkeypatch.setenv("SIAMKIT_CACHE", str(tmp_path))
    beside = tmp_path / "encoders" / "images" / ".other-abc"
    beside.mkdir(parents=True)
    listed = Path.glob

    def ending(self, pattern):
        found = list(listed(self, pattern))
        shutil.rmtree(beside, ignore_errors=True)
        return found

    monkeypatch.setattr(Path, "glob", ending)
    assert added.add_encoder(Images(), f"timm:{saved / 'center'}", "own").is_dir()


def test_an_export_that_fails_prints_nothing_on_standard_output(tmp_path, monkeypatch, capfd):
    import torch

    from siamkit_images import export

    class Odd(torch.nn.Module):
        """A network that ONNX has no operator for."""

        pretrained_cfg = {"input_size": (3, 8, 8), "mean": (0, 0, 0), "std": (1, 1, 1)}  # noqa: RUF012

        def forward(self, x):
            return torch.fft.fft(x.flatten(1)).real

    monkeypatch.setattr(export, "open_model", lambda model, offline_default: Odd().eval())
    with pytest.raises(BadInput, match="cannot be exported to ONNX") as raised:
        Images().add("timm", "odd", tmp_path)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr().out == ""


def test_a_picture_of_one_colour_is_compared_with_nothing(packaged, workspace, tmp_path):
    for name, colour in {"white": "white", "black": "black"}.items():
        pil.new("RGB", (300, 200), colour).save(tmp_path / f"{name}.png")
    white, black = tmp_path / "white.png", tmp_path / "black.png"
    rule = DecisionRule(threshold=0.9)
    verdict = workspace.verify(workspace.pipeline("images"), white, black, rule=rule).verdict
    assert verdict.score > 0.9
    assert (verdict.decision, verdict.objection.reason) == (
        "inconclusive",
        "the picture has a single colour",
    )
    with pytest.raises(LowQuality, match="single colour"):
        workspace.enrol("images", "wall", white)
    deduped = workspace.dedupe([white, black], modality="images", rule=rule)
    assert (len(deduped.left_out), deduped.groups) == (2, 0)


def test_what_is_outside_a_mask_becomes_the_mean_colour():
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[:, 2:] = 200
    mask = np.zeros((4, 4), bool)
    mask[:, 2:] = True
    crop = Images().crop(Image(pixels), Region((1.0, 0.0, 5.0, 4.0), mask=mask)).pixels
    assert (crop[:, 2:] == 200).all()
    assert (crop[:, :2] == 150).all()
    assert (pixels[:, 1] == 0).all()


@pytest.mark.parametrize("name", ["packaged", "detail", "fused"])
def test_shipped_networks_are_those_of_timm(name, request):
    """Parts of the vectors, computed by torch from the same files of weights."""
    import timm
    import torch
    from safetensors.torch import load_file

    from siamkit.sdk.efficientnet_lite0 import lite0
    from siamkit_images.networks import LITE0, MOBILENET

    encoder = Images().encoder(request.getfixturevalue(name))
    pictures = photographs()
    arrays = [
        prepare(picture.pixels, read_recipe(encoder.card.preprocessing)) for picture in pictures
    ]
    pixels = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float()
    mobilenet = timm.create_model("mobilenetv2_100", num_classes=0)
    mobilenet.load_state_dict(mobilenet.state_dict() | load_file(MOBILENET.weights))
    parts, side = {}, pixels.shape[2]
    with torch.inference_mode():
        for network, facts in ((lite0().eval(), LITE0), (mobilenet.eval(), MOBILENET)):
            mean, deviation = (torch.tensor(f).view(3, 1, 1) for f in (facts.mean, facts.deviation))
            planes = (pixels - mean) / deviation
            features = network.blocks(network.bn1(network.conv_stem(planes)))
            reach = side // 32 - side // 64
            cells = torch.nn.functional.avg_pool2d(features, reach, stride=side // 64)
            parts[facts.weights.stem] = [cells.flatten(1), network(planes)]
    lite, mobile = parts["efficientnet_lite0"], parts["mobilenet_v2"]
    wanted = {
        "packaged": [lite[1]],
        "detail": [lite[0], mobile[0]],
        "fused": [lite[0], lite[1], mobile[0]],
    }[name]
    expected = torch.cat([torch.nn.functional.normalize(part) for part in wanted], dim=1).numpy()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert (encoder.embed(pictures) * expected).sum(axis=1).min() > 0.99999
