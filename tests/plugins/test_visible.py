"""No decision on what the questions' encoder does not see: unknown scripts, cut texts, no words."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

import siamkit as sk
from siamkit.errors import LowQuality

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "questions"
LONG = "word " * 400
UNKNOWN = [
    "តើអ្នកសុខសប្បាយទេ", "ສະບາຍດີທຸກຄົນ", "😀😀 🎉", "བོད་སྐད་ཤེས", "የአማርኛ ቋንቋ", "ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ",
    "Как сменить пароль?", "비밀번호를 어떻게 바꾸나요?", "怎么修改支付密码",
    "چگونه رمز را عوض کنم", "मैं पासवर्ड कैसे बदलूँ", "รหัสผ่านของฉัน",
    "𝐇𝐞𝐥𝐥𝐨 𝐰𝐨𝐫𝐥𝐝", "???", "…", "— !!! —", "x" * 150,
]  # fmt: skip
KNOWN = [
    "How do I sign in?", "Wie ändere ich mein Passwort, Jürgen?", "¿Cómo cambio mi contraseña?",
    "good 😀", "C++", "2+2", "42", "€50", "a", "What does ខ្មែរ mean in English?",
    "Who is Петр Чайковский, the composer of the ballets?", "♥ this song",
]  # fmt: skip


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIAMKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        with sk.Workspace(tmp_path_factory.mktemp("places") / "store") as opened:
            opened.enrol("faq", "login", KNOWN[0], modality="questions")
            yield opened


def verify(ws: Any, one: str, other: str, **rule: Any) -> Any:
    pipeline = ws.pipeline("questions")
    return ws.verify(pipeline, one, other, rule=sk.DecisionRule(**rule)).verdict


@pytest.mark.parametrize("text", UNKNOWN)
def test_a_text_that_the_model_does_not_know_is_compared_with_nothing(ws: Any, text: str) -> None:
    assert ws.pipeline("questions").encoder.blind_to(text)
    for other in (UNKNOWN[0], KNOWN[0], text):
        for rule in ({}, {"reranker": "lexical"}, {"threshold": -1.0}):
            verdict = verify(ws, text, other, **rule)
            assert verdict.decision == "inconclusive"
            assert verdict.probability is None
            assert verdict.objection.reason
    (answer,) = ws.query("faq", text)
    assert (answer.decision, answer.identity) == ("inconclusive", None)
    (classified,) = ws.classify("faq", text)
    assert (classified.decision, classified.identities) == ("inconclusive", [])
    with pytest.raises(LowQuality, match=r"the model does not know|no words"):
        ws.enrol("faq", "x", text)


@pytest.mark.parametrize("text", KNOWN)
def test_a_few_signs_or_names_change_nothing(ws: Any, text: str) -> None:
    assert not ws.pipeline("questions").encoder.blind_to(text)
    assert verify(ws, text, text).decision == "same"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What does 😀 mean?", "What does 😡 mean?"),
        ("What does ខ្មែរ mean?", "What does ខ្ញុំ mean?"),
        (LONG + "one", LONG + "another"),
    ],
)
def test_a_difference_that_the_model_does_not_see_is_not_the_same(
    ws: Any, one: str, other: str
) -> None:
    verdict = verify(ws, one, other)
    assert verdict.score > 0.9999
    assert verdict.decision == "inconclusive"
    assert "does not see" in verdict.objection.reason
    assert verify(ws, one, one).decision == "same"
    deduped = ws.dedupe([one, other, one], modality="questions")
    assert [[m.item.source for m in deduped.members]] == [[one, one]]
    assert len(deduped.grouping.contradictions) == 1


def test_case_and_accents_are_not_hidden(ws: Any) -> None:
    assert verify(ws, "Where is the Café?", "where is the CAFE?").decision == "same"


def test_dedupe_leaves_unknown_texts_out_and_counts_them(ws: Any) -> None:
    deduped = ws.dedupe([*UNKNOWN, KNOWN[0], "how do i sign in"], modality="questions")
    assert [fault.line for fault in deduped.left_out] == list(range(1, len(UNKNOWN) + 1))
    assert [m.item.source for m in deduped.members] == [KNOWN[0], "how do i sign in"]
    assert not deduped.faults
    lookups = list(ws.against("faq", [sk.Item(1, "1", UNKNOWN[1]), sk.Item(2, "2", KNOWN[0])]))
    assert [bool(lookup.left_out) for lookup in lookups] == [True, False]
    assert [lookup.duplicate for lookup in lookups] == [False, True]


@pytest.mark.skipif(not DATA.exists(), reason="needs the development data")
@pytest.mark.parametrize("name", ["trials.csv", "mrpc/trials.csv", "sts/sts_graded.csv"])
def test_ordinary_texts_are_untouched(ws: Any, name: str) -> None:
    with (DATA / name).open(newline="", encoding="utf-8") as file:
        texts = [row[side] for row in csv.DictReader(file) for side in "ab"][:2_000]
    pipeline = ws.pipeline("questions")
    assert not [text for text in texts if pipeline.encoder.blind_to(pipeline.modality.load(text))]
