"""The commands and the client of docs/howto/serve.md, on a server in this process."""

from __future__ import annotations

import io
import json
import re
import shlex
import time
from pathlib import Path

import pytest

from siamkit.serve.openapi import path_of
from siamkit.serve.routes import ROUTES

from .conftest import HERE, square

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "serve.md"
ADDRESS = "http://127.0.0.1:8800"
# Toys in place of real models, so that it takes a second.
TOYS = {
    "faces": "tiles",
    "questions": "letters",
    "facefinder": "inks",
    "fpir=0.05": "threshold=0.5",
}
SHOWN = {"hopper.jpg": ("red",), "collins.png": ("blue",), "both.jpg": ("red", "blue")}
REFUSED = ("fases", "voices", "calibration")  # by an error that the page speaks of, or without toys


def commands(text: str) -> list[list[str]]:
    """The curl commands of a page, in order, without `curl`."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("curl ")]
    return [shlex.split(line.replace("$U", f"{ADDRESS}/v1"))[1:] for line in lines]


def ask(client, arguments):
    """Send what curl would send."""
    method, files, data, body, url = "", [], {}, None, ""
    words = iter(arguments)
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "--json":
            body = json.loads(next(words))
        elif word == "-o":
            next(words)
        elif word == "-F":
            name, _, value = next(words).partition("=")
            if value.startswith("@"):
                content = square(*SHOWN.get(value[1:], ("green",)))
                files.append((name, (value[1:], content)))
            else:
                data.setdefault(name, []).append(value)
        elif word != "-N":
            url = word
    method = method or ("POST" if files or body is not None else "GET")
    options = (
        {"json": body} if body is not None else {"files": files, "data": data} if files else {}
    )
    return method, url, client.request(method, url.replace(ADDRESS, HERE), **options)


def to_toys(arguments):
    text = json.dumps(arguments)
    for real, toy in TOYS.items():
        text = text.replace(real, toy)
    return json.loads(text)


@pytest.mark.timeout(60)
def test_the_page_has_a_command_for_each_route_and_each_is_answered(client):
    job, covered = "", set()
    for arguments in commands(PAGE.read_text()):
        if "voices" in arguments[-1] and "timeline" not in arguments[-1]:
            continue  # there is no toy of sounds
        asked = [word.replace("$JOB", job) for word in to_toys(arguments)]
        method, url, reply = ask(client, asked)
        expected = (202, 404) if any(word in url for word in REFUSED) else (200, 201, 202)
        assert reply.status_code in expected, (asked, reply.text)
        if reply.status_code == 202 and "/dedupe" in url:
            job = reply.json()["id"]
            wait_for(client, job)
        covered.add((method, url.removeprefix(ADDRESS).partition("?")[0]))
    missing = [
        (route.method, route.path)
        for route in ROUTES
        if not any(
            method == route.method and re.fullmatch(re.sub(r"{\w+}", "[^/]+", path_of(route)), path)
            for method, path in covered
        )
    ]
    assert missing == [("GET", "/reference.css")]


def test_the_calls_of_others_are_mapped_to_routes_and_fields_that_exist(tiles):
    spans = re.findall(r"`(curl [^`]+)`", PAGE.with_name("serve-migrating.md").read_text())
    assert len(spans) >= 15
    for span in spans:
        arguments = shlex.split(span.replace("$U", f"{ADDRESS}/v1"))[1:]
        facts = ask(tiles, to_toys(arguments))[2]
        if facts.status_code >= 400:
            assert facts.json()["code"] not in ("not_found", "method_not_allowed"), span
            assert "unknown field" not in facts.json()["message"], span


def wait_for(client, job):
    while client.get(f"/v1/jobs/{job}").json()["state"] not in ("done", "failed"):
        time.sleep(0.02)


def test_the_client_of_the_page_asks(client, tmp_path, monkeypatch, capsys):
    """Its transport is replaced, the rest runs as it stands."""
    (program,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len([line for line in program.splitlines() if line.strip()]) <= 26
    for name, colours in SHOWN.items():
        (tmp_path / name).write_bytes(square(*colours))

    def send(request):
        path = request.full_url.removeprefix(ADDRESS)
        reply = client.post(path, content=request.data, headers=dict(request.header_items()))
        assert reply.status_code == 200, reply.text
        return io.BytesIO(reply.content)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("urllib.request.urlopen", send)
    exec(program.replace("faces", "tiles"), {})
    assert capsys.readouterr().out.startswith("Grace Hopper [8.0, 8.0, 24.0, 24.0]\nNone ")
