"""Time the start of `siamkit serve` until it can answer about faces, and what its import costs.

    python benchmarks/serve_start.py

Ready means that /readyz answers 200: the store is open, and the models and the index of every
gallery are in memory. Processor times hold on a busy machine; wall times are the best of the runs.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import psutil
from timing import cpu_seconds, table

import siamkit as sk

RUNS = 5
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
IMPORTS = {
    "siamkit query": "import siamkit.cli.query, siamkit.flows.query, siamkit.workspace",
    "siamkit serve": "import siamkit.cli.serve, siamkit.serve.app, siamkit.serve.run, uvicorn",
}


def start(folder: str) -> tuple[float, float]:
    """Return wall and processor seconds from the start of a server until it is ready."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "siamkit", "serve", "--port", "0", "--store", folder]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    url = server.stderr.readline().split()[0]
    while True:
        try:
            OPENER.open(f"{url}/readyz", timeout=5).close()
            break
        except OSError:
            time.sleep(0.01)
    wall = time.perf_counter() - began
    used = psutil.Process(server.pid).cpu_times()
    server.terminate()
    server.wait()
    return wall, used.user + used.system


photo = Path(find_spec("matplotlib").origin).parent / "mpl-data/sample_data/grace_hopper.jpg"
with tempfile.TemporaryDirectory() as folder:
    with sk.Workspace(folder) as ws:
        ws.enrol("faces", "Grace Hopper", photo)
    start(folder)  # warm-up
    runs = [start(folder) for _ in range(RUNS)]
imports = {name: cpu_seconds([sys.executable, "-c", code], RUNS) for name, code in IMPORTS.items()}
difference = imports["siamkit serve"] - imports["siamkit query"]
load = os.getloadavg()[0] / (os.cpu_count() or 1)
table(
    [
        ("figure", f"of {RUNS}", "goal"),
        ("start to ready, wall", f"{min(wall for wall, _ in runs):.2f} s", "<= 1.5 s"),
        ("processor time of it", f"{statistics.median(cpu for _, cpu in runs):.2f} s", ""),
        *((f"import, {name}", f"{spent:.2f} s", "") for name, spent in imports.items()),
        ("more for the server", f"{difference:.2f} s", "<= 0.5 s"),
        ("load of the machine per core", f"{load:.1f}", ""),
    ]
)
