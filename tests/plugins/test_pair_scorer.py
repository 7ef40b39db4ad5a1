"""The second opinion on pairs of questions: words, the lexical scorer, cross-encoders."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siamkit.embed.pipeline import open_encoder
from siamkit.errors import BadInput, MissingWeights, Uncalibrated
from siamkit.protocols import Reranker
from siamkit.sdk.model_folder import Card
from siamkit_questions import Questions, bert, lexical, scorer
from siamkit_questions.crossencoder import open_cross_encoder
from siamkit_questions.scorer import LexicalScorer, open_scorer
from siamkit_questions.spelling import letter_groups
from siamkit_questions.words import AGAINST, KIN, SAME, SIBLING, WordTable

MINIMAL = Path(__file__).parents[1] / "data" / "minimal_pairs.csv"
KINDS = {"entity", "negation", "number", "unit", "verb"}
NUMBER_KINDS = {"sign", "range", "date", "version", "percent", "money", "fraction", "ordinal"}
NUMBER_KINDS |= {"roman", "order", "format"}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIAMKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        return open_encoder(Questions(), "minilm-l6")


@pytest.fixture(scope="module")
def judge(encoder: Any) -> LexicalScorer:
    opened = open_scorer(encoder.card)
    assert isinstance(opened, LexicalScorer)
    return opened


@pytest.fixture(scope="module")
def table() -> WordTable:
    return WordTable.unpack(scorer.read_weights(scorer.WEIGHTS)[0])


@pytest.fixture(scope="module")
def minimal() -> list[dict[str, str]]:
    with MINIMAL.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def vectors(count: int, seed: int = 0) -> np.ndarray:
    """(count, 384) random unit rows, near one another as vectors of texts are."""
    rows = np.random.default_rng(seed).normal(size=(count, 384)) + 2
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def area(label: np.ndarray, score: np.ndarray) -> float:
    """AUC as the share of (mated, non-mated) pairs in order; a tie is half."""
    mated, other = score[label == 1][:, None], score[label == 0][None]
    return float((mated > other).mean() + (mated == other).mean() / 2)


def scores(encoder: Any, judge: LexicalScorer, left: list[str], right: list[str]) -> np.ndarray:
    return judge.score(left, right, encoder.embed(left), encoder.embed(right))


# -- the contract ------------------------------------------------------------------------------


def test_is_a_reranker(judge: LexicalScorer) -> None:
    assert isinstance(judge, Reranker)
    assert judge.name == "lexical"
    assert 0 < judge.threshold.value < 1
    assert judge.threshold.fmr is not None
    assert 0 < judge.threshold.fmr < 0.2
    assert "out of fold" in judge.threshold.source
    assert 0 < judge.candidates < 1


def test_is_symmetric_to_the_last_bit(
    encoder: Any, judge: LexicalScorer, minimal: list[dict[str, str]]
) -> None:
    left, right = [row["a"] for row in minimal], [row["b"] for row in minimal]
    one, other = encoder.embed(left), encoder.embed(right)
    there, back = judge.score(left, right, one, other), judge.score(right, left, other, one)
    assert there.dtype == np.float32
    np.testing.assert_array_equal(there, back)


def test_each_pair_is_scored_as_if_alone(
    encoder: Any, judge: LexicalScorer, minimal: list[dict[str, str]]
) -> None:
    rows = minimal[::9]
    left, right = [row["a"] for row in rows], [row["b"] for row in rows]
    one, other = encoder.embed(left), encoder.embed(right)
    together = judge.score(left, right, one, other)
    for k in range(len(rows)):
        part = slice(k, k + 1)
        alone = judge.score(left[part], right[part], one[part], other[part])
        # The last bit of a product depends on the batch, and may take another branch of a tree.
        np.testing.assert_allclose(alone, together[part], atol=5e-3)


def test_pairs_of_several_chunks_keep_their_places(
    judge: LexicalScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [f"how do I cook {k} eggs" for k in range(50)]
    right = [f"how do I cook {k % 7} eggs" for k in range(50)]
    one, other = vectors(50), vectors(50, 1)
    whole = judge.score(left, right, one, other)
    monkeypatch.setattr(scorer, "CHUNK", 16)
    np.testing.assert_allclose(judge.score(left, right, one, other), whole, atol=1e-5)


text = st.text(st.characters(codec="utf-8"), max_size=60) | st.sampled_from(
    ["", " ", "?", "2 million", "wie geht das", "怎么还款", "1/2 + 3", "US", "c++", "don't", "😀"]
)


@settings(max_examples=100)
@given(st.lists(st.tuples(text, text), max_size=5))
def test_any_texts_give_probabilities(pairs: list[tuple[str, str]]) -> None:
    arrays, facts = scorer.read_weights(scorer.WEIGHTS)
    found = _SHARED.setdefault("judge", LexicalScorer(arrays, facts))
    left, right = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    one, other = vectors(len(pairs)), vectors(len(pairs), 1)
    there = found.score(left, right, one, other)
    assert there.shape == (len(pairs),)
    assert np.isfinite(there).all()
    assert ((there >= 0) & (there <= 1)).all()
    np.testing.assert_array_equal(there, found.score(right, left, other, one))


_SHARED: dict[str, LexicalScorer] = {}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I reset my password?", "how do i reset my password"),
        ("WHAT IS THE CAPITAL OF PERU", "What is the capital of Peru???"),
        ("Why isn't it working?", "Why isn’t it working"),
    ],
)
def test_texts_that_differ_in_case_and_punctuation_are_the_same(
    encoder: Any, judge: LexicalScorer, one: str, other: str
) -> None:
    assert scores(encoder, judge, [one], [other])[0] > 0.99


@pytest.mark.parametrize(
    ("one", "other"),
    [("What is 2+3?", "What is 2-3?"), ("Is C hard?", "Is C++ hard?"), ("I 😀 it", "I 😡 it")],
)
def test_signs_that_mean_something_are_not_punctuation(
    encoder: Any, judge: LexicalScorer, one: str, other: str
) -> None:
    assert scores(encoder, judge, [one], [other])[0] < 0.99


def test_refuses_vectors_of_another_encoder(encoder: Any) -> None:
    card: Card = encoder.card
    other = replace(card, preprocessing={**card.preprocessing, "weights": "0" * 64})
    with pytest.raises(Uncalibrated, match="was not fitted") as caught:
        open_scorer(other)
    assert "minilm-l6" in caught.value.hint


def test_counts_must_agree(judge: LexicalScorer) -> None:
    with pytest.raises(ValueError, match="longer than"):
        judge.score(["a"], ["b", "c"], vectors(1), vectors(2))


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"nothing of the kind")
    with pytest.raises(MissingWeights, match="cannot be read"):
        scorer.read_weights(tmp_path / "w")


# -- what it is for ----------------------------------------------------------------------------


def test_minimal_pairs_are_balanced(minimal: list[dict[str, str]]) -> None:
    assert {row["kind"] for row in minimal} == KINDS | NUMBER_KINDS
    for kind in KINDS | NUMBER_KINDS:
        labels = [row["label"] for row in minimal if row["kind"] == kind]
        assert labels.count("0") == labels.count("1") >= (33 if kind in KINDS else 6)


def test_sees_small_changes_that_cosine_does_not(
    encoder: Any, judge: LexicalScorer, minimal: list[dict[str, str]]
) -> None:
    rows = [row for row in minimal if row["kind"] in KINDS]
    left, right = [row["a"] for row in rows], [row["b"] for row in rows]
    label = np.array([int(row["label"]) for row in rows])
    one, other = encoder.embed(left), encoder.embed(right)
    assert area(label, (one * other).sum(axis=1)) < 0.6
    assert area(label, judge.score(left, right, one, other)) >= 0.85


def test_numbers_decide_most_pairs_that_differ_in_one(
    encoder: Any, judge: LexicalScorer, minimal: list[dict[str, str]]
) -> None:
    rows = [row for row in minimal if row["kind"] in NUMBER_KINDS]
    label = np.array([int(row["label"]) for row in rows])
    found = scores(encoder, judge, [row["a"] for row in rows], [row["b"] for row in rows])
    assert area(label, found) >= 0.92  # 0.754 before numbers were compared
    same = found >= judge.threshold.value
    assert not same[label == 0].any()
    assert same[label == 1].mean() >= 0.7


def test_languages_it_has_no_words_of_are_ranked_about_as_by_cosine(
    encoder: Any, judge: LexicalScorer
) -> None:
    left = ["怎么修改支付密码"] * 3
    right = ["如何更改支付密码", "怎么注销账户", "今天天气怎么样"]
    one, other = encoder.embed(left), encoder.embed(right)
    found = judge.score(left, right, one, other)
    assert found.argmax() == (one * other).sum(axis=1).argmax()


# -- words -------------------------------------------------------------------------------------


def tokens(table: WordTable, one: str, other: str) -> tuple[set[int], set[int]]:
    """Content lemmas of both texts."""
    seen = lexical.analyse([lexical.fold(one), lexical.fold(other)], table)
    rows = [{int(seen.lemma[token]) for token in row if token} for row in seen.content]
    return rows[0], rows[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2 eggs", "two eggs"),
        ("1,000 users", "1000 users"),
        ("1k users", "1000 users"),
        ("2 million people", "2000000 people"),
        ("twenty five dollars", "$25"),
        ("5kg", "5 kilograms"),
        ("10 km", "10 kilometers"),
        ("the 2nd try", "the second try"),
        ("30 °C", "30 celsius"),
        ("5%", "5 percent"),
        ("jobs in the US", "jobs in the United States"),
        ("jobs in the U.S.", "jobs in the USA"),
        ("log in", "sign in"),
        ("cats", "cat"),
        ("India's economy", "india economy"),
    ],
)
def test_one_thing_in_two_spellings(table: WordTable, one: str, other: str) -> None:
    mine, theirs = tokens(table, one, other)
    assert mine == theirs


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2 eggs", "3 eggs"), ("5 kg", "5 g"), ("1.5 litres", "15 litres"), ("10:30", "10:45"),
        ("the second try", "30 seconds"), ("tell us", "tell the US"), ("c", "c++"),
        ("20 miles", "20 km"), ("2 hundred", "2 thousand"),
    ],
)  # fmt: skip
def test_two_things(table: WordTable, one: str, other: str) -> None:
    mine, theirs = tokens(table, one, other)
    assert mine != theirs


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Why isn't it open?", 1), ("Why isn’t it open?", 1), ("Why is it not open?", 1),
        ("Why is it open?", 0), ("I cannot go without you", 2), ("I can't go", 1), ("wont", 1),
    ],
)  # fmt: skip
def test_negations_are_counted(table: WordTable, text: str, count: int) -> None:
    assert lexical.analyse([lexical.fold(text)], table).negations[0] == count


@pytest.mark.parametrize(
    ("one", "other", "relation"),
    [
        ("buy", "purchase", SAME), ("delete", "remove", SAME), ("buy", "sell", AGAINST),
        ("lend", "borrow", AGAINST), ("drive", "driver", KIN), ("france", "germany", SIBLING),
    ],
)  # fmt: skip
def test_words_relate(table: WordTable, one: str, other: str, relation: int) -> None:
    at = np.array([table.find(one)]), np.array([table.find(other)])
    assert table.relation(*at)[0] == relation
    assert table.relation(*at[::-1])[0] == relation


def test_letter_groups_against_a_loop() -> None:
    texts = ["how", "", "howl", "ありがとう", "how"]
    fast = letter_groups(texts, 2, 1 << 12)

    def slow(one: str, other: str) -> float:
        bags = [f" {text} " for text in (one, other)]
        groups = [[bag[k : k + 2] for k in range(len(bag) - 1)] for bag in bags]
        counts = [{g: np.sqrt(part.count(g)) for g in part} for part in groups]
        dot = sum(value * counts[1].get(g, 0) for g, value in counts[0].items())
        norms = [np.sqrt(sum(v * v for v in part.values())) for part in counts]
        return float(dot / (norms[0] * norms[1]))

    for k, one in enumerate(texts):
        for j, other in enumerate(texts):
            assert fast[k] @ fast[j] == pytest.approx(slow(one, other), abs=1e-5)


# -- cross-encoders ----------------------------------------------------------------------------


def tiny(folder: Path, labels: int) -> Path:
    """A random BERT of one layer with MiniLM's tokenizer."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    tokenizer = AutoTokenizer.from_pretrained(bert.FOLDER)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, num_labels=labels, initializer_range=1.0,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.filterwarnings("ignore")
