"""Labelled examples are read and checked, and their identities split."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamkit.errors import BadInput
from siamkit.train.examples import Example, label_notes, read_examples
from siamkit.train.split import Split, split_identities


def enough(*labels):
    """Two genuine samples of each."""
    return [Example(f"{label} {number}", label) for label in labels for number in range(2)]


FILES = (
    "notes.txt",
    ".hidden/x.png",
    "p0/0.png",
    "p0/impostors/1.png",
    "p1/session 2/0.png",
    "p1/session 2/Impostors/x.png",
    "p1/impostors.png",
)


def test_a_folder_per_identity_with_impostors_below(tmp_path):
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    examples = read_examples(str(tmp_path))
    genuine = [(e.label, e.source.name) for e in examples if not e.impostor]
    assert genuine == [("p0", "0.png"), ("p1", "impostors.png"), ("p1", "0.png")]
    impostor = {(e.label, e.source.name) for e in examples if e.impostor}
    assert impostor == {("p0", "1.png"), ("p1", "x.png")}


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_manifest_says_the_same_in_both_forms(tmp_path, suffix):
    rows = [
        {"path": "a/1.png", "label": " anna ", "impostor": "", "split": "train"},
        {"path": "a/2.png", "label": "anna", "impostor": "Yes", "split": ""},
        {"path": "b.png", "label": "bert", "impostor": "0", "split": "val"},
    ]
    path = tmp_path / f"m.{suffix}"
    if suffix == "csv":
        lines = ["path,label,impostor,split", *(",".join(row.values()) for row in rows)]
    else:
        rows[1] |= {"impostor": True}
        lines = [json.dumps(row) for row in rows]
    path.write_text("\n".join(lines))
    assert read_examples(str(path)) == [
        Example(tmp_path / "a/1.png", "anna", False, "train"),
        Example(tmp_path / "a/2.png", "anna", True, None),
        Example(tmp_path / "b.png", "bert", False, "validation"),
    ]


def test_every_bad_line_is_named(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text(
        "path,label,impostor,split\n1.png,anna,maybe,\n,anna,,\n2.png,,,\n3.png,anna,,test\n"
        "4.png,anna,,,,5\n6.png,anna,1,train\n"
    )
    with pytest.raises(BadInput) as caught:
        read_examples(str(path))
    for part in (
        "5 bad lines",
        "line 2: impostor is 'maybe'",
        "line 3: there is no path",
        "line 4: its label is empty",
        "line 5: split is 'test'",
        "line 6: 6 fields, where the head has 4",
    ):
        assert part in str(caught.value)


def test_texts_and_their_faults(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text('text,label\n"hello, there",greeting\n')
    assert read_examples(str(path)) == [Example("hello, there", "greeting")]
    (tmp_path / "m.jsonl").write_text('{"text": "a", "path": "b", "label": "c"}\n')
    with pytest.raises(BadInput, match="both a path and a text"):
        read_examples(str(tmp_path / "m.jsonl"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has the columns none"),
        ("file,who\na,b\n", "has the columns file, who"),
        ("path,label\n", "holds no examples"),
        ('path,label\n"a,b\n', "line 2: a quotation mark is never closed"),
    ],
)
def test_what_is_no_manifest(tmp_path, content, message):
    (tmp_path / "m.csv").write_text(content)
    with pytest.raises(BadInput, match=message):
        read_examples(str(tmp_path / "m.csv"))


def test_a_column_that_is_nearly_known_is_remarked(tmp_path, caplog):
    (tmp_path / "m.csv").write_text("path,label,Impostors\na.png,anna,1\n")
    read_examples(str(tmp_path / "m.csv"))
    assert "'Impostors' is not read; did you mean 'impostor'?" in caplog.text


def test_what_is_not_there(tmp_path):
    with pytest.raises(BadInput, match="neither a folder nor a file"):
        read_examples(str(tmp_path / "none"))
    with pytest.raises(BadInput, match="there is no file"):
        read_examples(str(tmp_path))


def test_slips_in_labels():
    examples = enough("anna", "Bert", "bert", "number 1", "number 2")
    examples += [Example("x", "anna1"), Example("y", "number 3"), Example("z", "zoe")]
    notes = label_notes(examples)
    assert "'anna1' has one sample; did you mean 'anna'?" in notes
    assert "'Bert' and 'bert' differ in case or blanks alone" in notes[0]
    assert len(notes) == 2


def within_one_edit(a, b):
    """The slow twin: Levenshtein's table."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i, *row[1:]] if not (last := row) else [i]
        for j, y in enumerate(b, 1):
            row.append(min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y)))
    return row[-1] <= 1


@given(st.text("abc", min_size=1, max_size=6), st.text("abc", min_size=1, max_size=6))
def test_one_edit_is_what_levenshtein_says(a, b):
    notes = label_notes([*enough(a), Example("x", b)]) if a != b else []
    assert bool(notes) == (a != b and within_one_edit(a, b))


# --- splitting ---


@given(st.integers(4, 40), st.floats(0.01, 0.9), st.integers(0, 5), st.randoms())
def test_the_split_is_disjoint_whole_and_blind_to_order(count, share, seed, shuffler):
    examples = enough(*(f"p{n}" for n in range(count)))
    try:
        training, validation = split_identities(examples, Split(share, seed))
    except BadInput:
        assert round(share * count) > count - 2
        return
    assert not training & validation
    assert len(training | validation) == count
    assert len(validation) == max(2, round(share * count))
    shuffler.shuffle(examples)
    assert split_identities(examples, Split(share, seed)) == (training, validation)


def test_what_is_stated_counts():
    examples = [
        dataclasses.replace(example, split={"a": "validation", "b": "train"}.get(example.label))
        for example in enough(*"abcdefgh")
    ]
    training, validation = split_identities(examples, Split(0.25, 3))
    assert "a" in validation
    assert "b" in training
    assert len(validation) == 2
    with pytest.raises(BadInput, match="7 identities to train on and 1 for validation"):
        split_identities(examples, Split(0.0, 3))


def test_both_sides_at_once_and_too_few():
    both = [Example("1", "a", split="train"), Example("2", "a", split="validation")]
    with pytest.raises(BadInput, match="'a' is in train and in validation"):
        split_identities([*both, *enough(*"bcde")], Split(0.2, 0))
    with pytest.raises(BadInput, match="triplets need two identities"):
        split_identities(enough("a"), Split(0.2, 0))
    with pytest.raises(BadInput, match="each side needs at least 2"):
        split_identities(enough(*"abc"), Split(0.2, 0))
    lonely = [Example(label, label) for label in "abcdefgh"]
    with pytest.raises(BadInput, match="0 identities to train on"):
        split_identities(lonely, Split(0.2, 0))


def test_impostors_make_no_identity():
    examples = [*enough(*"abcd"), Example("x", "e"), Example("y", "e", impostor=True)]
    training, validation = split_identities(examples, Split(0.2, 0))
    assert training | validation == set("abcd")
