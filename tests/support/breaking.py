"""Break files: bytes, JSON fields and whole files, by a seeded random generator."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

# What JSON may hold where another value belongs; written as they are, valid JSON or not.
ODD = (
    *("null", "true", "0", "-1", "1.5", "2", "1e308", "-1e308", "1e999", "NaN", "-Infinity"),
    *("9223372036854775808", "1" * 400, "1" * 5000, "0." + "1" * 400, '""', '"x"', r'"\ud800"'),
    *(r'"\u0000"', r'"\u202e\u001b[2J"', '"../../../etc/passwd"', '"/dev/zero"'),
    *('"' + "x" * 70_000 + '"', "[]", "{}", "[null]", "[[[[]]]]", '{"a": 1, "a": 2}'),
    *("[" * 60 + "]" * 60, "[" * 5000, "[0, 0]"),
    *("[0.5, 0.5]", "[1, 0, 0, 1]", "[-1e9, 0, 1e9, 5]", '["x", "y"]', "[0, 1e400]"),
)
LARGE = 40 << 30  # bytes of a file that is mostly a hole
NPY_SHAPES = (
    f"({2**200}, 4)",
    f"(0, {2**62})",
    "(-1, 64)",
    "(1,)",
    "()",
    "(3, 0)",
    "(2, 64, 1)",
)
NPY_TYPES = ("'|O'", "'<f8'", "'<U9'", "'<i4'", "'>f4'", "[('a', '<f4')]", "'<f2'", "'nonsense'")


def break_bytes(path: Path, rng: Random) -> str:
    """Alter the bytes of a file a little."""
    content = bytearray(path.read_bytes())
    at = rng.randrange(len(content) + 1)
    kind = rng.choice(("flip", "cut", "insert", "delete", "repeat", "zero"))
    if kind == "cut":
        del content[at:]
    elif kind == "insert":
        content[at:at] = rng.randbytes(rng.choice((1, 4, 1000)))
    elif kind == "delete":
        del content[at : at + rng.choice((1, 8, 300))]
    elif kind == "repeat":
        content[at:at] = content[max(0, at - 500) : at] * rng.choice((1, 50))
    else:
        for place in range(at, min(at + rng.choice((1, 3, 64)), len(content))):
            content[place] = 0 if kind == "zero" else content[place] ^ 1 << rng.randrange(8)
    path.write_bytes(content)
    return f"{kind} at {at}"


def break_file(path: Path, rng: Random) -> str:
    """Replace a file as a whole: by nothing, a pipe, a device, a folder, a loop, a huge hole."""
    kind = rng.choice(
        ("absent", "empty", "pipe", "device", "folder", "loop", "huge", "text", "proc")
    )
    path.unlink()
    if kind == "empty":
        path.touch()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind in ("device", "loop", "proc"):
        path.symlink_to({"device": "/dev/zero", "loop": path.name, "proc": "/proc/self/maps"}[kind])
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(LARGE)
    elif kind == "text":
        path.write_text("this is not what it should be\n" * 50)
    return kind


def break_json(path: Path, rng: Random) -> str:
    """Exchange, remove, add or repeat a value of a document, or of a line of many."""
    lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    number = rng.randrange(len(lines))
    value = json.loads(lines[number])
    marks: dict[str, str] = {}
    change = _change(value, rng, marks)
    text = json.dumps(value)
    for mark, odd in marks.items():
        text = text.replace(f'"{mark}"', odd)
    lines[number] = text
    if path.suffix == ".jsonl" and rng.random() < 0.2:
        lines.insert(rng.randrange(len(lines)), rng.choice(ODD))
        change += ", and a line more"
    path.write_text("\n".join(lines) + "\n")
    return f"line {number + 1}, {change}"


def _change(value: Any, rng: Random, marks: dict[str, str]) -> str:
    """Change a place in a JSON value; `marks` says which texts stand for odd values."""
    where, keys = "", list(value) if isinstance(value, dict) else list(range(len(value)))
    while keys:
        key = rng.choice(keys)
        where += f".{key}"
        inner = value[key]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.7:
            value, keys = inner, list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            continue
        if rng.random() < 0.15:
            del value[key]
            return f"{where} removed"
        odd = rng.choice(ODD)
        value[key] = mark = f"mark-{len(marks)}"
        marks[mark] = odd
        return f"{where} = {odd[:40]}"
    return "nothing"


def break_npy(path: Path, rng: Random) -> str:
    """Exchange the header of an array, or numbers in it."""
    array = np.load(path)
    if rng.random() < 0.3:
        odd = rng.choice((np.nan, np.inf, 0.0, 1e38, -1.0))
        array[rng.randrange(len(array)), rng.randrange(array.shape[1])] = odd
        np.save(path, array)
        return f"a number {odd}"
    dtype = rng.choice((*NPY_TYPES, "'<f4'", "'<f4'"))
    shape = rng.choice((*NPY_SHAPES, str(array.shape)))
    header = f"{{'descr': {dtype}, 'fortran_order': {rng.random() < 0.3}, 'shape': {shape}}}\n"
    header = rng.choice((header, header, "(" * 9000, "{" * 90))
    length = rng.choice((len(header), len(header), len(header), 0xFFFFFFFF))
    start = b"\x93NUMPY\x02\x00" + length.to_bytes(4, "little") + header.encode()
    path.write_bytes(start + array.tobytes())
    return f"header {dtype} {shape} of {length} bytes"


def break_lines(path: Path, rng: Random) -> str:
    """Break a table of text: fields, quotation marks, columns, lines, encodings."""
    lines = path.read_text().splitlines()
    number = rng.randrange(len(lines))
    odd = rng.choice((*ODD, "a,b,c,d,e,f", '"never closed', "=cmd|'/c calc'!A1", "\x00", "\x1b[2J"))
    kind = rng.choice(("line", "field", "head", "encoding", "repeat", "long"))
    if kind == "line":
        lines[number] = odd
    elif kind == "field":
        fields = lines[number].split(",")
        fields[rng.randrange(len(fields))] = odd
        lines[number] = ",".join(fields)
    elif kind == "head":
        lines[0] = rng.choice((odd, "a,a,label", "", ",,,", "\ufeffa;b;label"))
    elif kind == "repeat":
        lines += lines[number:] * 20
    elif kind == "long":
        lines[number] = "x" * 3_000_000
    encoding = (
        rng.choice(("utf-16", "utf-7", "cp1252", "utf-32")) if kind == "encoding" else "utf-8"
    )
    path.write_bytes("\n".join(lines).encode(encoding, "replace"))
    return f"{kind}, line {number + 1}, {encoding}, {odd[:30]!r}"


Breaker = Callable[[Path, Random], str]