def test_a_cross_encoder_gives_symmetric_probabilities(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tiny(tmp_path / "model", labels=1)
    opened = open_cross_encoder(str(folder))
    assert isinstance(opened, Reranker)
    assert opened.name == f"cross-encoder:{folder}"
    assert opened.threshold.value == 0.5
    left, right = ["how old is Mars", "what is 2+2"], ["age of Mars", "how do I swim"]
    there = opened.score(left, right, vectors(2), vectors(2))
    back = opened.score(right, left, vectors(2), vectors(2))
    np.testing.assert_allclose(there, back, atol=1e-6)

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    slow = []
    for one, other in zip(left, right, strict=True):
        outs = [
            model(**tokenizer(*two, return_tensors="pt")) for two in ((one, other), (other, one))
        ]
        slow.append(np.mean([torch.sigmoid(out.logits).item() for out in outs]))
    np.testing.assert_allclose(there, slow, atol=1e-5)
    assert opened.score([], [], vectors(0), vectors(0)).shape == (0,)


@pytest.mark.filterwarnings("ignore")
def test_a_model_of_entailment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="3 scores"):
        open_cross_encoder(str(tiny(tmp_path / "model", labels=3)))


@pytest.mark.filterwarnings("ignore")
def test_an_absent_cross_encoder_is_named(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        MissingWeights, match="nobody/nothing is not in the local hub cache"
    ) as caught:
        open_cross_encoder("nobody/nothing")
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    assert capfd.readouterr() == ("", "")


@pytest.mark.filterwarnings("ignore")
def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="could not be opened as a cross-encoder"):
        open_cross_encoder(str(tmp_path))
