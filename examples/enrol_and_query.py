"""Enrol and query two photographs that installed packages ship, through the Python API.

Run it from anywhere: its store is a temporary folder.
"""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path

import siamkit as sk


def packaged(package: str, inside: str) -> Path:
    spec = find_spec(package)
    assert spec is not None, f"pip install {package}"
    assert spec.origin is not None
    return Path(spec.origin).parent / inside


collins = packaged("skimage", "data/astronaut.png")
hopper = packaged("matplotlib", "mpl-data/sample_data/grace_hopper.jpg")

with tempfile.TemporaryDirectory() as folder, sk.Workspace(folder) as ws:
    ws.enrol("faces", "Eileen Collins", collins)
    (answer,) = ws.query("faces", hopper)
    print("before she is enrolled:", answer.identity or "not enrolled")

    ws.enrol("faces", "Grace Hopper", hopper)
    (answer,) = ws.query("faces", hopper)
    for match in answer.matches:
        print(f"  {match.identity}: {match.score:.3f}")

    verification = ws.verify("faces", collins, hopper)
    print("the same person?", verification.verdict.decision)

    try:
        ws.enrol("faces", "nobody", packaged("skimage", "data/coffee.png"))
    except sk.SiamkitError as error:
        print("refused:", str(error).rpartition("/")[2])
