"""Damaged and made-up tables: each is read, or refused in one line that names it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from dialects import DIALECTS, write
from hypothesis import given, settings
from hypothesis import strategies as st

from siamkit.embed.manifests import read_labelled_sources, read_source_list
from siamkit.errors import BadInput
from siamkit.flows.read_trials import read_trials
from siamkit.io.table_read import READABLE, TextColumns, read_texts
from siamkit.train.examples import read_examples

ROWS = [
    ["a", "b", "label", "score", "path", "text", "id"],
    ["é", "b", 1, 0.5, "a.png", "words", "x"],
    ["é", "c", 0, -0.5, "b.png", "“more” words", "y"],
    ["d", "c", 0, 0.25, "c.png", "=1+1", "z"],
]
NO_STDIN = io.StringIO()
READERS = (
    lambda path, codec: list(read_texts(path, NO_STDIN, TextColumns("text", encoding=codec))),
    lambda path, codec: read_labelled_sources(path, NO_STDIN, encoding=codec),
    lambda path, codec: read_source_list(path, NO_STDIN, encoding=codec),
    lambda path, codec: read_trials(Path(path), text=True, encoding=codec),
    lambda path, codec: read_examples(path, encoding=codec),
)
pieces = st.sampled_from(
    [b"", b"\0", b"\xff\xfe", b'"', b"\r", b"\n\n", b",", b";", b"\xe9", b"{", b"}", b"[" * 999,
     b"9" * 500, b"NaN", b"sep=", b"\xef\xbb\xbf", b"PK\x03\x04", b"\x1b]0;x\x07", b"\\ud800"]
)  # fmt: skip


def require_read_or_refused(path: Path, codec: str | None) -> None:
    refusals = []
    for read in READERS:
        try:
            read(str(path), codec)
        except BadInput as error:
            refusals.append(str(error))
    assert all(path.name in refusal for refusal in refusals)
    assert "\n" not in "".join(refusals)


@pytest.mark.timeout(240)
@settings(max_examples=300)
@given(
    dialect=st.sampled_from(DIALECTS),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), pieces), max_size=4),
    codec=st.sampled_from([None, None, "cp1252", "utf-16", "gbk"]),
)
def test_damaged_tables(tmp_path_factory, dialect, edits, codec):
    folder = tmp_path_factory.mktemp("damaged")
    name, *_ = write(folder, ROWS, dialect)
    content = (folder / name).read_bytes()
    for place, removed, piece in edits:
        start = int(place * len(content))
        content = content[:start] + piece + content[start + removed :]
    (folder / name).write_bytes(content)
    require_read_or_refused(folder / name, codec)


@pytest.mark.timeout(120)
@settings(max_examples=200)
@given(content=st.binary(max_size=300), suffix=st.sampled_from([*READABLE, ""]))
def test_bytes_that_are_no_table(tmp_path_factory, content, suffix):
    path = tmp_path_factory.mktemp("made") / f"t{suffix}"
    path.write_bytes(content)
    require_read_or_refused(path, None)
