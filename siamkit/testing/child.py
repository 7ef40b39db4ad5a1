"""python -m siamkit.testing.child KIND MODULE CLASS REPORT: see siamkit.testing.apart."""

from __future__ import annotations

import importlib
import json
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Seconds to import each; a plugin that needs one imports it inside of a function.
HEAVY = {
    "torch", "torchvision", "tensorflow", "jax", "timm", "transformers", "sentence_transformers",
    "sklearn", "scipy", "pandas", "matplotlib",
}  # fmt: skip


def main(kind: str, module: str, qualname: str, out: str) -> None:
    report: dict[str, Any] = {
        "network": [], "said": "", "said_in_use": "", "threads": [], "heavy": []
    }  # fmt: skip
    _cut_off(report["network"])
    before = set(threading.enumerate())
    loaded = set(sys.modules)
    try:
        with _overheard(report, "said"):
            made: Any = importlib.import_module(module)
            for name in qualname.split("."):
                made = getattr(made, name)
            plugin = made()
    except BaseException as error:
        report["imported"] = f"{type(error).__name__}: {error}"
    else:
        report["threads"] = [t.name for t in threading.enumerate() if t not in before]
        report["heavy"] = sorted(HEAVY & {name.split(".")[0] for name in set(sys.modules) - loaded})
        try:
            with _overheard(report, "said_in_use"):
                report["fingerprint"] = _use(kind, plugin)
        except BaseException as error:
            report["used"] = f"{type(error).__name__}: {error}"
    Path(out).write_text(json.dumps(report), encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)  # a plugin's thread must not keep this process


def _use(kind: str, plugin: Any) -> str | None:
    """Do what a plugin is for, once. Returns its fingerprint if it is a modality."""
    from siamkit.pipeline import open_encoder
    from siamkit.testing.subjects import DetectorSubject
    from siamkit.types import Region

    if kind == "modality":
        encoder = open_encoder(plugin, None)
        _, source = plugin.examples()[0]
        encoder.embed([plugin.crop(plugin.load(source), Region())])
        return str(encoder.fingerprint)
    if kind == "detector":
        plugin.find(DetectorSubject(plugin).blank()[0])
    if kind == "index":
        with tempfile.TemporaryDirectory() as root:
            plugin.open("g1-s1", 8, root=Path(root), known=lambda cursor: True)
    return None


@contextmanager
def _overheard(report: dict[str, Any], what: str) -> Iterator[None]:
    """Keep what is written to standard output, by Python or by a library below it."""
    sys.stdout.flush()
    kept = os.dup(1)
    with tempfile.TemporaryFile() as heard:
        os.dup2(heard.fileno(), 1)
        try:
            yield
        finally:
            sys.stdout.flush()
            os.dup2(kept, 1)
            heard.seek(0)
            report[what] = heard.read().decode(errors="replace")


def _cut_off(asked: list[str]) -> None:
    """Let nothing reach the network, and note who tries."""

    def refuse(address: object) -> OSError:
        asked.append(str(address))
        return OSError("the conformance kit allows no network")

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            raise refuse(address)
        real(self, address)

    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        raise refuse(host)

    real = socket.socket.connect
    socket.socket.connect = connect  # type: ignore[method-assign, assignment]
    socket.getaddrinfo = resolve


if __name__ == "__main__":
    main(*sys.argv[1:])
