"""Kinds of bad inputs: what a valid one is, how it is broken, and what is done with it.

A new kind, of pictures say, is one more entry of KINDS.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bad_media import PICTURES, SOUNDS, break_media, read_sounds, write_pictures, write_sounds
from breaking import (
    Breaker,
    break_bytes,
    break_file,
    break_json,
    break_lines,
    break_npy,
)

Action = Sequence[str] | Callable[[], object]


@dataclass(frozen=True)
class Kind:
    """A kind of input: how a valid one is written, how it is broken, and what is done with it."""

    write: Callable[[], None]  # writes it into the working directory
    breakers: Sequence[tuple[str, Breaker]]  # the file of each, and what breaks it
    actions: Sequence[Action]  # commands, or functions that raise SiamkitError at worst
    follow: Sequence[Action] = ()  # if all of them succeed


# --- imports ---

TEXTS = (
    "hello there my friend",
    "one and one is two",
    "the cat sat on the mat",
    "good bye for now",
)


def run(*arguments: str) -> int:
    from siamkit.cli import run as run_command

    return run_command(list(arguments))


def write_store() -> None:
    """Enrol texts of 12 identities, calibrate, and export."""
    rng = Random(0)
    with open("list.jsonl", "w") as file:
        for number in range(12):
            words = rng.sample(
                ["ab", "cd", "ef", "gh", "ij", "kl", "mn", "op", "qr", "st", "uv", "wx", "yz"], 6
            )
            for _ in range(4):
                text = " ".join(rng.sample(words, 5))
                file.write(json.dumps({"label": f"p{number}", "text": text}) + "\n")
    assert run("enrol", "letters", "--from", "list.jsonl") == 0
    assert run("calibrate", "letters") == 0
    assert run("export", "letters", "out") == 0
    os.remove("list.jsonl")


def files(*names: str, also: Sequence[tuple[str, Breaker]] = ()) -> list[tuple[str, Breaker]]:
    """Break each of these files as a whole and by its bytes, and others in ways of their own."""
    general = (break_file, break_bytes)
    return [*((name, breaker) for name in names for breaker in general), *also]


EXPORT = files(
    "out/gallery.json",
    "out/samples.jsonl",
    "out/templates.npy",
    also=[
        *[("out/gallery.json", break_json)] * 6,
        *[("out/samples.jsonl", break_json)] * 4,
        *[("out/templates.npy", break_npy)] * 4,
    ],
)
USE_IT = (
    ("galleries",),
    ("list", "--json"),
    ("show", "p1"),
    ("query", "new", "--text", TEXTS[0], "--fpir", "0.3"),
    ("verify", "new", "--text", TEXTS[0], "--text", TEXTS[1]),
    ("export", "new", "again"),
)


# --- encoder folders ---


def write_encoder() -> None:
    from siamkit.flows.encoders import encoder_path

    shutil.copytree(encoder_path("bigrams"), "encoder")


def break_graph(path: Path, rng: Random) -> str:
    """Put another graph into an encoder folder, with the fingerprint of that graph."""
    import graphs

    choices = {**graphs.BOMBS, **graphs.REFUSED, "identity": graphs.identity}
    name = rng.choice([*choices, "altered"])
    if name == "altered":
        break_bytes(path, rng)
        graph = path.read_bytes()
    else:
        graph = choices[name]()
    return _seal(path.parent, graph, name)


def break_card(path: Path, rng: Random) -> str:
    """Break a field of the card, and often give it the fingerprint that belongs to it."""
    change = break_json(path, rng)
    try:
        return _seal(path.parent, (path.parent / "encoder.onnx").read_bytes(), change)
    except Exception:  # the card is not a card any more
        return change


def _seal(folder: Path, graph: bytes, change: str) -> str:
    from siamkit.sdk.model_folder import read_card, write_folder

    write_folder(folder, graph, read_card(folder))
    return change


ENCODER = files(
    "encoder/encoder.json",
    "encoder/encoder.onnx",
    also=[
        *[("encoder/encoder.json", break_card)] * 4,
        *[("encoder/encoder.onnx", break_graph)] * 4,
    ],
)
COMPARE = ("--text", TEXTS[0], "--text", TEXTS[1], "--threshold", "0.5")
USE_ENCODER = (("verify", "-m", "bigrams", "--encoder", "encoder", *COMPARE),)


# --- calibrations ---


def write_calibration() -> None:
    write_store()
    assert run("calibrate", "letters", "--output", "calibration.json") == 0


def read_calibration() -> None:
    from siamkit.stats import calibration, calibration_json

    read = calibration_json.read(Path("calibration.json"))
    calibration.threshold_for_fmr(read, 0.1)
    calibration_json.to_json(read)


# --- trials, manifests, tables of texts ---


def write_trials() -> None:
    rows = [
        f"{a}.png,{b}.png,{int(a % 3 == b % 3)},{0.9 - 0.1 * abs(a - b)}"
        for a in range(9)
        for b in range(a)
    ]
    Path("trials.csv").write_text("\n".join(["a,b,label,score", *rows]) + "\n")


def write_manifest() -> None:
    rows = [
        f'{{"label": "p{number % 3}", "text": "{TEXTS[number % 4]} {number}"}}'
        for number in range(12)
    ]
    Path("list.jsonl").write_text("\n".join(rows) + "\n")


def write_table() -> None:
    rows = [f"{number},{TEXTS[number % 4]} {number // 4}" for number in range(20)]
    Path("table.csv").write_text("\n".join(["id,text", *rows]) + "\n")


def write_matrix() -> None:
    import numpy as np

    rows = np.random.default_rng(0).normal(size=(40, 64)).astype(np.float32)
    np.save("vectors.npy", rows / np.linalg.norm(rows, axis=1, keepdims=True))
    names = [f'{{"row": {number}, "source": "s{number}"}}' for number in range(40)]
    Path("vectors.jsonl").write_text("\n".join(names) + "\n")


# --- training: configurations, and the folders of runs ---


def write_run() -> None:
    import numpy as np

    from siamkit.train import folder, record
    from siamkit.train.config import TrainConfig
    from siamkit.train.events import Evaluated, Started, Step

    run = Path("run")
    folder.begin(run, folder.Origin("tiles", "/data", None, "CC0-1.0", "mine"), TrainConfig())
    events = [Started(0, 4, 3, 12, 0, 1, 4, 10, "cpu", "fp32", 1)]
    events += [Step(n, 0.5, 0.5, 0.5, 1.0, 1.0, "random", 1e-3, 9.0, 1.0) for n in range(1, 5)]
    events += [Evaluated(4, 0.1, None, True)]
    Path("run/train.jsonl").write_text("".join(map(record.line, events)))
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(12, 16)).astype(np.float32)
    labels = np.repeat(np.arange(3), 4)
    np.savez(run / folder.EMBEDDINGS, embeddings=rows, labels=labels, impostor=labels < 0)
    np.save(run / folder.ARRAYS, rows)
    facts = (
        '{"names": ["a"], "labels": [0], "impostor": [false], "training": [true], "sources": [""]'
    )
    (run / folder.FACTS).write_text(facts + ', "digest": "", "faults": [], "notes": []}')


def read_run() -> None:
    from siamkit.train import data, folder, plot, record
    from siamkit.train.config import TrainConfig

    folder.reopen(Path("run"), folder.Origin, TrainConfig)
    record.read_record(Path("run"))
    data.load(Path("run"))
    plot._read_embeddings(Path("run"))


RUN = files(
    *(f"run/{name}" for name in ("config.toml", "run.json", "train.jsonl", "validation.npz")),
    "run/arrays.npy",
    also=[
        ("run/run.json", break_json),
        ("run/data.json", break_json),
        ("run/train.jsonl", break_json),
        ("run/config.toml", break_lines),
        ("run/arrays.npy", break_npy),
    ],
)

IMPORT = (("import", "out", "--as-gallery", "new"),)
MERGE = (("import", "out", "--merge", "--yes"),)
KINDS: dict[str, Kind] = {
    "import": Kind(write_store, EXPORT, IMPORT, USE_IT),
    "merge": Kind(
        write_store, EXPORT, MERGE, (("list",), ("query", "letters", "--text", TEXTS[0]))
    ),
    "encoder": Kind(write_encoder, ENCODER, USE_ENCODER),
    "calibration": Kind(
        write_calibration,
        files("calibration.json", also=[("calibration.json", break_json)] * 4),
        (read_calibration,),
    ),
    "trials": Kind(
        write_trials,
        files("trials.csv", also=[("trials.csv", break_lines)] * 4),
        (("evaluate", "trials.csv", "--report", "r.html"),),
    ),
    "manifest": Kind(
        write_manifest,
        files("list.jsonl", also=[("list.jsonl", break_json)] * 4),
        (("enrol", "letters", "--from", "list.jsonl"),),
    ),
    "table": Kind(
        write_table,
        files("table.csv", also=[("table.csv", break_lines)] * 4),
        (("dedupe", "table.csv", "-m", "letters"),),
    ),
    "matrix": Kind(
        write_matrix,
        files(
            "vectors.npy",
            "vectors.jsonl",
            also=[*[("vectors.npy", break_npy)] * 4, ("vectors.jsonl", break_json)],
        ),
        (("dedupe", "vectors.npy", "--threshold", "0.9"),),
    ),
    "run": Kind(write_run, RUN, (read_run,)),
    "pictures": Kind(
        write_pictures,
        [(name, break_media) for name in PICTURES],
        (("embed", "-m", "tiles", *PICTURES, "--output", "v.npy"),),
    ),
    "sounds": Kind(write_sounds, [(name, break_media) for name in SOUNDS], (read_sounds,)),
}
