"""An import stores all or nothing, changes nothing silently, and follows no path that it brings."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import siamkit as sk
from siamkit.flows import import_
from siamkit.sdk.model_folder import Card, write_folder
from siamkit.store import samples

DIM = 64  # of letters
LETTERS = "letters/1:toy"


def write_export(folder: Path, rows: list[dict[str, object]], **fields: object) -> Path:
    """Write an export by hand: random templates, and texts unless `rows` say otherwise."""
    card: dict[str, object] = {
        "format": 1,
        "name": "letters",
        "modality": "letters",
        "encoder": None,
        "detector": None,
        "index": "faiss",
        "fingerprint": LETTERS,
        "dim": DIM,
        "threshold": None,
        "calibration": None,
    }
    card |= fields
    folder.mkdir()
    (folder / "gallery.json").write_text(json.dumps(card))
    vectors = np.random.default_rng(0).normal(size=(len(rows), int(str(card["dim"]))))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.save(folder / "templates.npy", vectors.astype(np.float32))
    with (folder / "samples.jsonl").open("w") as file:
        for number, row in enumerate(rows):
            text = f"text {number}"
            digest = hashlib.sha256(text.encode()).hexdigest()
            line = {"source": text, "inline": True, "digest": digest, "quality": None}
            file.write(json.dumps(line | {"region": {"score": 1.0}} | row) + "\n")
    return folder


def people(count: int, name: str = "person") -> list[dict[str, object]]:
    return [{"identity": f"{name} {number}"} for number in range(count)]


def test_a_fault_in_the_last_of_many_samples_leaves_nothing(shell):
    rows = people(10_500)
    rows[-1]["region"] = {"score": 1.0, "where": [0, 0, float("nan"), 5]}
    write_export(shell.folder / "out", rows)
    done = shell("import", "out")
    assert done.code == 2, done.err
    assert "line 10500" in done.err
    assert not (shell.folder / ".siamkit").exists()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("after", [0.05, 0.15, 0.25])
def test_a_kill_in_the_middle_leaves_all_or_nothing(shell, after):
    """Seconds after the first byte of the transaction reaches the disk."""
    shell("init")
    write_export(shell.folder / "out", people(12_000))
    log = shell.folder / ".siamkit" / "store.db-wal"
    process = shell.start("import", "out")
    while process.poll() is None and not (log.exists() and log.stat().st_size > 1 << 20):
        time.sleep(0.01)
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    listed = json.loads(shell("galleries", "--json").out)
    assert [gallery["samples"] for gallery in listed] in ([], [12_000])
    if not listed:
        assert shell("import", "out").code == 0


def test_an_existing_gallery_gains_samples_only_if_the_user_says_so(letters):
    write_export(letters.folder / "out", [{"identity": "greet"}, {"identity": "stranger"}])
    before = letters("list", "--json").out
    done = letters("import", "out")
    assert (done.code, "`--merge` adds to it" in done.err) == (1, True)
    done = letters("import", "out", "--merge")
    assert (done.code, "would gain samples: greet (1)" in done.err) == (2, True)
    assert "--yes" in done.err
    assert letters("list", "--json").out == before
    done = letters("import", "out", "--merge", "--yes", "--json")
    counts = {"gallery": "letters", "new": 2, "already": 0, "gained": {"greet": 1}}
    assert json.loads(done.out) == counts
    again = letters("import", "out", "--merge", "--json")  # adds nothing: nothing to ask
    assert json.loads(again.out) == counts | {"new": 0, "already": 2, "gained": {}}


def test_the_api_merges_only_when_told(letters):
    write_export(letters.folder / "out", [{"identity": "greet"}])
    with sk.Workspace(letters.folder / ".siamkit") as ws:
        with pytest.raises(sk.StoreError, match="already exists"):
            ws.import_(letters.folder / "out")
        imported = ws.import_(letters.folder / "out", merge=True)
        assert (imported.new, imported.gained) == (1, {"greet": 1})


def test_a_merge_keeps_the_threshold_the_index_and_the_detector(letters):
    threshold = {"value": -1.0, "fmr": 0.5, "source": "a stranger"}
    write_export(
        letters.folder / "out", people(1), threshold=threshold, index="toy", detector="squares"
    )
    before = letters("galleries", "--json").out
    assert letters("import", "out", "--merge").code == 0
    after = json.loads(letters("galleries", "--json").out)
    assert after == [json.loads(before)[0] | {"identities": 3, "samples": 3}]


@pytest.mark.parametrize("detector", ["out", "./out", "nowhere"])
def test_a_detector_that_has_no_name_here_is_not_opened(letters, detector):
    write_export(letters.folder / "out", people(1), detector=detector)
    (letters.folder / "out" / "detector.json").write_text("{}")
    done = letters("import", "out", "--as-gallery", "copy")
    assert f"no detector {detector!r} here: gallery copy uses none instead" in done.err
    listed = json.loads(letters("galleries", "--json").out)
    assert [row["detector"] for row in listed if row["name"] == "copy"] == [None]


def test_identities_that_other_galleries_know_are_named(letters):
    write_export(letters.folder / "out", [{"identity": "greet"}, *people(1)])
    done = letters("import", "out", "--as-gallery", "copy")
    assert "1 identities of the import own samples in other galleries too: greet" in done.err


@pytest.mark.parametrize("modality", ["letters", "tiles"])
def test_an_export_cannot_give_an_installed_encoder_another_dimension(shell, modality):
    write_export(shell.folder / "out", [], dim=32, modality=modality)
    done = shell("import", "out")
    assert done.code == 2, done.err
    assert shell("enrol", "letters", "--text", "hello there", "--as", "greet").code == 0


def test_a_space_goes_with_its_last_gallery(shell):
    write_export(shell.folder / "out", [], dim=32, fingerprint="letters/1:later")
    assert shell("import", "out", "--as-gallery", "wrong").code == 0
    shell.environment["TOYKIT_SALT"] = "x"
    with sqlite3.connect(shell.folder / ".siamkit" / "store.db") as db:
        db.execute("UPDATE spaces SET fingerprint = 'letters/1:toyx'")
    enrol = ("enrol", "letters", "--text", "hello there", "--as", "greet")
    done = shell(*enrol)
    assert (done.code, "`siamkit galleries delete wrong`" in done.err) == (1, True)
    assert shell("galleries", "delete", "wrong", "--yes").code == 0
    with sqlite3.connect(shell.folder / ".siamkit" / "store.db") as db:
        assert db.execute("SELECT * FROM spaces").fetchall() == []
    assert shell(*enrol).code == 0


def test_a_space_that_an_earlier_gallery_left_behind_does_no_harm(letters):
    with sqlite3.connect(letters.folder / ".siamkit" / "store.db") as db:
        db.execute("INSERT INTO spaces VALUES (9, 'letters', 'letters/1:toyx', 32, 'then')")
    letters.environment["TOYKIT_SALT"] = "x"
    assert letters("galleries", "create", "salted", "-m", "letters").code == 0


def red(folder: Path) -> tuple[Path, str]:
    """Write a picture outside of an import."""
    folder.mkdir(exist_ok=True)
    path = folder / "red.png"
    Image.new("RGB", (60, 60), "red").save(path)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def tiles_export(folder: Path, path: str, digest: str) -> Path:
    rows = [
        {"identity": f"p{number // 2}", "source": path, "inline": False, "digest": digest}
        | {"region": {"score": 0.5, "where": [number, 0, 60, 60]}}
        for number in range(4)
    ]
    fields = {"modality": "tiles", "fingerprint": "tiles/1:toy", "dim": 48, "name": "tiles"}
    return write_export(folder, rows, **fields)


def test_no_file_that_only_an_import_names_is_read(shell):
    path, digest = red(shell.folder / "private")
    tiles_export(shell.folder / "out", str(path), digest)
    assert shell("import", "out").code == 0
    done = shell("reembed", "tiles")
    assert (done.code, "no file is read that only an import names" in done.err) == (2, True)
    assert "--media FOLDER" in done.err
    assert shell("evaluate", "--gallery", "tiles", "--report", "r.html").code == 0
    assert "data:image" not in (shell.folder / "r.html").read_text()
    assert "imported:" in shell("show", "p0").out
    assert shell("export", "tiles", "again").code == 0  # the mark is not doubled
    assert shell("import", "again", "--as-gallery", "second").code == 0
    assert "imported:imported:" not in shell("show", "p0").out


def test_files_below_the_folder_that_the_user_names_are_read(shell):
    path, digest = red(shell.folder / "photos")
    tiles_export(shell.folder / "out", f"/elsewhere/photos/{path.name}", digest)
    assert shell("import", "out", "--media", "photos").code == 0
    assert shell("reembed", "tiles").code == 0
    assert shell("evaluate", "--gallery", "tiles", "--report", "r.html").code == 0
    assert "data:image" in (shell.folder / "r.html").read_text()
    Image.new("RGB", (60, 60), "blue").save(path)  # no longer what was enrolled
    shell("evaluate", "--gallery", "tiles", "--report", "r.html")
    assert "data:image" not in (shell.folder / "r.html").read_text()


@pytest.mark.parametrize("source", ["../private/red.png", "/photos/../private/red.png", "a\\b"])
def test_nothing_leads_out_of_the_folder_that_the_user_names(shell, source):
    _, digest = red(shell.folder / "private")
    red(shell.folder / "photos")
    tiles_export(shell.folder / "out", source, digest)
    assert shell("import", "out", "--media", "photos").code == 0
    assert shell("reembed", "tiles").code == 2


@pytest.mark.parametrize(
    "source", [r"\x2e\x2e/private/red.png", r"a\x2f..\x2f..\x2fprivate/red.png"]
)
def test_an_escape_in_a_source_does_not_become_a_step_to_another_folder(shell, source):
    _, digest = red(shell.folder / "private")
    (shell.folder / "photos" / "a").mkdir(parents=True)
    tiles_export(shell.folder / "out", source, digest)
    assert shell("import", "out", "--media", "photos").code == 0
    assert "private" not in shell("show", "p0").out.replace(source, "")
    assert shell("reembed", "tiles").code == 2


@pytest.mark.timeout(20)
@pytest.mark.parametrize("source", ["x/" + "a" * 3000, "a/" * 20_000, "/", "\0"])
def test_a_source_that_cannot_be_a_file_keeps_nothing_from_being_imported(shell, source):
    (shell.folder / "photos").mkdir()
    tiles_export(shell.folder / "out", source, "00" * 32)
    done = shell("import", "out", "--media", "photos")
    assert (done.code, done.err) == (0 if "\0" not in source else 2, done.err)
    assert "\0" in source or "imported 4 samples" in done.out


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("gallery.json", "null", "null is not an object"),
        ("gallery.json", "[1]", "[1] is not an object"),
        ("samples.jsonl", "[]\n", "line 1: [] is not an object"),
        ("samples.jsonl", '"text"\n', 'line 1: "text" is not an object'),
    ],
)
def test_a_value_where_an_object_belongs_is_named(shell, file, text, reason):
    write_export(shell.folder / "out", people(1))
    (shell.folder / "out" / file).write_text(text)
    done = shell("import", "out")
    assert (done.code, reason in done.err) == (2, True), done.err


@pytest.mark.parametrize("field", ["threshold", "calibration"])
def test_a_threshold_and_a_calibration_are_objects(shell, field):
    write_export(shell.folder / "out", people(1), **{field: [0.5]})
    done = shell("import", "out")
    assert (done.code, "[0.5] is not an object" in done.err) == (2, True), done.err


def test_a_sample_twice_is_damage_rather_than_already_there(shell):
    row = {"identity": "alice", "digest": "00" * 32}
    write_export(shell.folder / "out", [row, {"identity": "bob"}, row])
    done = shell("import", "out")
    assert (done.code, "line 3: an earlier line holds the same sample" in done.err) == (2, True)


def test_an_encoder_folder_that_only_an_import_names_is_not_opened(shell):
    evil = shell.folder / "out" / "evil"
    write_export(shell.folder / "out", [], encoder=str(evil))
    evil.mkdir()
    write_folder(evil, b"x", Card("letters", "x", DIM, {}, "CC0-1.0", "x"))
    done = shell("import", "out")
    assert (done.code, "`--encoder NAME`" in done.err) == (2, True)
    relative = shutil.copytree(shell.folder / "out", shell.folder / "evil")
    card = json.loads((relative / "gallery.json").read_text()) | {"encoder": "evil"}
    (relative / "gallery.json").write_text(json.dumps(card))
    assert shell("import", "evil").code == 2  # a folder here has that name
    done = shell("import", "out", "--encoder", "out/evil")
    assert done.code == 1  # its fingerprint is another one
    assert "letters/1:toyx" in done.err


def test_samples_are_read_in_blocks_and_a_file_that_changes_meanwhile_leaves_nothing(
    shell, monkeypatch
):
    write_export(shell.folder / "out", people(23))
    monkeypatch.setattr(import_, "SAMPLES_PER_BLOCK", 10)
    sizes, insert = [], samples.insert

    def count(store, gallery, fingerprint, block, vectors):
        sizes.append(len(block))
        return insert(store, gallery, fingerprint, block, vectors)

    monkeypatch.setattr(samples, "insert", count)
    assert shell("import", "out").out.startswith("imported 23 samples")
    assert sizes == [10, 10, 3]

    def change(gains: object) -> None:
        path = shell.folder / "out" / "samples.jsonl"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:20]))

    with sk.Workspace(shell.folder / ".siamkit") as ws, pytest.raises(sk.BadInput, match="changed"):
        ws.import_(shell.folder / "out", as_gallery="letters", merge=True, confirm=change)
    (row,) = json.loads(shell("galleries", "--json").out)
    assert row["samples"] == 23


def test_the_same_sample_twice_is_a_fault_that_names_the_second_line(shell):
    write_export(shell.folder / "out", [*people(3), {"identity": "person 1"}])
    path = shell.folder / "out" / "samples.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], "", lines[1]]) + "\n")
    done = shell("import", "out")
    assert (done.code, "line 5: an earlier line holds the same sample" in done.err) == (2, True)
