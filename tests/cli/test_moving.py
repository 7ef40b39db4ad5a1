"""Export and import, and moving a gallery to another encoder."""

from __future__ import annotations

import json

import numpy as np
import pytest
from manifest import lines


def test_an_imported_gallery_gives_the_same_answers(letters):
    assert letters("export", "letters", "out").code == 0
    assert letters("import", "out", "--as-gallery", "copy").code == 0
    first, second = (letters("query", g, "q.txt", "--json").out for g in ("letters", "copy"))
    score = [
        json.loads(t)["probes"][0]["regions"][0]["matches"][0]["score"] for t in (first, second)
    ]
    assert score[0] == score[1]
    assert (
        "0 samples into copy; 2 were already there"
        in letters("import", "out", "--as-gallery", "copy", "--merge").out
    )
    assert "already exists" in letters("export", "letters", "out").err
    (letters.folder / "out" / "samples.jsonl").write_text('{"identity": "x"}\n')
    done = letters("import", "out", "--as-gallery", "third")
    assert (done.code, "not an exported gallery" in done.err) == (2, True)
    assert "third" not in letters("galleries").out


def test_another_encoder_is_refused_until_the_gallery_is_reembedded(letters):
    letters.environment["TOYKIT_SALT"] = "x"
    done = letters("query", "letters", "q.txt")
    assert done.code == 1
    assert "siamkit reembed letters" in done.err
    assert letters("enrol", "letters", "q.txt", "--as", "new").code == 1
    assert letters("verify", "letters", "q.txt", "q.txt").code == 1
    assert letters("reembed", "letters").code == 0
    assert "greet" in letters("query", "letters", "q.txt").out
    assert letters("doctor").out.count(" no ") == 1  # the package that is broken on purpose


def test_reembed_leaves_a_gallery_unchanged_if_sources_are_gone(tiles):
    tiles("enrol", "tiles", "red.png", "--as", "red")
    tiles("enrol", "tiles", "blue.png", "--as", "blue")
    (tiles.folder / "red.png").unlink()
    done = tiles("reembed", "tiles")
    assert done.code == 2
    assert "1 of 2 sources" in done.err
    assert tiles("query", "tiles", "blue.png").code == 0
    assert tiles("reembed", "tiles", "--drop-missing").code == 0
    assert [h["identity"] for h in json.loads(tiles("list", "--json").out)] == ["blue"]


def test_reembed_of_text_from_files_and_from_the_list_itself(letters):
    assert letters("enrol", "letters", "q.txt", "--as", "file").code == 0
    letters.environment["TOYKIT_SALT"] = "x"
    done = letters("reembed", "letters", "--json")
    assert json.loads(done.out)["samples"] == 3


def test_reembed_with_an_encoder_that_fails_drops_nothing(letters):
    letters("enrol", "letters", "--from", "-", stdin=lines(("c", "all is well")))
    letters.environment |= {"TOYKIT_SALT": "x", "TOYKIT_FAILS": "1"}
    done = letters("reembed", "letters", "--drop-missing")
    assert done.code == 1
    assert "the toy was told to fail" in done.err
    del letters.environment["TOYKIT_FAILS"]
    letters.environment["TOYKIT_SALT"] = ""
    assert "greet" in letters("query", "letters", "q.txt").out


def test_reembed_of_an_empty_gallery(letters):
    letters("galleries", "create", "empty", "-m", "letters")
    assert letters("reembed", "empty").out.startswith("empty: 0 samples")


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("samples.jsonl", {"source": [1]}),
        ("samples.jsonl", {"digest": "ab"}),
        ("samples.jsonl", {"quality": 5}),
        ("samples.jsonl", {"region": [1]}),
        ("samples.jsonl", {"source": "\ud800"}),
        ("gallery.json", {"modality": 7}),
        ("gallery.json", {"threshold": {"value": 9, "fmr": None, "source": "x"}}),
        ("gallery.json", {"dim": "x"}),
        ("gallery.json", {"format": 2}),
    ],
)
def test_an_altered_export_is_refused_whole(letters, file, line):
    letters("export", "letters", "out")
    path = letters.folder / "out" / file
    first, *others = path.read_text().splitlines() if file.endswith("l") else [path.read_text()]
    path.write_text("\n".join([json.dumps({**json.loads(first), **line}), *others]) + "\n")
    done = letters("import", "out", "--as-gallery", "copy")
    assert done.code == 2, done.err
    assert f"out/{file}" in done.err or f"out is not an exported gallery: {file}" in done.err
    assert "copy" not in letters("galleries").out


def test_an_export_with_a_damaged_matrix_is_refused_whole(letters):
    letters("export", "letters", "out")
    path = letters.folder / "out" / "templates.npy"
    for content in (b"", b"PK\3\4", b"text"):
        path.write_bytes(content)
        assert letters("import", "out", "--as-gallery", "copy").code == 2
    np.save(path, np.eye(2, 32, dtype=np.float32))
    card = letters.folder / "out" / "gallery.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "dim": 32}))
    done = letters("import", "out", "--as-gallery", "copy")
    assert done.code == 2
    assert "vectors of 32 numbers, but letters/1:toy makes 64" in done.err
    assert "copy" not in letters("galleries").out
