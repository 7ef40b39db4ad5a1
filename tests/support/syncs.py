"""Run a command under strace, and list what is not on the disk when it reports to be done."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

CALLS = "write,pwrite64,writev,ftruncate,openat,mkdir,rename,unlink,rmdir,fsync,fdatasync"
LINE = re.compile(r"(\d+) +(\w+)\((.*)")
RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>")
HANDLE = re.compile(r"\d+<([^>]*)>")
AT = re.compile(r'AT_FDCWD<([^>]*)>, "([^"]*)", (\S+)')
NAMES = re.compile(r'"((?:[^"\\]|\\.)*)"')
# The shared memory of SQLite is rebuilt, and the register of unfinished outputs is an aid.
EXEMPT = re.compile(r"store\.db-shm$|/writing(/|$)")


def not_synced(folder: Path, command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Return the paths below `folder` that a power cut could still undo at the command's report.

    That is its first write to standard output. A path is a file that was written to, or a folder
    in which a name was created or moved.
    """
    trace, out = folder.with_name("trace"), folder.with_name("stdout")
    strace = ["strace", "-f", "-y", "-qq", "--seccomp-bpf", "-e", f"trace={CALLS}", "-o", trace]
    with out.open("wb") as stdout:
        done = subprocess.run(
            [*strace, sys.executable, "-m", "siamkit", *command],
            cwd=folder, env=environment, stdout=stdout, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert out.read_bytes(), "the command reported nothing"
    return _dirty_at_report(trace.read_text(errors="replace").splitlines(), folder, str(out))


def _dirty_at_report(lines: list[str], folder: Path, out: str) -> list[str]:
    dirty: set[str] = set()
    syncing: dict[str, str] = {}  # process: the path whose sync has not returned
    for line in lines:
        if match := RESUMED.match(line):
            if match[2] in ("fsync", "fdatasync"):
                dirty.discard(syncing.pop(match[1]))
            continue
        if not (match := LINE.match(line)) or (" = -1 " in line):
            continue
        process, call, rest = match.groups()
        handle = HANDLE.match(rest)
        if call in ("write", "pwrite64", "writev", "ftruncate") and handle:
            if handle[1] == out:
                break
            dirty.add(handle[1])
        elif call in ("fsync", "fdatasync") and handle:
            if "unfinished" in rest:
                syncing[process] = handle[1]
            else:
                dirty.discard(handle[1])
        elif call == "openat" and (at := AT.match(rest)) and "O_CREAT" in at[3]:
            path = Path(at[1], at[2])
            dirty.update({str(path.parent)} if "O_EXCL" in at[3] else ())
        elif call in ("mkdir", "rename", "unlink", "rmdir"):
            names = [str(folder / name) for name in NAMES.findall(rest)]
            _change_names(call, names, dirty)
    inside = (path for path in dirty if path == str(folder) or path.startswith(f"{folder}/"))
    return sorted(path for path in inside if not EXEMPT.search(path))


def _change_names(call: str, names: list[str], dirty: set[str]) -> None:
    """Follow files to their new names; a folder is dirty if a name in it is new."""
    if call in ("unlink", "rmdir"):
        for path in [path for path in dirty if f"{path}/".startswith(f"{names[0]}/")]:
            dirty.remove(path)
        return
    if call == "rename":
        for path in [path for path in dirty if f"{path}/".startswith(f"{names[0]}/")]:
            dirty.remove(path)
            dirty.add(names[1] + path[len(names[0]) :])
    if not EXEMPT.search(names[-1]):
        dirty.add(str(Path(names[-1]).parent))
