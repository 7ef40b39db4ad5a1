"""How long `siamkit plugins list` takes with many plugins: the first time, and after that.

    python benchmarks/plugins_list.py --plugins 30

Makes so many distributions of one modality each, and times whole processes, with Python's own
start; `bare` is that start, with click.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from siamkit.scaffold import KINDS, write


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plugins", type=int, default=30)
    parser.add_argument("--runs", type=int, default=15)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        root, site = Path(made), Path(made) / "site"
        site.mkdir()
        for number in range(asked.plugins):
            install(root, site, f"made-{number}", KINDS[number % len(KINDS)])
        path = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(site)])
        environment = {**os.environ, "PYTHONPATH": path, "SIAMKIT_CACHE": str(root / "cache")}

        def seconds(*arguments: str) -> float:
            started = time.perf_counter()
            done = subprocess.run(
                [sys.executable, *arguments], env=environment, capture_output=True, text=True,
                cwd=root, check=True,
            )  # fmt: skip
            assert "list" not in arguments or done.stdout.count("made-") >= asked.plugins
            return time.perf_counter() - started

        listing = ("-m", "siamkit", "plugins", "list")
        print(f"plugins    {asked.plugins} made, beside the built-in ones")
        print(f"first      {seconds(*listing):.3f} s")
        for name, arguments in (("again", listing), ("bare", ("-c", "import click"))):
            times = sorted(seconds(*arguments) for _ in range(asked.runs))
            print(f"{name:<9}  {statistics.median(times):.3f} s, best {times[0]:.3f} s")


def install(root: Path, site: Path, name: str, kind: str) -> None:
    """A distribution's metadata and its module, as pip leaves them."""
    write(name, kind, root / name)
    module = f"siamkit_{name.replace('-', '_')}"
    (root / name / f"{module}.py").rename(site / f"{module}.py")
    info = site / f"{module}-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: siamkit-{name}\nVersion: 0.1.0\n")
    camel = "".join(word.capitalize() for word in name.split("-"))
    (info / "entry_points.txt").write_text(
        f"[siamkit.modalities]\n{name} = {module}:{camel}Modality\n"
    )


if __name__ == "__main__":
    main()
