"""Words by which two texts contradict each other that are nearly equal otherwise."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import siamkit as sk
from siamkit_questions.differences import contradict_in_words, explain

MINIMAL = Path(__file__).parents[1] / "data" / "minimal_pairs.csv"

CONTRADICTIONS = [
    ("How do I add a row?", "How can I delete a row?", "'add' against 'delete'"),
    ("How do I log in?", "How do I log out?", "'log in' against 'log out'"),
    ("Is the connection secure?", "Is the connection insecure?", "'insecure' against 'secure'"),
    ("Is it waterproof?", "Is it not waterproof?", "only one has 'not'"),
    ("Can I go with a ticket?", "Can I go without a ticket?", "only one has 'without'"),
    ("Do you sell to Paris?", "do you sell to london", "'Paris' against 'london'"),
    ("Flights to New York?", "Flights to Los Angeles?", "'Los Angeles' against 'New York'"),
    ("Is there an app for iPhone?", "Is there an app for Android?", "'Android' against 'iPhone'"),
    ("Who is Mr Smith?", "Who is Mr Jones?", "'Jones' against 'Smith'"),
    ("Is it warm in Austria?", "Is it warm in Australia?", "'Australia' against 'Austria'"),
    ("What do nurses earn?", "What do nurses earn in Peru?", "only one has 'in Peru'"),
    ("How do I get from Rome to Bari?", "How do I get from Bari to Rome?", "changed places"),
    ("How do I convert Java to C?", "How do I convert C to Java?", "'C' and 'Java' have changed"),
    ("How was radium found?", "When was radium found?", "'how' against 'when'"),
    ("Is water blue?", "Why is water blue?", "'why' against 'yes or no'"),
    ("Can I eat before the race?", "Can I eat after the race?", "'after' against 'before'"),
    ("Is this for men?", "Is this for women?", "'men' against 'women'"),
    ("Where was Ann born?", "When was Ann born?", "'when' against 'where'"),
    ("How do I remove ink from paper?", "How do I remove ink from wool?", "'paper' against 'wool'"),
    ("What is the monthly fee?", "What is the yearly fee?", "'monthly' against 'yearly'"),
]
AGREEMENTS = [
    ("How do I add a row?", "How can I insert a row?"),
    ("How do I delete my account?", "How can I remove my account?"),
    ("Is it safe?", "Is it safe or not?"),
    ("Is it optional?", "Is it not mandatory?"),
    ("How do I log in?", "How do I sign in?"),
    ("How far is Paris from London?", "How far is London from Paris?"),
    ("Is it warm in Bombay?", "Is it warm in Mumbai?"),
    ("Is there an app for iphone?", "Is there an app for iPhones?"),
    ("What is the best way to learn Java?", "How do I learn Java?"),
    ("How do I cancel my order?", "How can I cancel an order that I placed today?"),
    ("Where is the café?", "Where is the cafe?"),
    ("Why do cats purr?", "Why do catz purr?"),
    ("What is an effective cure?", "What is a powerful cure?"),
    ("How can I get a laptop?", "How can I buy a laptop?"),
    ("How do I cancel my contract?", "How do I end my contract?"),
    ("How do I merge two accounts?", "How do I combine two accounts?"),
    ("What is the population of NYC?", "What is the population of New York?"),
    ("Wie lösche ich mein Konto?", "Wie schließe ich mein Konto?"),
    ("怎么修改支付密码", "如何更改支付密码"),
    ("", "?"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other", "words"), CONTRADICTIONS)
def test_a_contradiction_is_said_in_words(one: str, other: str, words: str) -> None:
    assert words in (contradict_in_words(one, other) or "")
    assert contradict_in_words(one, other) == contradict_in_words(other, one)


@pytest.mark.parametrize(("one", "other"), AGREEMENTS)
def test_other_words_for_the_same_contradict_nothing(one: str, other: str) -> None:
    assert contradict_in_words(one, other) is None


def test_minimal_pairs_are_nearly_all_told_apart() -> None:
    with MINIMAL.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for kind, least in {"verb": 22, "negation": 28, "entity": 30}.items():
        pairs = [(row["a"], row["b"]) for row in rows if (row["kind"], row["label"]) == (kind, "0")]
        assert sum(contradict_in_words(*pair) is not None for pair in pairs) >= least, kind
    same = [(row["a"], row["b"]) for row in rows if row["label"] == "1"]
    assert sum(contradict_in_words(*pair) is not None for pair in same) <= 6


WORDS = "how do I add delete a row in Paris London not without 3 to from é"
text = st.lists(st.sampled_from(WORDS.split()), max_size=7).map(" ".join) | st.text(max_size=20)


@given(text, text)
def test_any_texts_are_compared_in_either_order(one: str, other: str) -> None:
    assert explain(one, other) == explain(other, one)
    assert not any(explain(one, one).values())


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIAMKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        with sk.Workspace(tmp_path_factory.mktemp("places") / "store") as opened:
            yield opened


def test_all_commands_heed_the_same_objections(ws: Any) -> None:
    one, other, alike = (
        f"How do I {verb} a row in a table?" for verb in ("add", "delete", "insert")
    )
    rule = sk.DecisionRule(threshold=0.6)
    verdict = ws.verify(ws.pipeline("questions"), one, other, rule=rule).verdict
    assert verdict.score > 0.6
    assert (verdict.decision, verdict.objection.reason) == ("different", "'add' against 'delete'")
    ws.enrol("faq", "removal", other, modality="questions")
    claimed = ws.verify_identity("faq", "removal", one, rule=rule)
    assert (claimed.decision, claimed.verdict.objection) == (verdict.decision, verdict.objection)
    (classified,) = ws.classify("faq", one, rule=rule)
    assert (classified.identity, classified.objection) == (None, verdict.objection)
    (answer,) = ws.query("faq", one, rule=rule)
    assert (answer.identity, answer.objection.reason) == (None, "'add' against 'delete'")
    deduped = ws.dedupe([one, other, alike], modality="questions", rule=rule)
    assert [{m.item.source for m in deduped.members}] == [{one, alike}]
    contradictions = [{left.source, right.source} for left, right, _ in deduped.contradictions()]
    assert sorted(map(sorted, contradictions)) == [[one, other], [other, alike]]
    lookups = ws.against("faq", [sk.Item(1, "1", one)], rule=rule)
    assert [lookup.duplicate for lookup in lookups] == [False]


def test_dedupe_names_what_it_kept_apart(shell: Any) -> None:
    (shell.folder / "q.txt").write_text("Is it in stock in red?\nIs it in stock in blue?\n")
    done = shell("dedupe", "q.txt", "-m", "questions", "--threshold", "0.5")
    assert "1 more pair is as alike" in done.out
    assert "'blue' against 'red': Is it in stock in red? | Is it in stock in blue?" in done.out
    facts = json.loads(
        shell("dedupe", "q.txt", "-m", "questions", "--threshold", "0.5", "--json").out
    )
    assert facts["contradictions"] == [
        {"left_id": "1", "right_id": "2", "reason": "'blue' against 'red'"}
    ]
