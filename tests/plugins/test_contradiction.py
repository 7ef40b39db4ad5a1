"""Numbers by which two texts contradict each other, and other ways to write the same number."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import siamkit as sk
from siamkit_questions.contradiction import ambiguous, contradict, unify

MINIMAL = Path(__file__).parents[1] / "data" / "minimal_pairs.csv"
NUMBER_KINDS = {"number", "sign", "range", "date", "version", "percent", "money", "fraction"}
NUMBER_KINDS |= {"ordinal", "roman", "order", "format"}
DIFFERENT = [
    ("Is it 5 kg?", "Is it 5 g?"), ("pay -5", "pay 5"), ("range 3-5", "range 5-3"),
    ("Does it work with Python 3.10?", "Does it work with Python 3.1?"),
    ("does python 3.10 work", "does python 3.1 work"), ("on 2020-01-02", "on 2020-01-03"),
    ("5%", "5 percentage points"), ("Louis XIV", "Louis XV"), ("two apples", "three apples"),
    ("$5", "€5"), ("1/2", "1/3"), ("the 3rd", "the 4th"), ("50 mg", "50 mcg"),
    ("meet at 3pm", "meet at 3am"), ("from 10 to 20", "from 20 to 10"),
    ("10-20 people", "10-30 people"), ("temperature of -3°C", "temperature of 3°C"),
    ("2^3", "3^2"), ("5 + 3", "5 - 3"), ("less than 5", "more than 5"),
    ("at least 18", "at most 18"), ("room 101", "room 110"), ("1.000.000 people", "1.000 people"),
    ("born in 1999", "born in 1998"), ("GPT-3", "GPT-4"), ("iPhone 12", "iPhone 13"),
    ("windows 7 vs 10", "windows 8 vs 10"), ("USB 2.0", "USB 3.0"), ('5\'6" tall', '6\'5" tall'),
    ("minus ten degrees", "ten degrees"), ("a negative 5 balance", "a 5 balance"),
    ("step 1 of 3", "step 3 of 3"), ("Chapter II", "Chapter III"), ("World War 1", "World War 2"),
    ("the first question", "the second question"), ("one in 3 people", "one in 4 people"),
    ("every 2 weeks", "every 3 weeks"), ("3 days ago", "3 weeks ago"),
    ("half an hour", "one and a half hours"), ("+5", "-5"), ("(5)", "(-5)"), ("x = -2", "x = 2"),
    ("from 5% to 3%", "from 3% to 5%"), ("Team A won 2-1", "Team A won 1-2"),
    ("January 5", "January 15"), ("5 January 2020", "5 January 2021"), ("5 Jan", "5 Feb"),
    ("8 bit", "16 bit"), ("Section 8(a)", "Section 9(a)"),
    ("increase by 10%", "increase by 100%"), ("0.5", "0.05"), ("1e5", "1e6"), ("10^5", "10^6"),
    ("12 GB", "12 MB"), ("Grade 5", "Grade 6"), ("zero", "10"), ("eleven", "twelve"),
    ("forty", "fourteen"), ("€1.50", "€15.0"), ("24 hours", "48 hours"), ("3 °C", "3 °F"),
    ("100 mph", "100 kmh"), ("5 out of 10", "10 out of 5"),
    ("subtract 5 from 10", "subtract 10 from 5"), ("before 5 pm", "after 5 pm"),
    ("up to 5 users", "over 5 users"), ("version 2", "version 3"),
    ("three quarters", "one quarter"), ("0 people", "10 people"), ("ten", "one hundred"),
    ("-1", "+1"), ("divide 10 by 2", "divide 2 by 10"), ("1:10", "10:1"),
    ("convert 5 miles", "convert 5 km"),
]  # fmt: skip
SAME = [
    ("1,000", "1000"), ("1000", "one thousand"), ("1.0", "1"), ("5 percent", "5%"),
    ("XIV century", "14th century"), ("2nd", "second"), ("1/2", "0.5"),
    ("3.5 million", "3,500,000"), ("$5", "5 dollars"), ("5 kg", "5 kilograms"),
    ("1 hour", "60 minutes"), ("2 weeks", "14 days"), ("ten", "10"), ("3-5", "3 to 5"),
    ("between 3 and 5", "3-5"), ("-5", "minus 5"), ("−5", "-5"), ("4 pm", "16:00"),
    ("4:30pm", "16:30"), ("2020-01-02", "January 2, 2020"), ("2 Jan 2020", "January 2nd, 2020"),
    ("1990s", "90s"), ("a dozen", "12"), ("1k", "1000"), ("100,000", "1 lakh"), ("５", "5"),
    ("½ cup", "half a cup"), ("1½ cups", "1.5 cups"), ("twenty-one", "21"),
    ("one hundred and one", "101"), ("Python 3.10", "python version 3.10"),
    ("v1.2", "version 1.2"), ("5km", "5 km"), ("5-km run", "5 km run"), ("4K", "4k"),
    ("five-year plan", "5 year plan"), ("50/50", "50-50"), ("200%", "200 percent"),
    ("€20", "20 euros"), ("20€", "€20"), ("Rs. 500", "500 rupees"), ("INR 500", "₹500"),
    ("1 000 000", "1,000,000"), ("COVID-19", "covid 19"), ("the 1st", "1"), ("18+", "over 18"),
    ("18 years or older", "at least 18 years"), ("<5", "less than 5"),
    ("no more than 5", "at most 5"), ("5 and 3", "3 and 5"), ("3 + 5", "5 + 3"),
    ("1.5 kg", "1500 g"), ("5 km", "5000 m"), ("one and a half hours", "90 minutes"),
    ("I have 2 sons and 1 dog", "1 dog and 2 sons are mine"), ("2 times", "twice"),
    ("Henry VIII", "Henry the 8th"), ("20 thousand", "20000"), ("2.5k", "2,500"),
    ("$1.5M", "1.5 million dollars"), ("1 billion", "1000 million"),
    ("June 2020", "in June of 2020"), ("at 9 o'clock", "at 9"), ("a 3-1 win", "a win by 3 to 1"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_other_numbers_are_a_contradiction(one: str, other: str) -> None:
    assert contradict(one, other)
    assert contradict(one, other) == contradict(other, one)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_another_way_to_write_a_number_is_none(one: str, other: str) -> None:
    assert contradict(one, other) is None
    assert contradict(other, one) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I learn Python 3?", "How do I learn Python?"),
        ("What is the best way for one to sleep?", "What are 3 ways to sleep?"),
        ("Can I lose weight?", "How Can I lose 5 kg?"),
        ("At first I was lost", "I was lost 3 times"),
        ("May 5 people enter?", "Can 5 people enter?"),
    ],
)
def test_a_number_that_one_text_lacks_is_no_contradiction(one: str, other: str) -> None:
    assert contradict(one, other) is None


def test_a_date_that_can_be_read_in_two_ways_is_named() -> None:
    assert ambiguous("on 2020-01-02", "on 02/01/2020") == "02/01/2020"
    assert contradict("on 2020-01-02", "on 02/01/2020") is None
    assert contradict("on 2020-01-02", "on 02/02/2020")
    assert ambiguous("on 2020-01-20", "on 20/01/2020") is None
    assert ambiguous("on 02/01/2020", "seen on 02/01/2020") is None


def test_minimal_pairs_contradict_exactly_where_a_number_was_changed() -> None:
    with MINIMAL.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] in NUMBER_KINDS]
    assert len(rows) == 216
    for row in rows:
        assert bool(contradict(row["a"], row["b"])) == (row["label"] == "0"), row


def test_numbers_in_common_are_written_alike() -> None:
    assert unify("Is 1/2 cup enough?", "Is half a cup enough?")[1] == "Is 1/2 a cup enough?"
    assert unify("in 1,000 days", "in 1000 days") == ("in 1000 days", "in 1000 days")
    assert unify("2 eggs", "3 eggs") == ("2 eggs", "3 eggs")


text = st.text(st.sampled_from("0123456789 -+/:.,%$€½ktham IVXone two half third May"), max_size=24)


@given(text | st.text(max_size=12), text)
def test_any_texts_are_compared_in_either_order(one: str, other: str) -> None:
    assert bool(contradict(one, other)) == bool(contradict(other, one))
    assert contradict(one, one) is None
    assert unify(one, other) == unify(other, one)[::-1]


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIAMKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        with sk.Workspace(tmp_path_factory.mktemp("places") / "store") as opened:
            yield opened


def test_other_numbers_decide_whatever_the_score(ws: Any) -> None:
    one, other, alike = (f"Is {x} degrees too cold for a tulip?" for x in (-5, 5, "minus five"))
    for rule in (sk.DecisionRule(), sk.DecisionRule(threshold=0.5), sk.DecisionRule(fmr=0.1)):
        verdict = ws.verify(ws.pipeline("questions"), one, other, rule=rule).verdict
        assert verdict.score > 0.9
        assert (verdict.decision, verdict.probability) == ("different", None)
        assert verdict.objection.reason == "their numbers differ: -5 degrees and 5 degrees"
    ws.enrol("garden", "warm", other, modality="questions")
    (answer,) = ws.query("garden", one)
    assert (answer.decision, answer.identity) == ("different", None)
    ws.enrol("garden", "cold", alike)
    (answer,) = ws.query("garden", one, k=1)
    assert answer.identity == "cold"
    for rule in (sk.DecisionRule(), sk.DecisionRule(reranker="lexical")):
        deduped = ws.dedupe([one, other, alike], modality="questions", rule=rule)
        assert [m.item.source for m in deduped.members] in ([one, alike], [alike, one])
    assert ws.dedupe([one, other], modality="questions").groups == 0
    lookups = ws.against("garden", [sk.Item(1, "1", "Is 7 degrees too cold for a tulip?")])
    assert [lookup.duplicate for lookup in lookups] == [False]
