"""What an extra brings is needed by the commands it is for, and by no other."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from siamkit.cli import COMMANDS
from siamkit.io.extras import EXTRAS
from siamkit_voices.examples import SPEAKERS, speak, wav

# What `pip install siamkit` leaves out, and packages that come with these alone.
ABSENT = sorted({package for packages in EXTRAS.values() for package in packages})
ABSENT += ["accelerate", "pandas", "pypdfium2", "sklearn", "skimage"]
RUNS = """\
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
from siamkit.cli import run
for number, command in enumerate({commands!r}):
    print("CODE", number, run(command), file=sys.stderr, flush=True)
"""
FACE = Path(str(find_spec("skimage").origin)).parent / "data" / "astronaut.png"
WORDS = ("tea", "ink", "oil", "egg")
COMMANDS_RUN = """
init
init texts -m questions
encoders list
encoders build images
encoders path questions
detectors list
enrol texts a.txt --as a
enrol texts b.txt --as b
query texts a.txt
verify texts --as b a.txt
verify -m images a.png b.png --threshold 0.8
verify -m questions a.txt b.txt
explain --layers -m faces collins.png --detector none -o layers.html
explain -m questions a.txt b.txt
style a.png --like collins.png -o painted.png
classify texts a.txt
dedupe texts.csv -m questions --column text --id text
list texts
show a
rename b c
galleries list
index stats
embed a.txt b.txt -m questions -o vectors.npy
evaluate trials.csv -m questions
calibrate texts --trials trials.csv
audit texts
enrol shop a.png --as a -m images
enrol people collins.png --as collins -m faces
query people collins.png
timeline talk.wav
find shop a.png --threshold 0.5
detect a.png -d salient
mine-negatives texts.csv -m questions -o mined.csv
reembed texts
export texts exported
import exported --as-gallery again
backup copy.db
plugins list
doctor
forget a --gallery texts
merge c collins
train config
mcp --help
"""


def run_without(packages, commands, shell):
    """Run commands in one process without these packages; return the codes and the errors."""
    script = RUNS.format(absent=set(packages), commands=[line.split() for line in commands])
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, cwd=shell.folder, env=shell.environment,
    )  # fmt: skip
    codes, said = [], []
    for line in run.stderr.splitlines():
        if line.startswith("CODE "):
            codes.append((int(line.split()[2]), "\n".join(said)))
            said = []
        else:
            said.append(line)
    assert len(codes) == len(commands), run.stderr
    return codes


@pytest.fixture
def files(shell):
    from PIL import Image

    for name, colours in (("a", ("red", "green")), ("b", ("blue", "white"))):
        (shell.folder / f"{name}.txt").write_text(f"Where is the {colours[0]} door?")
        picture = Image.new("RGB", (160, 120), colours[0])
        picture.paste(colours[1], (40, 30, 90, 80))
        picture.save(shell.folder / f"{name}.png")
    shutil.copy(FACE, shell.folder / "collins.png")
    (shell.folder / "talk.wav").write_bytes(wav(speak(SPEAKERS["low"], 4.0, 1)))
    goods = [(f"Is {word} sold here?", f"Do you sell {word}?") for word in WORDS]
    trials = [f"{a},{b},{int(a[3:6] == b[12:15])}" for a, _ in goods for _, b in goods]
    (shell.folder / "trials.csv").write_text("\n".join(["a,b,label", *trials]) + "\n")
    rows = [f"Is {word} sold here?,{word}\nDo you sell {word}?,{word}" for word in WORDS]
    (shell.folder / "texts.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    return shell


@pytest.mark.timeout(120)
def test_every_command_runs_without_the_packages_of_extras(files):
    commands = COMMANDS_RUN.strip().splitlines()
    codes = run_without(ABSENT, commands, files)
    failed = {
        command: (code, said)
        for command, (code, said) in zip(commands, codes, strict=True)
        if "needs the package" in said
        or "internal error" in said
        or (code not in (0, 3, 5) and command != "doctor")
    }
    assert not failed, "\n".join(f"{command}: {answer}" for command, answer in failed.items())
    assert {command.split()[0] for command in commands} == set(COMMANDS) - {"serve"}


@pytest.mark.timeout(60)
def test_what_needs_an_extra_names_it_and_writes_nothing(files):
    commands = {
        "mcp": "mcp",
        "train texts.csv -m questions -o run": "train",
        "train texts.csv --localise -o run": "train",
        "encoders add images timm:resnet18": "train",
        "encoders add questions sentence-transformers:./model": "train",
        "detectors add net torchvision:ssd300_vgg16": "train",
        "detectors add net transformers:./model": "train",
        "verify -m questions a.txt b.txt --rerank cross-encoder:./model": "train",
        "explain -m questions a.txt b.txt -o a.png": "plot",
        "dedupe texts.csv -m questions --column text -o pairs.parquet": "parquet",
        "dedupe texts.parquet -m questions": "parquet",
        "dedupe texts.xlsx -m questions": "xlsx",
        "enrol voices --as Jo --record 2": "record",
        "serve": "serve",
    }
    for name in ("texts.parquet", "texts.xlsx"):
        (files.folder / name).write_bytes(b"")
    codes = run_without(ABSENT, list(commands), files)
    for (command, extra), (code, said) in zip(commands.items(), codes, strict=True):
        assert f'pip install "siamkit[{extra}]"' in said, (command, said)
        assert code == 1, command
    assert not (files.folder / "run").exists()
