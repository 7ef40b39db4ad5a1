"""Models that are fetched from a hub by name: once, and never again."""

from __future__ import annotations

import json

import pytest
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
def away(cold_shell):
    """A cold_shell with empty caches of its own."""
    cold_shell.environment["SIAMKIT_CACHE"] = str(cold_shell.folder / "cache")
    cold_shell.environment["HF_HOME"] = str(cold_shell.folder / "hub")
    cold_shell.environment.pop("HF_HUB_OFFLINE", None)
    cold_shell.environment["NO_PROXY"] = cold_shell.environment["no_proxy"] = "127.0.0.1"
    return cold_shell


def test_a_network_of_the_hub_is_fetched_once(away, network):
    with hub({"somebody/small": network}) as (address, asked):
        away.environment["HF_ENDPOINT"] = address
        made = away(
            "encoders", "add", "products", "timm:somebody/small", "--kind", "image", "--json"
        )
        assert made.code == 0, made.err
        assert json.loads(made.out)["weights"].startswith("timm:somebody/small, SHA-256 ")
        assert any(path.endswith("config.json") for path in asked)
        asked.clear()
        assert away("init", "shop", "--encoder", "products").code == 0
        assert away("encoders", "add", "images", "timm:somebody/small", "--name", "again").code == 0
        assert asked == []
        told = away("encoders", "add", "images", "timm:somebody/nothing")
        assert told.code == 2
        assert "the hub has no model 'somebody/nothing'" in told.err
        assert len(told.err.splitlines()) == 2


def test_a_sentence_transformers_model_of_the_hub_is_fetched_once(away):
    from siamkit_questions.bert import FOLDER

    model = "sentence-transformers:somebody/sentences"
    with hub({"somebody/sentences": FOLDER}) as (address, asked):
        away.environment["HF_ENDPOINT"] = address
        assert away("encoders", "add", "questions", model).code == 0
        assert any(path.endswith("model.safetensors") for path in asked)
        assert not any("onnx" in path for path in asked)
        asked.clear()
        assert away("encoders", "add", "questions", model, "--name", "again").code == 0
        assert asked == []
    same = ("verify", "-m", "questions", "--text", "How are you?", "--text", "How do you do?")
    ours = json.loads(away(*same, "--json").out)["score"]
    again = away(*same, "--encoder", "again", "--threshold", "0.8", "--json")
    theirs = json.loads(again.out)["score"]
    assert theirs == pytest.approx(ours, abs=1e-4)
