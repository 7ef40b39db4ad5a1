"""Contents that arrive without a file: kept, shown and moved, and gone when they are forgotten."""

from __future__ import annotations

import io
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import siamkit as sk
from siamkit.store import uploads


def picture(seed: int, *, kind: str = "PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (64, 96, 3), np.uint8)
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, kind)
    return target.getvalue()


@pytest.fixture
def ws(tmp_path):
    with sk.Workspace(tmp_path / "store") as ws:
        ws.create_gallery("things", "images")
        yield ws


def files(ws: sk.Workspace, folder: str) -> list[str]:
    return sorted(path.name for path in (ws.root / folder).rglob("*") if path.is_file())


def test_an_upload_is_kept_shown_moved_and_forgotten(ws):
    items = [("../../etc/Ann Ö.png", picture(1)), ("b.png", picture(2)), ("c.png", b"no picture")]
    results = ws.enrol_uploads("things", "ann", items)
    assert [r.status for r in results] == ["enrolled", "enrolled", "failed"]
    assert str(results[2].error).startswith("c.png: not a picture"), "no path of the store"
    assert files(ws, "uploads") == ["Ann-Ö.png", "b.png"]
    first, second = (r.sample_ids[0] for r in results[:2])
    small = Image.open(io.BytesIO(ws.thumbnail(first, side=48)))
    assert small.size == (48, 32)
    assert files(ws, "thumbnails") == [f"{first}-48.jpg"]
    assert ws.content_of(second) == picture(2)

    assert ws.move_sample(second, "bob").new == "bob"
    assert [h.identity for h in ws.identities("things")] == ["ann", "bob"]
    with pytest.raises(sk.BadInput, match="is of 'bob' already"):
        ws.move_sample(second, "bob")
    assert ws.undo_merge().new == "ann"
    assert [h.identity for h in ws.identities("things")] == ["ann"]

    ws.forget_sample(first)
    assert (files(ws, "uploads"), files(ws, "thumbnails")) == (["b.png"], [])
    ws.delete_gallery("things")
    assert files(ws, "uploads") == []


def test_the_same_content_is_kept_once(ws):
    for _ in range(2):
        (result,) = ws.enrol_uploads("things", "ann", [("a.png", picture(1))])
    assert result.status == "already"
    assert files(ws, "uploads") == ["a.png"]


def reads(root: Path) -> list[bytes | str | None]:
    with sk.Workspace(root) as ws:
        waiting = [Path(each.source).read_bytes() for each in ws.unknowns("things")]
        return [ws.content_of(s.id) for s in ws.list_samples("things").samples] + waiting


@pytest.fixture
def filled(ws):
    """A store with an upload that is enrolled, and one that waits for a decision."""
    ws.enrol_uploads("things", "ann", [("a.png", picture(1))])
    ws.add_unknowns("things", [("b.png", picture(2))])
    return ws


def test_a_store_that_was_moved_finds_its_files(filled, tmp_path):
    filled.close()
    filled.root.rename(tmp_path / "elsewhere")
    assert reads(tmp_path / "elsewhere") == [picture(1), picture(2)]
    with sk.Workspace(tmp_path / "elsewhere") as ws:
        (best, *_) = ws.query("things", picture(1))[0].matches
        assert Path(best.source).read_bytes() == picture(1)
        ws.delete_gallery("things")
        assert files(ws, "uploads") == []


def test_rows_that_name_a_file_by_its_path_are_brought_up_to_date(filled, tmp_path):
    filled.close()
    root = filled.root
    with closing(sqlite3.connect(root / "store.db")) as db, db:
        for table in ("samples", "unknowns"):
            db.execute(f"UPDATE {table} SET source = ? || '/' || source", (str(root),))
        db.execute("DROP TABLE uploads")
        db.execute("DELETE FROM _sqlite_migrations WHERE name = 'm010_uploads'")
        db.execute("PRAGMA user_version = 9")
    root.rename(tmp_path / "elsewhere")
    assert reads(tmp_path / "elsewhere") == [picture(1), picture(2)]


def test_a_backup_holds_the_files_that_the_store_keeps(filled, tmp_path):
    filled.backup(tmp_path / "all.db")
    (tmp_path / "restored").mkdir()
    (tmp_path / "all.db").rename(tmp_path / "restored" / "store.db")
    filled.close()
    shutil.rmtree(filled.root)
    for _ in range(2):
        assert reads(tmp_path / "restored") == [picture(1), picture(2)]
    with sk.Workspace(tmp_path / "restored") as ws:
        assert files(ws, "uploads") == ["a.png", "b.png"]
        assert picture(1)[:500] not in (ws.root / "store.db").read_bytes(), "no second copy"
        ws.forget("ann")
        assert files(ws, "uploads") == ["b.png"]


def test_a_backup_says_which_files_are_gone_already(filled, tmp_path, caplog):
    shutil.rmtree(filled.root / "uploads")
    assert filled.backup(tmp_path / "all.db").samples == 1
    assert "2 files of samples are not in" in caplog.text


def test_identities_come_in_pages(ws):
    labels = [f"p{n:03}" for n in range(70)]
    vectors = np.eye(70, ws.gallery("things").space.dim, dtype=np.float32)
    assert list(ws.add_templates("things", labels, vectors)) == [70]
    page = ws.list_page("things")
    assert (len(page.cards), page.after) == (60, "p059")
    page = ws.list_page("things", after=page.after)
    assert [card.identity for card in page.cards] == labels[60:]
    assert page.after is None
    assert [card.identity for card in ws.list_page("things", search="P06").cards] == labels[60:]
    assert ws.thumbnail(page.cards[0].sample_id) is None, "a vector has no picture"


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("C:\\Photos\\ann.jpg", "ann.jpg"),
        ("../../.ssh/id_rsa", "id_rsa"),
        ("...", "sample"),
        ("", "sample"),
        ("a b\r\nX: y.png", "a-b-X-y.png"),
        ("x" * 300 + ".jpeg", "x" * 80 + ".jpeg"),
    ],
)
def test_a_senders_name_becomes_a_plain_one(name, plain):
    assert uploads.plain_name(name) == plain


def test_a_copy_that_was_merged_keeps_its_file_until_it_is_forgotten(ws):
    ws.enrol_uploads("things", "ann", [("a.png", picture(1))])
    ws.enrol_uploads("things", "bob", [("b.png", picture(1))])
    for label in ("ann", "bob"):
        ws.thumbnail(ws.identity(label)[0].id)
    ws.merge("ann", "bob")
    assert files(ws, "uploads") == ["a.png", "b.png"]  # merging can be undone
    ws.undo_merge()
    assert Path(ws.identity("ann")[0].source).is_file()
    ws.merge("ann", "bob")
    ws.forget("bob")
    assert (files(ws, "uploads"), files(ws, "thumbnails")) == ([], [])
