"""A file is replaced as a whole, or not at all."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from siamkit import BadInput
from siamkit.io import unfinished
from siamkit.io.atomic import (
    adding_files,
    create_folder,
    replace_text,
    replacing,
    require_writable,
    writing_folder,
)

POSIX = pytest.mark.skipif(os.name != "posix", reason="elsewhere nothing is deleted")


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


@pytest.mark.skipif(os.name != "posix", reason="elsewhere modes say nothing of others")
@pytest.mark.parametrize("umask", [0, 0o022, 0o277])
def test_what_is_written_is_its_owners_alone(tmp_path, umask):
    (tmp_path / "replaced").touch(mode=0o666)
    before = os.umask(umask)
    try:
        replace_text(tmp_path / "new", "text")
        replace_text(tmp_path / "replaced", "text")
        with replacing(tmp_path / "stubborn") as temporary:
            temporary.write_text("text")
            temporary.chmod(0o644)
        with writing_folder(tmp_path / "folder") as folder:
            (folder / "inner").mkdir()
            (folder / "inner" / "file").write_text("text")
        create_folder(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    paths = list(tmp_path.rglob("*"))
    assert len(paths) == 8
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in paths}
    assert modes == {path: 0o700 if path.is_dir() else 0o600 for path in paths}


def test_surrogates_are_written_as_escapes(tmp_path):
    replace_text(tmp_path / "a.txt", "caf\udce9")
    assert (tmp_path / "a.txt").read_text() == "caf\\udce9"


WRITER = """
import sys, time
from pathlib import Path
from siamkit.io.atomic import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half of it")
    print(temporary, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def killed(tmp_path):
    """Kill a process while it writes a file; return what it leaves of it."""

    def kill(path):
        command = [sys.executable, "-c", WRITER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            temporary = Path(process.stdout.readline().strip())
            assert temporary.read_text() == "half of it"
            assert unfinished.abandoned(path.parent, unfinished.user_register()) == []
            replace_text(path.parent / "another", "text")
            assert temporary.exists()  # its writer lives
            process.kill()
        assert temporary.exists()
        return temporary.parent

    return kill


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("SIAMKIT_CACHE", str(tmp_path_factory.mktemp("cache")))


@POSIX
@pytest.mark.timeout(60)
def test_what_a_killed_process_left_is_deleted_by_the_next_in_that_folder(tmp_path, killed):
    left = killed(tmp_path / "a.txt")
    (tmp_path / ".siamkit-notes").mkdir()  # not a name of ours
    replace_text(tmp_path / "b.txt", "new")
    assert not left.exists()
    assert sorted(os.listdir(tmp_path)) == [".siamkit-notes", "another", "b.txt"]


@POSIX
@pytest.mark.timeout(60)
def test_what_a_killed_process_left_is_found_from_anywhere(tmp_path, killed):
    (tmp_path / "there").mkdir()
    left = killed(tmp_path / "there" / "a.txt")
    assert unfinished.abandoned(None, unfinished.user_register()) == [left]
    replace_text(tmp_path / "here", "new")
    assert not left.exists()
    assert unfinished.abandoned(None, unfinished.user_register()) == []
    assert os.listdir(unfinished.user_register()) == []


def test_a_note_deletes_nothing_but_unfinished_outputs(tmp_path):
    (tmp_path / "valuable").mkdir()
    register = unfinished.user_register()
    register.mkdir()
    name = f".siamkit-{'0' * 16}"
    for content in (tmp_path / "valuable", tmp_path / f".siamkit-{'1' * 16}"):
        content.mkdir(exist_ok=True)
        (register / name).write_text(str(content))
        replace_text(tmp_path / "a.txt", "text")
        if content.name == "valuable":
            assert content.exists()


def test_what_is_written_is_on_the_disk_before_it_is_reported(tmp_path, monkeypatch):
    """Of a file: its content, then the names in its folder. Of a folder: everything in it, too."""
    synced = []

    def fsync(handle):
        state = os.fstat(handle)
        synced.append((state.st_dev, state.st_ino))

    monkeypatch.setattr(os, "fsync", fsync)
    replace_text(tmp_path / "a.txt", "text")
    assert synced == [inode(tmp_path / "a.txt"), inode(tmp_path)]
    synced.clear()
    with writing_folder(tmp_path / "folder") as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "file").write_text("text")
    paths = [tmp_path / name for name in ("folder", "folder/inner", "folder/inner/file")]
    assert set(synced) == {inode(path) for path in (*paths, tmp_path)}
    assert synced[-1] == inode(tmp_path)
    synced.clear()
    create_folder(tmp_path / "a" / "b")
    assert synced == [inode(tmp_path), inode(tmp_path / "a")]


def inode(path):
    return path.stat().st_dev, path.stat().st_ino


def test_files_are_added_to_a_folder_all_or_none(tmp_path):
    (tmp_path / "1.png").write_text("old")
    (tmp_path / "other").write_text("stays")

    def fail():
        with adding_files(tmp_path) as beside:
            (beside / "1.png").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (tmp_path / "1.png").read_text() == "old"
    with adding_files(tmp_path) as beside:
        for name in ("1.png", "2.png"):
            (beside / name).write_text("new")
        assert (tmp_path / "1.png").read_text() == "old"
    assert (tmp_path / "1.png").read_text() == (tmp_path / "2.png").read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["1.png", "2.png", "other"]


def test_a_folder_is_replaced_whole_or_stays(tmp_path):
    def write(text, **options):
        with writing_folder(tmp_path / "folder", **options) as folder:
            (folder / "a.txt").write_text(text)
            if text == "fails":
                raise KeyboardInterrupt

    write("first")
    with pytest.raises(BadInput, match="already exists"):
        write("second")
    with pytest.raises(KeyboardInterrupt):
        write("fails", replace=True)
    assert (tmp_path / "folder" / "a.txt").read_text() == "first"
    write("third", replace=True)
    assert (tmp_path / "folder" / "a.txt").read_text() == "third"
    assert os.listdir(tmp_path) == ["folder"]


@POSIX
def test_a_device_is_no_file_to_replace(tmp_path):
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(BadInput, match="pipe or a device"):
        require_writable(tmp_path / "a.csv", [".csv"])


def test_a_cache_that_cannot_be_written_prevents_no_output(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SIAMKIT_CACHE", str(tmp_path / "file"))
    replace_text(tmp_path / "a.txt", "text")
    assert (tmp_path / "a.txt").read_text() == "text"


def test_a_folder_that_is_absent_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        replace_text(tmp_path / "absent" / "a.txt", "text")


def test_a_new_name_and_an_old_file_can_be_written(tmp_path):
    require_writable(tmp_path / "a.csv", [".csv"])
    (tmp_path / "a.csv").touch()
    require_writable(tmp_path / "a.csv", [".csv"])


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no other system lists handles")
@pytest.mark.timeout(60)
def test_a_long_process_opens_no_more_files_with_each_output(tmp_path):
    replace_text(tmp_path / "a.txt", "text")
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        replace_text(tmp_path / "a.txt", str(number))
        with writing_folder(tmp_path / "folder", replace=True) as folder:
            (folder / "a.txt").write_text("text")
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_cannot_be_written_is_said_before_the_work(tmp_path, monkeypatch):
    with pytest.raises(BadInput, match="does not exist") as error:
        require_writable(tmp_path / "absent" / "a.csv", [".csv"])
    assert "mkdir -p" in error.value.hint
    with pytest.raises(BadInput, match=r"cannot write '\.txt'"):
        require_writable(tmp_path / "a.txt", [".csv"])
    with pytest.raises(BadInput, match="is a directory"):
        require_writable(tmp_path, [""])

    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(BadInput, match="cannot be written: Permission denied"):
        require_writable(tmp_path / "a.csv", [".csv"])


@POSIX
def test_a_folder_that_another_process_creates_first_stays_as_it_is(tmp_path, monkeypatch):
    create = Path.mkdir

    def be_second(path, *arguments):
        create(path, *arguments)
        path.chmod(0o750)
        raise FileExistsError

    monkeypatch.setattr(Path, "mkdir", be_second)
    create_folder(tmp_path / "folder")
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o750
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        create_folder(tmp_path / "file")


@pytest.mark.parametrize("write", [replacing, writing_folder])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG, errno.EIO])
def test_an_error_of_the_disk_names_the_output(tmp_path, write, code):
    def fail(temporary: Path | None) -> None:
        with write(tmp_path / "out"):
            raise OSError(code, os.strerror(code), temporary and str(temporary))

    for temporary in (None, tmp_path / ".siamkit-0123456789abcdef" / "out"):
        with pytest.raises(OSError, match=os.strerror(code)) as caught:
            fail(temporary)
        assert caught.value.filename == str(tmp_path / "out")
    with pytest.raises(OSError, match=os.strerror(code)) as caught:
        fail(tmp_path / "what is read")
    assert caught.value.filename == str(tmp_path / "what is read")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that nothing can be put in")
def test_an_output_that_cannot_be_begun_is_named(shell):
    shell("enrol", "g", "-m", "letters", "--text", "hello", "--as", "alice")
    done = shell("export", "g", "/proc/out")
    assert (done.code, done.err) == (1, "Error: /proc/out: No such file or directory\n")
