"""Train a new head on an encoder that a modality has."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import toykit
from toydata import train, write_texts  # noqa: F401

from siamkit.errors import BadInput, PluginError
from siamkit.models import cache
from siamkit.sdk.model_folder import Card, read_card
from siamkit.train.heads import OwnEncoder, linear

HEAD = {
    "backbone": "encoder",
    "dim": 64,
    "identities": 12,
    "steps": 120,
    "evaluate_every": 40,
    "learning_rate": 0.01,
    "compare": "true",
}


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_texts_are_trained_served_and_trained_on(train):  # noqa: F811
    """More numbers than the encoder has (64 of 48), then a head on top of that head."""
    write_texts(train.folder)
    completed = train.texts("texts.jsonl", **HEAD)
    assert completed.code == 0, completed.err
    facts = json.loads(completed.out)
    assert facts["gained"]
    assert facts["eer"] < 0.7 * facts["eer_before"]
    assert [b["name"] for b in facts["baselines"]] == ["the encoder random"]
    card = read_card(train.folder / "run" / "encoder")
    assert card.preprocessing == {"hash": "sha256"}  # the encoder's own
    assert (card.dim, card.modality) == (64, "bigrams")

    assert (
        train("galleries", "create", "notes", "-m", "bigrams", "--encoder", "run/encoder").code == 0
    )
    first = [json.loads(line) for line in (train.folder / "texts.jsonl").read_text().splitlines()]
    (train.folder / "some.jsonl").write_text("".join(json.dumps(r) + "\n" for r in first[::5]))
    assert train("enrol", "notes", "--from", "some.jsonl").code == 0
    (train.folder / "q.txt").write_text(first[1]["text"])
    completed = train("query", "notes", "q.txt", "--threshold", "0.1", "--json")
    assert "k0" in completed.out, completed.out + completed.err

    again = HEAD | {"compare": "false"} | {"backbone": "encoder:run/encoder", "dim": 8, "steps": 4}
    completed = train.texts("texts.jsonl", out="again", **again)
    assert completed.code == 0, completed.err
    encoder = toykit.Bigrams().encoder(train.folder / "again" / "encoder")
    assert encoder.embed(["hello"]).shape == (1, 8)


def test_the_served_vectors_are_those_of_the_head(train):  # noqa: F811
    own = OwnEncoder(toykit.Bigrams())
    head = torch.nn.Linear(48, 20)
    torch.nn.init.normal_(head.weight)
    folder = train.folder / "folder"
    folder.mkdir()
    own.graft(head, folder, Card("bigrams", "x", 20, {}, "CC0-1.0", "here"))
    texts = ["hello there", "one and two", "x", ""]
    expected = (
        head(torch.from_numpy(np.stack([own.array(text) for text in texts]))).detach().numpy()
    )
    vectors = toykit.Bigrams().encoder(folder).embed(texts)
    assert (unit(expected) * vectors).sum(axis=1).min() > 0.9999
    assert not (folder / cache.BUILT_BY).exists()


def test_a_graft_that_gives_other_vectors_is_refused(train, monkeypatch):  # noqa: F811
    own = OwnEncoder(toykit.Bigrams())
    folder = train.folder / "folder"
    folder.mkdir()
    other = SimpleNamespace(embed=lambda media: np.eye(20, dtype=np.float32)[: len(media)])
    monkeypatch.setattr(toykit.Bigrams, "encoder", lambda self, folder=None: other)
    with pytest.raises(PluginError, match="differs from torch"):
        own.graft(torch.nn.Linear(48, 20), folder, Card("bigrams", "x", 20, {}, "", ""))


def test_a_new_head_leaves_cosines_as_they_are():
    vectors = unit(np.random.default_rng(0).standard_normal((9, 6)).astype(np.float32))
    for dim in (6, 11):  # as many numbers, or more of them
        out = linear(6, dim)(torch.from_numpy(vectors)).detach().numpy()
        assert np.allclose(out @ out.T, vectors @ vectors.T, atol=1e-5)


def test_a_modality_without_a_folder_to_put_a_head_on():
    with pytest.raises(BadInput, match="letters have no encoder folder"):
        OwnEncoder(toykit.Letters())
