"""Size and time of an installation: what serves, and everything.

    python benchmarks/install.py [FOLDER]

Makes FOLDER/serves and FOLDER/all (a temporary folder by default), each a virtual environment, with
`pip install .` and `pip install '.[all]'`. Time is of the second run of pip, whose packages are
cached; size is of the files in site-packages, less those of an empty environment, and of the byte
code that pip compiles them to.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from timing import table

ROOT = Path(__file__).parents[1]
EXTRAS = {"serves": "", "all": "[all]"}


def megabytes(environment: Path) -> tuple[float, float]:
    """Return the size of what packages have installed, and of its byte code, in MB (10^6 bytes)."""
    (packages,) = environment.glob("lib/python*/site-packages")
    sizes = [
        (p.lstat().st_size / 1e6, p.suffix == ".pyc") for p in packages.rglob("*") if p.is_file()
    ]
    return sum(s for s, is_code in sizes if not is_code), sum(s for s, is_code in sizes if is_code)


def install(environment: Path, extras: str) -> float:
    """Install siamkit into an environment; return the seconds that pip took."""
    pip = [environment / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    started = time.perf_counter()
    subprocess.run(
        [*pip, "install", "--quiet", "-c", ROOT / "constraints.txt", f"{ROOT}{extras}"], check=True
    )
    return time.perf_counter() - started


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    rows = [("installed", "MB, and of byte code", "seconds")]
    for name, extras in EXTRAS.items():
        environment = folder / name
        for _ in range(2):  # the first run fetches
            venv.create(environment, clear=True, with_pip=True)
            empty = megabytes(environment)
            took = install(environment, extras)
        files, code = (a - b for a, b in zip(megabytes(environment), empty, strict=True))
        rows.append((f"siamkit{extras}", f"{files:,.0f} + {code:,.0f}", f"{took:.0f}"))
    table(rows)


if __name__ == "__main__":
    main()
