"""`siamkit mcp`, asked by the client of the package `mcp`."""

from __future__ import annotations

import base64
import os
import sys

import anyio
import pytest
from PIL import Image

from siamkit import BadInput

pytest.importorskip("mcp", reason="the extra mcp is not installed")

from mcp import Client, StdioServerParameters, stdio_client

from siamkit.mcp.samples import MAX_DATA_BYTES, Samples
from siamkit.mcp.server import create_server

READING = {
    *("list_galleries", "list_identities", "query", "verify", "find"),
    *("find_duplicates", "find_enrolled"),
}


@pytest.fixture
def letters(workspace):
    workspace.enrol("letters", "greet", "hello there my friend")
    workspace.enrol("letters", "sum", ["one and one is two", "one and two is three"])
    return workspace


@pytest.fixture
def tiles(workspace, tmp_path):
    """A gallery of pictures, a folder that may be read, and a file outside of it."""
    (tmp_path / "open").mkdir()
    for name, colour in {"open/red": "red", "open/blue": "blue", "secret": "red"}.items():
        Image.new("RGB", (32, 32), colour).save(tmp_path / f"{name}.png")
    workspace.enrol("tiles", "red", tmp_path / "open" / "red.png", detector=None)
    return workspace


def call(ws, tool, arguments=None, *, folders=(), allow_enrol=False):
    """Return the result of one call, by the package's own client in this process."""

    async def ask():
        samples = Samples.in_folders(folders)
        server = create_server(ws, samples, version="1", allow_enrol=allow_enrol)
        async with Client(server) as client:
            if tool is None:
                return (await client.list_tools()).tools
            return await client.call_tool(tool, arguments or {})

    return anyio.run(ask)


def facts(reply):
    assert not reply.is_error, reply.content
    return reply.structured_content


def refusal(reply):
    assert reply.is_error
    return reply.content[0].text


def test_tools_are_read_only_unless_enrolment_is_allowed(letters):
    tools = call(letters, None)
    assert {tool.name for tool in tools} == READING
    assert all(tool.annotations.read_only_hint for tool in tools)
    more = call(letters, None, allow_enrol=True)
    assert {tool.name for tool in more} == {*READING, "enrol"}
    assert all(tool.description and tool.input_schema["properties"] is not None for tool in more)
    refused = call(letters, "enrol", {"gallery": "letters", "label": "x", "samples": ["abc"]})
    assert "Unknown tool" in refusal(refused)
    assert letters.count("letters") == (2, 3)


def test_a_query_says_the_verdict_first(letters):
    known = facts(call(letters, "query", {"gallery": "letters", "sample": "hello there my friend"}))
    assert next(iter(known)) == "answer"
    assert known["answer"] == "greet"
    assert known["regions"][0]["matches"][0]["identity"] == "greet"
    unknown = facts(call(letters, "query", {"gallery": "letters", "sample": "xyzzy zyx"}))
    assert unknown["answer"] == "not enrolled"


def test_verify_and_lists_and_duplicates(letters):
    same = {"gallery_or_modality": "letters", "a": "hello there", "b": "hello there"}
    assert facts(call(letters, "verify", same))["decision"] == "same"
    assert facts(call(letters, "list_galleries"))["galleries"] == [
        {"name": "letters", "modality": "letters", "identities": 2, "samples": 3}
    ]
    listed = facts(call(letters, "list_identities", {"gallery": "letters", "containing": "SU"}))
    assert listed == {"next": None, "identities": [{"identity": "sum", "samples": 2}]}
    every = facts(call(letters, "list_identities", {"gallery": "letters", "after": "greet"}))
    assert (every["total"], every["identities"]) == (2, listed["identities"])
    texts = ["hello there", "hello there ", "nothing alike"]
    deduped = facts(call(letters, "find_duplicates", {"modality": "letters", "samples": texts}))
    assert deduped["answer"] == "groups of duplicates: 1"
    enrolled = {"gallery": "letters", "samples": ["hello there my friend", "xyzzy"]}
    lookups = facts(call(letters, "find_enrolled", enrolled))["samples"]
    assert [row["enrolled"] for row in lookups] == [True, False]


def test_errors_reach_the_assistant_with_their_hints(letters):
    text = refusal(call(letters, "query", {"gallery": "leters", "sample": "hello"}))
    assert "leters" in text
    assert "did you mean 'letters'?" in text


def test_enrolment_reports_each_sample(tiles, tmp_path):
    samples = ["red.png", "blue.png", "missing.png"]
    arguments = {"gallery": "tiles", "label": "all", "samples": samples}
    done = facts(call(tiles, "enrol", arguments, folders=[tmp_path / "open"], allow_enrol=True))
    assert done["answer"].endswith("of 3 enrolled")
    assert "missing.png is not a file in" in done["results"][2]["error"]


OUTSIDE = ["../secret.png", "{}/secret.png", "link.png", "~/x.png", "/", "a\0b", "a" * 5000]


@pytest.mark.parametrize("sample", OUTSIDE)
def test_no_file_outside_of_the_folders_is_read(tiles, tmp_path, sample):
    (tmp_path / "open" / "link.png").symlink_to(tmp_path / "secret.png")
    arguments = {"gallery": "tiles", "sample": sample.format(tmp_path)}
    text = refusal(call(tiles, "query", arguments, folders=[tmp_path / "open"]))
    assert "is not a file in" in text
    assert "no files may be read" in refusal(call(tiles, "query", arguments))


def test_files_in_a_folder_and_data_in_the_call_are_read(tiles, tmp_path):
    folders = [tmp_path, tmp_path / "open"]
    data = base64.b64encode((tmp_path / "open" / "red.png").read_bytes()).decode()
    for sample in ("red.png", str(tmp_path / "open" / "red.png"), f"data:image/png;base64,{data}"):
        asked = {"gallery": "tiles", "sample": sample}
        assert facts(call(tiles, "query", asked, folders=folders))["regions"]
    asked = {"gallery": "tiles", "picture": "open/red.png"}
    assert facts(call(tiles, "find", asked, folders=folders))["answer"]


def test_data_that_are_too_large_or_not_base64_are_refused():
    with pytest.raises(BadInput, match="exceed 20 MiB"):
        Samples().take("data:image/png;base64," + "A" * (2 * MAX_DATA_BYTES), "image")
    with pytest.raises(BadInput, match="not base64"):
        Samples().take("data:image/png;base64,???", "image")


@pytest.mark.timeout(60)
def test_nothing_but_the_protocol_is_on_standard_output(shell, letters):
    """The client of the package reports a line that is not a message as an error."""

    async def ask():
        arguments = ["-m", "siamkit", "mcp", "--store", str(letters.root)]
        server = StdioServerParameters(
            command=sys.executable, args=arguments, env=shell.environment, cwd=shell.folder
        )
        with open(os.devnull, "w") as nowhere:
            async with Client(stdio_client(server, errlog=nowhere)) as client:
                arguments = {"gallery": "letters", "sample": "hello there my friend"}
                reply = await client.call_tool("query", arguments)
                return facts(reply)["answer"], client.server_info.name

    assert anyio.run(ask) == ("greet", "siamkit")
