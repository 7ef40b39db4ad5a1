"""Data as people have them: labels, pairs, triplets, scores, under the names that they gave."""

from __future__ import annotations

import json

import pytest

from siamkit.errors import BadInput
from siamkit.train.read_data import Layout, read_data

NEGATIVES = "anchor,positive,negative_1,negative_2\na,b,c,d\ne,f,g,\n"


def write(tmp_path, text, name="d.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def read(tmp_path, text, name="d.csv", **layout):
    return read_data(write(tmp_path, text, name), Layout(**layout), is_text=True)


def judged(data):
    """Return {(a, b): score} by name, each pair in order of its letters."""
    names = [example.name for example in data.examples]
    return {
        tuple(sorted((names[a], names[b]))): float(score)
        for (a, b), score in zip(data.pairs.rows, data.pairs.scores, strict=True)
    }


def roles(data):
    return {e.name: (e.label, e.impostor) for e in data.examples}


@pytest.mark.parametrize(
    "header",
    [
        *("a,b,label", "sentence1,sentence2,score", "sentence_A,sentence_B,label"),
        *("id,question1,question2,is_duplicate", "text1,text2,same", "Query,Answer,label"),
        *("left,right,label", "anchor,positive,label"),
    ],
)
def test_labelled_pairs_by_their_usual_names(tmp_path, header):
    more = ",".join(["9"] * (header.count(",") - 2))
    rows = [f"{more}{',' if more else ''}{row}" for row in ("p,q,1", "r,s,1.0", "p,x,0", "y,z,0")]
    data = read(tmp_path, "\n".join([header, *rows]))
    assert judged(data) == {("p", "q"): 1, ("r", "s"): 1, ("p", "x"): 0, ("y", "z"): 0}
    assert roles(data) == {
        **{"p": ("p", False), "q": ("p", False), "r": ("r", False), "s": ("r", False)},
        **{"x": ("p", True), "y": ("y", False), "z": ("y", True)},
    }
    assert data.form == "4 pairs: 2 the same, 2 different"
    assert not data.notes


def test_a_table_without_rows_holds_no_examples(tmp_path):
    for header in ("a,b,label", "a,b", "text,label"):
        with pytest.raises(BadInput, match="holds no examples"):
            read(tmp_path, f"{header}\n")


def test_pairs_that_cannot_be_ranked_or_split_are_refused(tmp_path):
    for text, message in {
        "a,b,score\np,q,0.5\nr,s,.5\nt,u,0.50\n": "all 3 scores are 0.5: there is nothing to rank",
        "a,b,label\np,q,1\n": "holds 1 usable pair: training and validation need two each",
    }.items():
        with pytest.raises(BadInput, match=message):
            read(tmp_path, text)


def test_a_score_that_is_missing_is_named_as_it_is(tmp_path):
    for cell, fault in {"": "is empty", "nan": "is 'nan', not a number"}.items():
        with pytest.raises(BadInput, match=f"line 3: its score {fault}"):
            read(tmp_path, f"a,b,score\np,q,0.5\nr,s,{cell}\n")


def test_pairs_chain_into_identities_and_paths_are_relative(tmp_path):
    path = write(tmp_path, "path1,path2\n1.png,2.png\n./2.png,3.png\n4.png,5.png\n")
    data = read_data(path, Layout(), is_text=False)
    assert [e.source for e in data.examples] == [tmp_path / f"{n}.png" for n in range(1, 6)]
    assert len({e.label for e in data.examples}) == 2
    assert data.form == "3 pairs: 3 the same, 0 different"


def test_triplets_and_further_negatives(tmp_path):
    data = read(tmp_path, NEGATIVES)
    assert judged(data) == {
        **{("a", "b"): 1, ("a", "c"): 0, ("a", "d"): 0, ("e", "f"): 1, ("e", "g"): 0}
    }
    assert data.form.startswith("2 lines of an anchor, a positive and its negatives, 5 pairs")
    rows = [{"query": "a", "pos": ["b"], "neg": ["c", "d"]}]
    rows += [{"query": "e", "pos": ["f"], "neg": ["g"]}]
    lists = "\n".join(map(json.dumps, rows))
    assert judged(read(tmp_path, lists, "d.jsonl")) == judged(data)


def test_scores_are_kept_and_scaled(tmp_path):
    table = "sentence1,sentence2,score\na,b,5\nc,d,2.5\ne,f,0\n"
    data = read(tmp_path, table, top_score=5)
    assert judged(data) == {("a", "b"): 1, ("c", "d"): 0.5, ("e", "f"): 0}
    assert data.form == "3 pairs with scores from 0 to 1"
    with pytest.raises(BadInput, match="line 2: its score is 5, and scores are in") as caught:
        read(tmp_path, table)
    assert "--top-score 5" in caught.value.hint
    with pytest.raises(BadInput, match=r"line 3: its score is -0\.2"):
        read(tmp_path, "a,b,score\na,b,1\nc,d,-0.2\n")


def test_columns_of_other_names(tmp_path):
    table = "frage,antwort,gleich\np,q,1\nr,s,1\np,x,0\n"
    named = {"a": "frage", "b": "antwort", "label": "gleich"}
    assert judged(read(tmp_path, table, columns=named))["p", "x"] == 0
    labelled = read(
        tmp_path, "frage,thema\np,1\nq,1\n", columns={"sample": "frage", "label": "thema"}
    )
    assert roles(labelled) == {"p": ("1", False), "q": ("1", False)}
    with pytest.raises(BadInput, match="has no column 'thema'"):
        read(tmp_path, table, columns={"a": "thema"})
    with pytest.raises(BadInput, match="which of its columns is the other side of 'frage'"):
        read(tmp_path, table, columns={"a": "frage"})
    with pytest.raises(BadInput, match="unknown kind"):
        read(tmp_path, table, columns={"c": "frage"})


def test_oddities_are_named_and_left_out(tmp_path):
    table = "a,b,label\np,q,1\nq,r,1\np,r,0\ns,s,1\nq,p,1\nt,u,1\np,t,0\nr,x,0\n"
    data = read(tmp_path, table)
    assert judged(data) == {
        **{("p", "q"): 1, ("q", "r"): 1, ("t", "u"): 1, ("p", "t"): 0, ("r", "x"): 0}
    }
    assert data.notes == [
        "1 pairs of a sample with itself are left out, the first: line 5, 's' and 's'",
        "1 repeated pairs count once",
        "line 4, 'p' and 'r' differ there, and are the same by other lines: left out",
    ]
    twice = read(tmp_path, "a,b,score\np,q,0.2\nq,p,0.6\nr,s,0.5\n")
    assert judged(twice)["p", "q"] == pytest.approx(0.4)
    assert "with the mean of their scores" in twice.notes[0]


def test_a_chain_of_positives_is_remarked_on(tmp_path):
    rows = [f"t{n},t{n + 1}" for n in range(30)]
    data = read(tmp_path, "\n".join(["a,b", *rows, "p,q"]))
    assert data.notes[0].startswith("31 of 33 samples make one identity")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("a,b,score\np,q,0.5\n", "1 usable pair"),
        ("a,b,label\np,q,0\nr,s,0\n", "no pair that is the same"),
        ("a,b,label\np,q,1\nr,s,\nt,u,\n", "2 bad lines: line 3: its label is empty; line 4"),
        ("a,b,label\np,q,entailment\nr,s,neutral\n", "label holds 'entailment'.*neither 1 or 0"),
        ("a,b,label\np,q,1\nq,r,1\np,r,0\ns,t,1\nt,u,1\ns,u,0\n", "2 of 2 pairs that differ"),
        ("a,b,label,split\np,q,1,train\nq,r,1,validation\ns,t,1,\n", "line 3, 'q' and 'r' are the"),
        ("one,two\np,q\n", "has the columns one, two"),
        ("a,label\np,1\n", "has the columns a, label"),
        ("a,b\n", "holds no examples"),
        ("a,b,label\np,q,0\nr,s,1\nt,u,2\n", r"label holds '0' .line 2., '1' .line 3., '2'"),
        ("a,b\np,q\nq,r\nr,s\n", "into one identity"),
    ],
)
def test_pairs_that_nothing_can_be_learned_from(tmp_path, table, message):
    with pytest.raises(BadInput, match=message):
        read(tmp_path, table)


