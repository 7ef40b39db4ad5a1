"""Time `siamkit plugins list` with many plugins installed.

    python benchmarks/plugins_list.py --plugins 30

Writes distributions of one modality each, and times whole processes. `first` is the first run, when
no bytecode of the plugins exists, `list` the median of the others, and `click` the start of Python
with `import click`, which no command can be faster than. Aim: at most 150 ms.
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
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, site = Path(folder), Path(folder) / "site"
        site.mkdir()
        for number in range(options.plugins):
            install(root, site, f"copy-{number}", KINDS[number % len(KINDS)])
        path = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(site)])
        environment = {**os.environ, "PYTHONPATH": path, "SIAMKIT_CACHE": str(root / "cache")}

        def seconds(*arguments: str) -> float:
            started = time.perf_counter()
            done = subprocess.run(
                [sys.executable, *arguments],
                env=environment,
                capture_output=True,
                text=True,
                cwd=root,
                check=True,
            )
            assert "list" not in arguments or done.stdout.count("copy-") >= options.plugins
            return time.perf_counter() - started

        listing = ("-m", "siamkit", "plugins", "list")
        print(f"plugins    {options.plugins}, beside the built-in ones")
        print(f"first      {seconds(*listing):.3f} s")
        for name, arguments in (("list", listing), ("click", ("-c", "import click"))):
            times = sorted(seconds(*arguments) for _ in range(options.runs))
            print(f"{name:<9}  {statistics.median(times):.3f} s, best {times[0]:.3f} s")


def install(root: Path, site: Path, name: str, kind: str) -> None:
    """Put a distribution's metadata and module where pip puts them."""
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
