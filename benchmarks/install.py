"""Size and time of an installation: what serves, and everything.

    python benchmarks/install.py [FOLDER]

Makes FOLDER/serves and FOLDER/all (a temporary folder by default), each a virtual environment, with
`pip install .` and `pip install '.[all]'`. Time is of the second run of pip, whose packages are
cached; size is of the files in site-packages, less those of an empty environment.
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


def megabytes(environment: Path) -> float:
    """Return the size of all files that packages have installed, in MB (10^6 bytes)."""
    (packages,) = environment.glob("lib/python*/site-packages")
    return sum(p.lstat().st_size for p in packages.rglob("*") if p.is_file()) / 1e6


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
    rows = [("installed", "MB", "seconds")]
    for name, extras in EXTRAS.items():
        environment = folder / name
        for _ in range(2):  # the first run fetches
            venv.create(environment, clear=True, with_pip=True)
            empty = megabytes(environment)
            took = install(environment, extras)
        size = megabytes(environment) - empty
        rows.append((f"siamkit{extras}", f"{size:,.0f}", f"{took:.0f}"))
    table(rows)


if __name__ == "__main__":
    main()
