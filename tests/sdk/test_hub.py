"""Models that are fetched from a hub by name: once, and never again."""

from __future__ import annotations

import json
from functools import partial

import pytest
from console import Console
from hub import hub


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A small network of timm, as timm saves it."""
    import timm
    import torch

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("timm")
    model = timm.create_model("test_efficientnet")
    timm.models.save_for_hf(model, folder, model_config={"pretrained_cfg": {}})
    return folder


@pytest.fixture
def away(shell):
    """Starts commands that find their hub at an address, and nothing in their caches."""
    consoles = []

    def start(address):
        environment = shell.environment | {
            "SIAMKIT_CACHE": str(shell.folder / "cache"),
            "HF_HOME": str(shell.folder / "hub"),
            "HF_ENDPOINT": address,
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }
        environment.pop("HF_HUB_OFFLINE", None)
        consoles.append(Console(environment))
        return partial(run, consoles[-1], shell.folder)

    yield start
    for console in consoles:
        console.close()


def run(console, folder, *arguments):
    """Run a command; returns its exit code, its output and its errors."""
    out, err = folder / "out.txt", folder / "err.txt"
    for file in (out, err):
        file.unlink(missing_ok=True)
    code = console(folder, str(out), str(err), *arguments)
    return code, out.read_text(), err.read_text()


def test_a_network_of_the_hub_is_fetched_once(away, network):
    with hub({"somebody/small": network}) as (address, asked):
        siamkit = away(address)
        small = "timm:somebody/small"
        code, out, err = siamkit("encoders", "add", "products", small, "--kind", "image", "--json")
        assert code == 0, err
        assert json.loads(out)["weights"].startswith("timm:somebody/small, SHA-256 ")
        assert any(path.endswith("config.json") for path in asked)
        asked.clear()
        assert siamkit("init", "shop", "--encoder", "products")[0] == 0
        assert siamkit("encoders", "add", "images", small, "--name", "again")[0] == 0
        assert asked == []
        code, _, err = siamkit("encoders", "add", "images", "timm:somebody/nothing")
        assert code == 2
        assert "the hub has no model 'somebody/nothing'" in err
        assert len(err.splitlines()) == 2


def test_a_sentence_transformers_model_of_the_hub_is_fetched_once(away):
    from siamkit_questions.bert import FOLDER

    add = ("encoders", "add", "questions", "sentence-transformers:somebody/sentences")
    with hub({"somebody/sentences": FOLDER}) as (address, asked):
        siamkit = away(address)
        code, _, err = siamkit(*add)
        assert code == 0, err
        assert any(path.endswith("model.safetensors") for path in asked)
        assert not any("onnx" in path for path in asked)
        asked.clear()
        assert siamkit(*add, "--name", "again")[0] == 0
        assert asked == []
        same = ("verify", "-m", "questions", "--text", "How are you?", "--text", "How do you do?")
        ours = json.loads(siamkit(*same, "--json")[1])["score"]
        again = ("--encoder", "again", "--threshold", "0.8", "--json")
        theirs = json.loads(siamkit(*same, *again)[1])["score"]
    assert theirs == pytest.approx(ours, abs=1e-4)
