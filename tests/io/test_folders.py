"""What lies below a folder: samples, and what systems leave there."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from siamkit.embed.manifests import read_labelled_folder
from siamkit.errors import BadInput
from siamkit.io import folders
from siamkit.io.absent import hint_for_absent
from siamkit.io.folders import files_under

DEBRIS = [
    "Thumbs.db", "thumbs.DB", "ehthumbs.db", "Desktop.ini", "Icon\r", ".DS_Store", "._1.png",
    "~$letter.docx", "1.png.tmp", "1.png.part", "x.crdownload", "1.png~", "#1.png#", ".hidden",
    "__MACOSX/1.png", "@eaDir/1.png", "#recycle/1.png", "$RECYCLE.BIN/1.png", "lost+found/1.png",
    ".Trash/1.png", ".Trash-1000/files/1.png", "System Volume Information/1.png", ".git/x",
    "FOUND.000/FILE0000.CHK", "$WinREAgent/1.png", "$Windows.~BT/1.png", "__pycache__/x.pyc",
    "1.png:Zone.Identifier", "Autorun.inf", "Picasa.ini",
]  # fmt: skip
SAMPLES = [
    "1.png",
    "2.JPG",
    "icon.png",
    "thumbs.png",
    "tmp.png",
    "backup/3.png",
    "icon/4.png",
    "Mr.Part/1.png",
    "recycler/1.png",
    "a.tmp/1.png",
    "$5.png",
    "~me.png",
]


def fill(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def listed(folder: Path) -> list[tuple[str, str]]:
    pairs, _ = read_labelled_folder(folder)
    return [(label, Path(file).relative_to(folder).as_posix()) for label, file in pairs]


def faults(folder: Path) -> list[str]:
    return [str(fault).removeprefix(f"{folder}/") for fault in read_labelled_folder(folder)[1]]


def test_debris_is_no_sample(tmp_path):
    fill(tmp_path, [*DEBRIS, *SAMPLES])
    found = [path.relative_to(tmp_path).as_posix() for path in files_under(tmp_path)]
    assert found == sorted(SAMPLES, key=lambda name: Path(name).parts)


def test_a_folder_without_a_sample_is_a_fault_and_no_identity(tmp_path):
    fill(tmp_path, ["alice/1.png", "junk/Thumbs.db", "junk/.DS_Store", "deep/a/__MACOSX/1.png"])
    (tmp_path / "empty").mkdir()
    assert listed(tmp_path) == [("alice", "alice/1.png")]
    empty = ("deep", "empty", "junk")
    assert faults(tmp_path) == [f"{name}: there is no sample in it" for name in empty]


def test_a_folder_that_cannot_be_read_is_a_fault(tmp_path, monkeypatch):
    fill(tmp_path, ["alice/1.png", "bob/1.png"])
    listdir = os.listdir

    def refuse(path):
        if Path(path).name == "bob":
            raise PermissionError(13, "Permission denied", str(path))
        return listdir(path)

    monkeypatch.setattr(folders.os, "listdir", refuse)
    assert listed(tmp_path) == [("alice", "alice/1.png")]
    assert faults(tmp_path) == ["bob: cannot be read: Permission denied"]


def test_a_folder_of_nothing_usable_is_refused(tmp_path):
    fill(tmp_path, ["junk/Thumbs.db"])
    with pytest.raises(BadInput, match=r"there is no file in .*junk: there is no sample in it"):
        read_labelled_folder(tmp_path)


def test_folders_within_folders_are_remarked_or_refused(tmp_path, caplog):
    fill(tmp_path, ["alice/1.png", "2024/bob/1.png", "2024/carol/1.png"])
    assert {label for label, _ in listed(tmp_path)} == {"alice", "2024"}
    assert "1 folders in" in caplog.text
    assert "such as 2024" in caplog.text
    fill(tmp_path / "only", ["people/bob/1.png", "people/carol/1.png"])
    with pytest.raises(BadInput, match="holds folders, not samples") as caught:
        read_labelled_folder(tmp_path / "only")
    assert f"{tmp_path}/only/people" in caught.value.hint


def test_one_name_in_two_normal_forms_is_one_identity(tmp_path, caplog):
    composed, decomposed = (unicodedata.normalize(form, "Amélie") for form in ("NFC", "NFD"))
    fill(tmp_path, [f"{composed}/1.png", f"{decomposed}/2.png", "bob /3.png", "Bob/4.png"])
    labels = [label for label, _ in listed(tmp_path)]
    assert sorted(labels) == sorted([composed, composed, "bob", "Bob"])
    assert "'Bob' and 'bob' differ in case alone, and count as 2 identities" in caplog.text


@pytest.mark.timeout(20)
def test_links_are_followed_but_never_back(tmp_path):
    fill(tmp_path, ["data/alice/1.png", "else/bob/2.png"])
    data = tmp_path / "data"
    (data / "bob").symlink_to("../else/bob")
    (data / "loop").symlink_to(".")
    (data / "alice" / "up").symlink_to("..")
    (data / "alice" / "self").symlink_to("self")
    (data / "alice" / "gone.png").symlink_to("nowhere")
    assert listed(data) == [
        ("alice", "alice/1.png"),
        ("alice", "alice/gone.png"),  # each is reported when it is read
        ("alice", "alice/self"),
        ("bob", "bob/2.png"),
    ]
    assert faults(data) == ["loop: there is no sample in it"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("C:\\x\\y.jpg", "a path of Windows"),
        ("/data/m/C:\\x\\y.jpg", "a path of Windows"),
        ("C:/x/y.jpg", "a path of Windows"),
        ("\\\\server\\share\\a.jpg", "a path of Windows"),
        ("dir\\a.jpg", "on this system: dir/a.jpg"),
        ("/data/dir\\a b.jpg", "on this system: /data/dir/a b.jpg"),
        ("file:///a%20b.jpg", "give the path alone: /a b.jpg"),
        ("/data/file:/a.jpg", "give the path alone: /a.jpg"),
        ("file:///C:/a.jpg", "give the path alone: C:/a.jpg"),
        ("http://h/a.jpg", "download it first"),
        ("HTTPS://h/a.jpg", "download it first"),
        ("s3://bucket/a.jpg", "download it first"),
        ("data:image/png;base64,AAAA", "download it first"),
        ("/data/~/a.jpg", "only at the beginning"),
        ("caf\udce9.jpg", "is not UTF-8"),
        ("a.jpg", ""),
    ],
)
def test_hints_for_files_that_do_not_exist(name, hint):
    given = hint_for_absent(Path(name))
    assert hint in given
    assert bool(hint) == bool(given)


def test_blanks_and_quotation_marks_around_a_name(tmp_path):
    (tmp_path / "a.jpg").touch()
    for name in (" a.jpg", "a.jpg ", '"a.jpg"', "'a.jpg'", "a.jpg\t"):
        assert "leave out the blanks" in hint_for_absent(tmp_path / name)
    assert hint_for_absent(tmp_path / " b.jpg") == ""
