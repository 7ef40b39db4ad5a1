"""A file is replaced as a whole, or not at all."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from siamkit.io.atomic import replace_text, replacing


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    with replacing(path) as temporary:
        assert temporary.suffix == ".html"
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["report.html"]


def test_a_failure_keeps_the_old_file(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("half of it")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["report.html"]


def test_a_new_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    replace_text(tmp_path / "new", "text")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("usual", "new")}
    assert len(modes) == 1


def test_surrogates_are_written_as_escapes(tmp_path):
    replace_text(tmp_path / "a.txt", "caf\udce9")
    assert (tmp_path / "a.txt").read_text() == "caf\\udce9"


@pytest.mark.skipif(os.name != "posix", reason="no other system tells which processes run")
def test_what_a_killed_process_left_is_deleted_by_the_next(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / f".a.{ended.pid}.txt").write_text("left behind")
    (tmp_path / f".a.{os.getppid()}.txt").write_text("being written")
    (tmp_path / f".other.{ended.pid}.txt").write_text("of another file")
    replace_text(tmp_path / "a.txt", "new")
    assert sorted(os.listdir(tmp_path)) == sorted(
        ["a.txt", f".a.{os.getppid()}.txt", f".other.{ended.pid}.txt"]
    )


def test_a_folder_that_is_absent_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        replace_text(tmp_path / "absent" / "a.txt", "text")
