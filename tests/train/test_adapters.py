"""Adapters (LoRA): few weights learn, and are merged into the network's own when it is served."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
import toykit
from torch import nn
from torch.nn.functional import normalize
from toydata import resumes_exactly, train, write_people  # noqa: F401

from siamkit.errors import BadInput
from siamkit.sdk.media import load_image
from siamkit.train import adapters, backbones, checkpoint
from siamkit.train.config import TrainConfig
from siamkit.train.events import Started
from siamkit.train.record import read_record

pytest.importorskip("peft")


def test_a_run_of_adapters_resumes_exactly_and_is_served(train):  # noqa: F811
    write_people(train.folder)
    resumes_exactly(train.folder, lora=2, average=0.5, learning_rate=0.01)
    run = train.folder / "whole"
    config = TrainConfig.read(run / "config.toml")
    network = backbones.build_network(config.changed({"dim": 16}), config.backbone, (32, 32, 3))
    before = network.state_dict().keys()
    adapters.adapt(network, 2)
    (started,) = [event for event in read_record(run) if isinstance(event, Started)]
    assert started.parameters == sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert started.parameters < sum(p.numel() for p in network.parameters()) / 4

    tensors, _ = checkpoint.read(run / "best.safetensors")
    weights = checkpoint.part(tensors, "average.")
    network.load_state_dict(weights)
    media = [load_image(path) for path in sorted(train.folder.rglob("people/*/*.png"))]
    arrays = torch.from_numpy(np.stack([toykit.Tiles().array(medium) for medium in media]))
    with torch.inference_mode():
        expected = normalize(network.eval()(arrays), dim=1).numpy()
    served = toykit.Tiles().encoder(run / "encoder").embed(media)
    assert (expected * served).sum(axis=1).min() > 0.9999
    assert adapters.merged(weights).keys() == before

    # A run that begins with this one has its weights, without adapters.
    (train.folder / "people").rename(train.folder / "earlier")
    write_people(train.folder, identities=3)
    settings = {"backbone": "test_efficientnet", "steps": 1, "evaluate_every": 1, "validation": 0}
    again = train.tiles("--from", "whole", out="again", **settings)
    assert again.code == 0, again.err


def test_only_the_attention_of_a_transformer_is_adapted():
    from transformers import BertConfig, BertModel

    size = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2, "vocab_size": 9}
    torch.manual_seed(0)
    network = nn.ModuleDict(
        {"text": BertModel(BertConfig(num_hidden_layers=2, **size)), "head": nn.Linear(8, 3)}
    ).eval()
    plain = [*network.state_dict()]
    adapters.adapt(network, 2)
    learning = {name for name, p in network.named_parameters() if p.requires_grad}
    layers = ("self.query", "self.key", "self.value", "output.dense")
    assert learning == {"head.weight", "head.bias"} | {
        f"text.encoder.layer.{number}.attention.{layer}.lora_{part}.default.weight"
        for number in (0, 1)
        for layer in layers
        for part in "AB"
    }
    for parameter in network.parameters():
        nn.init.normal_(parameter) if parameter.requires_grad else None
    ids = torch.arange(6).reshape(2, 3)
    expected = network["text"](ids).last_hidden_state
    weights = adapters.merged(network.state_dict())
    adapters.remove(network)
    network.load_state_dict(weights)
    assert [*network.state_dict()] == plain
    assert torch.allclose(network["text"](ids).last_hidden_state, expected, atol=1e-5)


def test_without_peft_a_run_says_what_to_install(train, monkeypatch):  # noqa: F811
    write_people(train.folder, identities=4)
    monkeypatch.setitem(sys.modules, "peft", None)
    refused = train.tiles(backbone="test_efficientnet", lora=4)
    assert refused.code == 1
    assert "lora = 4 needs the package peft" in refused.err
    assert 'pip install "siamkit[lora]"' in refused.err


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"freeze": 1}, "freeze = 1 has no effect with lora = 2"),
        ({"frozen": True}, "lora = 2 has no effect with frozen = true"),
    ],
)
def test_what_does_not_go_with_adapters(settings, message):
    with pytest.raises(BadInput, match=message):
        TrainConfig(lora=2, **settings)
