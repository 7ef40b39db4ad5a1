"""Real texts: a head on the encoder that questions have, and their model trained as a whole."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from toydata import losses, train  # noqa: F401

from siamkit.sdk.model_folder import read_card
from siamkit.train import checkpoint
from siamkit_questions import Questions, bert
from siamkit_questions.base import MINILM_TRAINED
from siamkit_questions.training import PAD, TOKENS, SentenceNetwork, WholeModel

ACTS = (("cancel", "call off"), ("renew", "prolong"), ("print", "copy"), ("share", "pass on"))
THINGS = (
    "my ticket",
    "a contract",
    "the report",
    "an invoice",
    "our lease",
    "this photo",
    "her passport",
    "the receipt",
    "a library card",
    "the menu",
)
# Without validation it is the last step that is served.
FAST = ("identities=8", "samples=2", "warmup=0.1", "validation=0", "precision=fp32", "device=cpu")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")  # the encoder is built once for all tests here


@pytest.fixture
def questions(train, cache, monkeypatch):  # noqa: F811
    """Trains on 40 questions, each with another that asks the same."""
    monkeypatch.setenv("SIAMKIT_CACHE", str(cache))
    rows = ["text,label"]
    for (act, other), thing in product(ACTS, THINGS):
        label = f"{act} {thing}"
        rows += [f"How do I {act} {thing}?,{label}", f"Which way can I {other} {thing}?,{label}"]
    (train.folder / "pairs.csv").write_text("\n".join(rows))

    def train_questions(*settings, out="run"):
        sets = [part for each in (*FAST, *settings) for part in ("--set", each)]
        return train("train", "pairs.csv", "-m", "questions", "--json", "-o", out, *sets)

    train_questions.again, train_questions.folder = train, train.folder
    return train_questions


def test_a_whole_model_is_trained_and_served(questions):
    completed = questions("backbone=all-minilm-l6-v2", "steps=3", "learning_rate=5e-5", "seed=1")
    assert completed.code == 0, completed.err
    folder = questions.folder / "run" / "encoder"
    assert np.isfinite(losses(questions.folder / "run")).all()
    card = read_card(folder)
    assert (card.dim, card.modality, card.training["config"]["dim"]) == (384, "questions", 384)
    assert card.preprocessing["max_tokens"] == TOKENS
    assert "begun with all-minilm-l6-v2 (Apache-2.0), SHA-256" in card.source

    texts = ["How do I cancel my ticket?", "Where is the library?", "and so on " * 200]
    served = Questions().encoder(folder).embed(texts)
    model = WholeModel(MINILM_TRAINED)
    tokens = torch.from_numpy(np.stack([model.array(text) for text in texts]))
    before, network = model.network().eval(), model.network().eval()
    tensors, _ = checkpoint.read(questions.folder / "run" / "last.safetensors")
    network.load_state_dict(checkpoint.part(tensors, "network."))
    assert (vectors(network, tokens) * served).sum(axis=1).min() > 0.9999
    assert (vectors(before, tokens) * served).sum(axis=1).min() < 0.9999

    again = questions.again
    completed = again("galleries", "create", "faq", "-m", "questions", "--encoder", folder)
    assert completed.code == 0, completed.err
    (questions.folder / "faq.csv").write_text("text,label\nHow do I cancel my ticket?,tickets\n")
    completed = again("enrol", "faq", "--from", "faq.csv", "--column", "text")
    assert completed.code == 0, completed.err
    (questions.folder / "q.txt").write_text("Which way can I call off my ticket?")
    completed = again("query", "faq", "q.txt", "--threshold", "0.3", "--json")
    assert "tickets" in completed.out, completed.out + completed.err


def vectors(network, tokens):
    with torch.inference_mode():
        return torch.nn.functional.normalize(network(tokens), dim=1).numpy()


def test_texts_without_settings_train_a_head(questions):
    completed = questions("steps=20", "evaluate_every=0.5")
    assert completed.code == 0, completed.err
    card = read_card(questions.folder / "run" / "encoder")
    assert (card.dim, card.training["config"]["backbone"]) == (384, "auto")
    own = Questions().encoder(questions.folder / "run" / "encoder")
    assert own.embed(["Is it the same?"]).shape == (1, 384)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["backbone=all-minilm-l6-v2", "dim=64"], "have 384 numbers"),
        (["backbone=all-minilm-l6-v2", "frozen=true"], "frozen = true does not go with"),
        (["backbone=all-minilm-l6-v2", "pretrained=false"], "pretrained = false does not go"),
        (["backbone=sentence-transformers"], "no backbone 'sentence-transformers'"),
        (["backbone=sentence-transformers:./nowhere"], "'./nowhere' is neither a folder"),
        (["backbone=efficientnet-lite0"], "its own networks: all-minilm-l6-v2 ("),
    ],
)
def test_what_a_model_of_texts_cannot_be(questions, settings, message):
    completed = questions(*settings)
    assert completed.code in (1, 2)
    assert message in completed.err
    assert not (questions.folder / "run").exists()


def test_padding_changes_nothing():
    """Of a folder, by its name; padding is cut off or masked, on either side."""
    model = WholeModel(f"sentence-transformers:{bert.FOLDER}")
    network = model.network().eval()
    short, long = (model.array(text) for text in ("Why?", "Why is the sky blue at noon?"))
    assert short.shape == (TOKENS,)
    together = vectors(network, torch.from_numpy(np.stack([short, long])))
    alone = vectors(network, torch.from_numpy(short[short != PAD][None]))
    assert np.allclose(together[0], alone[0], atol=1e-5)
    assert isinstance(network, SentenceNetwork)
