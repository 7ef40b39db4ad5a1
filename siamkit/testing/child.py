"""Tasks for a process of `siamkit.testing.fresh_process`: observe a plugin, or save an index.

python -m siamkit.testing.child TASK MODULE:CLASS ARGUMENT
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, TextIO

import numpy as np

from siamkit.protocols import Detector, IndexBackend, Modality
from siamkit.testing.fresh_process import SAVES, STEP, Report
from siamkit.testing.index_fixtures import KEY, cursor, ids, queries, rows
from siamkit.testing.media import blank_media
from siamkit.testing.rule import NotRun
from siamkit.testing.subjects import DetectorSubject, IndexSubject, ModalitySubject

# Each takes seconds to import; a plugin that needs one imports it inside a function.
DEEP_LEARNING = {"torch", "torchvision", "tensorflow", "jax", "timm", "transformers"}
HEAVY = DEEP_LEARNING | {"sentence_transformers", "sklearn", "scipy", "pandas", "matplotlib"}
CONNECTIONS = ("socket.connect", "socket.sendto")  # audit events of Python
LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname")


def main(task: str, address: str, argument: str) -> None:
    """Run one task. Its answers go to the standard output that this process began with."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        if task == "observe":
            observe(address, argument, answers)
        else:
            save_repeatedly(address, Path(argument), answers)


def observe(address: str, kind: str, answers: TextIO) -> None:
    """Import and construct a plugin and write a report, use it and write another one."""
    network: list[str] = []
    forbid_network(network)
    threads, modules, settings = set(threading.enumerate()), set(sys.modules), process_settings()
    read_prints = capture_stdout()
    try:
        plugin = resolve_name(address)()
    except Exception as error:
        failed = Report(import_error=f"{type(error).__name__}: {error}", network=network)
        write_line(failed, answers)
        return
    report = Report(
        use_error="the process ended when the plugin was used",
        prints=read_prints(),
        threads=[thread.name for thread in threading.enumerate() if thread not in threads],
        heavy=sorted(HEAVY & {name.split(".")[0] for name in set(sys.modules) - modules}),
        network=network,
    )
    write_line(report, answers)
    try:
        report = replace(report, fingerprint=USES[kind](plugin), use_error="")
    except Exception as error:
        report = replace(report, use_error=f"{type(error).__name__}: {error}")
    write_line(replace(report, prints=read_prints(), changed=changes_of(settings)), answers)
    os._exit(0)  # a thread that the plugin left running must not keep this process


def write_line(report: Report, answers: TextIO) -> None:
    print(json.dumps(asdict(report)), file=answers, flush=True)


def forbid_network(requests: list[str]) -> None:
    """Refuse every use of the network from now on, and note the address in `requests`."""

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in LOOKUPS:
            address = arguments[0]
        elif event in CONNECTIONS and isinstance(arguments[1], tuple):  # else a local socket
            address = arguments[1]
        else:
            return
        requests.append(str(address))
        raise OSError("the conformance kit allows no network")

    sys.addaudithook(refuse)


def process_settings() -> Mapping[str, Any]:
    """Settings of the whole process that a plugin should leave to the program."""
    return {
        "the working directory": str(Path.cwd()),
        "the handler of Ctrl-C": signal.getsignal(signal.SIGINT),
        "the root logger's level": logging.root.level,
        "numpy's handling of errors": np.geterr(),
    }


def changes_of(settings: Mapping[str, Any]) -> list[str]:
    """The process settings that differ now: 'the working directory from /a to /b'."""
    current = process_settings()
    return [
        f"{name} from {before} to {current[name]}"
        for name, before in settings.items()
        if before != current[name]
    ]


def capture_stdout() -> Callable[[], str]:
    """Send standard output to a file, and return a function that reads all of it so far.

    What libraries below Python write is captured too.
    """
    file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - until the process ends
    os.dup2(file.fileno(), 1)

    def read() -> str:
        sys.stdout.flush()
        file.seek(0)
        return file.read().decode(errors="replace")

    return read


def use_modality(modality: Modality[Any]) -> str:
    """Decode, crop and embed the examples, alone and together. Returns the fingerprint."""
    subject = ModalitySubject(modality)
    subject.encoder.embed(subject.crops()[:1])
    subject.encoder.embed(subject.crops())
    return subject.encoder.fingerprint


def use_detector(detector: Detector[Any]) -> None:
    """Look at the detector's media, and at blank ones."""
    media: list[Any] = []
    with suppress(NotRun):
        media += DetectorSubject(detector).media
    with suppress(NotRun):
        media += blank_media(detector.kind, media)
    for medium in media:
        detector.find(medium)


def use_index(backend: IndexBackend) -> None:
    """Add, remove, search and save, then open again and do so once more."""
    with tempfile.TemporaryDirectory() as root:
        subject = IndexSubject(backend)
        subject.folder = Path(root)
        for seq in (1, 2):
            index = subject.filled()
            index.remove(ids(3))
            index.search(queries(), 3)
            index.describe()
            index.save(cursor(seq))
            index.close()
        backend.drop(KEY, root=subject.folder)


USES: Mapping[str, Callable[[Any], str | None]] = {
    "modality": use_modality,
    "detector": use_detector,
    "index": use_index,
}


def save_repeatedly(address: str, root: Path, answers: TextIO) -> None:
    """Add STEP rows and save, SAVES times; write the number of each save once it is done."""
    subject = IndexSubject(resolve_name(address)())
    subject.folder = root
    index, vectors = subject.open(), rows(STEP * SAVES)
    for seq in range(1, SAVES + 1):
        new = np.arange((seq - 1) * STEP, seq * STEP)
        index.add(new + 1, vectors[new])
        index.save(cursor(seq))
        print(seq, file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