def test_a_split_may_tear_pairs_that_differ(tmp_path):
    rows = "p,q,1,train\nr,s,1,validation\np,r,0,train\nx,y,0,val\n"
    data = read(tmp_path, f"a,b,label,split\n{rows}")
    assert {e.name: e.split for e in data.examples} == {
        **dict.fromkeys("pq", "train"),
        **dict.fromkeys("rsxy", "validation"),
    }
    assert data.notes == [
        "1 pairs connect train and validation and are left out, the first: line 4, 'p' and 'r'"
    ]


def test_a_folder_of_hugging_face_datasets(tmp_path):
    datasets = pytest.importorskip("datasets")
    columns = {"question1": ["p", "r"], "question2": ["q", "s"], "label": [1, 1]}
    part = datasets.Dataset.from_dict(columns)
    held = datasets.Dataset.from_dict(
        {
            key: [*map(str, values)]
            for key, values in {"question1": ["t", "v"], "question2": ["u", "w"]}.items()
        }
        | {"label": [1, 0]}
    )
    datasets.DatasetDict(train=part, validation=held, test=held).save_to_disk(tmp_path / "hub")
    data = read_data(str(tmp_path / "hub"), Layout(), is_text=True)
    assert judged(data) == {("p", "q"): 1, ("r", "s"): 1, ("t", "u"): 1, ("v", "w"): 0}
    assert {e.split for e in data.examples if e.name in "pqrs"} == {"train"}
    assert {e.split for e in data.examples if e.name in "tuvw"} == {"validation"}
