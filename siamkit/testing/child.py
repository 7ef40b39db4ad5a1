"""Tasks for a process of `siamkit.testing.fresh_process`: observe a plugin, or change an index.

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
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, TextIO, cast

import numpy as np

from siamkit.protocols import Builds, Detector, IndexBackend, Modality, Purges
from siamkit.testing.fresh_process import SAVES, STEP, Report
from siamkit.testing.index_fixtures import COUNT, KEY, cursor, ids, queries, rows
from siamkit.testing.media import blank_media
from siamkit.testing.rule import NotRun
from siamkit.testing.subjects import DetectorSubject, IndexSubject, ModalitySubject
from siamkit.types import ignore_progress

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
            root, owner = json.loads(argument)
            subject = IndexSubject(resolve_name(address)())
            subject.enter(Path(root))
            subject.owners = [owner]
            CHANGES[task](subject, answers)


def observe(address: str, kind: str, answers: TextIO) -> None:
    """Import and construct a plugin and write a report, use it and write another one."""
    network: list[str] = []
    allow_network = forbid_network(network)
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
    if getattr(plugin, "shared", False):  # it uses its server
        allow_network()
    try:
        report = replace(report, fingerprint=USES[kind](plugin), use_error="")
    except Exception as error:
        report = replace(report, use_error=f"{type(error).__name__}: {error}")
    write_line(replace(report, prints=read_prints(), changed=changes_of(settings)), answers)
    os._exit(0)  # a thread that the plugin left running must not keep this process


def write_line(report: Report, answers: TextIO) -> None:
    print(json.dumps(asdict(report)), file=answers, flush=True)


def forbid_network(requests: list[str]) -> Callable[[], None]:
    """Refuse every use of the network, and note the address in `requests`.

    Returns a function that allows it again.
    """
    is_allowed = False

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if is_allowed:
            return
        if event in LOOKUPS:
            address = arguments[0]
        elif event in CONNECTIONS and isinstance(arguments[1], tuple):  # else a local socket
            address = arguments[1]
        else:
            return
        requests.append(str(address))
        raise OSError("the conformance kit allows no network")

    def allow() -> None:
        nonlocal is_allowed
        is_allowed = True

    sys.addaudithook(refuse)
    return allow


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
        subject.enter(Path(root))
        for seq in (1, 2):
            index = subject.filled()
            index.remove(ids(3))
            index.search(queries(), 3)
            index.describe()
            index.save(cursor(seq))
            index.close()
        subject.drop(KEY)


USES: Mapping[str, Callable[[Any], str | None]] = {
    "modality": use_modality,
    "detector": use_detector,
    "index": use_index,
}


def save_repeatedly(subject: IndexSubject, answers: TextIO, *, build: bool = False) -> None:
    """Add STEP rows and save, SAVES times; write the number of each save once it is done.

    build: after each save, build what is saved, by an index that is opened aside.
    """
    index, vectors = subject.open(), rows(STEP * SAVES)
    for seq in range(1, SAVES + 1):
        new = np.arange((seq - 1) * STEP, seq * STEP)
        index.add(new + 1, vectors[new])
        index.save(cursor(seq))
        print(seq, file=answers, flush=True)
        if build:
            cast("Builds", subject.open()).build(ignore_progress)


def purge_repeatedly(subject: IndexSubject, answers: TextIO) -> None:
    """Purge one id after another from a saved index; write each id once it is erased."""
    subject.saved()
    backend = cast("Purges", subject.plugin)
    for number in range(1, COUNT):
        gone = np.array([number], np.int64)
        backend.purge(subject.key("g1-"), gone, root=subject.folder, seq=1 + number)
        print(number, file=answers, flush=True)


CHANGES: Mapping[str, Callable[[IndexSubject, TextIO], None]] = {
    "save": save_repeatedly,
    "build": partial(save_repeatedly, build=True),
    "purge": purge_repeatedly,
}


if __name__ == "__main__":
    main(*sys.argv[1:])
