"""Files that siamkit did not write: what is read, what is refused, and that nothing hangs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from siamkit.errors import BadInput
from siamkit.io import foreign

SECONDS = 10  # a reader that waits for a pipe or reads without end


def read(path: Path) -> object:
    return foreign.read_json(path, hint="write another")


@pytest.mark.timeout(SECONDS)
def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    folder, pipe, loop = tmp_path, tmp_path / "pipe", tmp_path / "loop"
    odd = [Path("/dev/zero"), Path("/proc/self/status"), tmp_path / "absent", Path("a\0b")]
    for path in (folder, pipe, loop, *odd):
        for reader in (read, foreign.open_npy, lambda path: list(foreign.read_json_lines(path))):
            with pytest.raises(BadInput, match=r"cannot be read|is a|is not an ordinary") as caught:
                reader(path)
            assert caught.value.hint or reader is not read, path


def test_a_file_above_its_limit_is_not_read(tmp_path):
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(BadInput, match="more than the limit of 16,777,216"):
        read(path)
    with pytest.raises(BadInput, match="line 1: more than 8,388,608 bytes"):
        list(foreign.read_json_lines(path))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[" * 100_000, "not JSON"),
        ("[" * 50 + "]" * 50, "more than 32 lists and objects"),
        ('{"a": ' * 33 + "1" + "}" * 33, "more than 32 lists and objects"),
        ("1" * 400, "does not fit into 64 bits"),
        ("1" * 5000, "does not fit into 64 bits"),
        ("-9223372036854775809", "does not fit into 64 bits"),
        ("0." + "1" * 400, "too long or too large"),
        ("1e999", "too long or too large"),
        ("[NaN]", "NaN is not a number"),
        ("[-Infinity]", "-Infinity is not a number"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' more than once"),
        (r'"\ud800"', "not UTF-8"),
        ("", "not JSON"),
        ("[1] 2", "not JSON"),
    ],
)
def test_json_that_programs_read_differently_is_refused(tmp_path, text, fault):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=fault) as caught:
        read(path)
    assert str(path) in str(caught.value)
    path.write_text(f"1\n\n{text}\n" if text else "1\n\n{\n")
    with pytest.raises(BadInput, match="line 3: "):
        list(foreign.read_json_lines(path))


def test_what_is_well_formed_is_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('\ufeff{"a": [1, -2.5e-3, true, null], "b": "\\ud83d\\ude00 [[["}')
    assert read(path) == {"a": [1, -0.0025, True, None], "b": "\U0001f600 [[["}
    path.write_text("[" * 32 + f'"{"[" * 90}"' + "]" * 32)
    assert read(path)
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\n "b"\n3')
    assert list(foreign.read_json_lines(path)) == [(1, {"a": 1}), (3, "b"), (4, 3)]
    path.write_bytes(b'"\xff"')
    with pytest.raises(BadInput, match="not UTF-8"):
        read(path)


@pytest.mark.parametrize("shape", [(3, 4), (0, 4), (5,), ()])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["f4", "f2", ">f8", "i8", "?"])
def test_arrays_of_numbers_are_mapped(tmp_path, shape, order, dtype):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype, order)
    np.save(tmp_path / "a.npy", array)
    mapped = foreign.open_npy(tmp_path / "a.npy")
    assert mapped.dtype == array.dtype
    np.testing.assert_array_equal(mapped, array)


def header(text: str, version: int = 1) -> bytes:
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode()


def described(descr: str, shape: str) -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUM",
        b"PK\3\4",
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff",  # a header of 4 GB
        b"\x93NUMPY\x09\x00\x02\x00{}",
        header("(" * 9000),
        header("{" + "[" * 2000 + "]" * 2000 + "}"),
        header(described("'<f4'", f"({2**200}, 4)")),
        header(described("'<f4'", f"({2**200}, 0)")),
        header(described("'<f4'", f"(0, {2**60})")),
        header(described("'<f4'", f"({2**33}, {2**33})")),
        header(described("'<f4'", "(4, 0)")),
        header(described("'<f4'", "(-1, 4)")),
        header(described("'<f4'", "(True, 1)")) + b"\0" * 5,
        header(described("'<f4'", "(2, 2)")) + b"\0" * 15,
        header(described("'<f4'", "(2, 2)")) + b"\0" * 17,
        header(described("'|O'", "(1,)")) + b"\x80\4K\1.",
        header(described("'<U4000000'", "(1,)"), 2),
        header(described("[('a', '<f4')]", "(1,)")) + b"\0" * 4,
        header(described("'nonsense'", "(1,)")),
        header(described("'<f4'", "(1, 4)"), 3) + b"\0" * 3,
    ],
)
def test_an_array_that_is_not_what_its_header_says_is_refused(tmp_path, content):
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="is not an array: "):
        foreign.open_npy(path)
