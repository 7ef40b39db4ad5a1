"""Plugins with honest mistakes: a command names them with their package, and no other suffers."""

from __future__ import annotations

import json
import sys

import pytest
from faulty import IN_USE, Site


@pytest.fixture
def site(tmp_path, monkeypatch, shell):
    """A folder of plugins that the shell finds."""
    monkeypatch.setenv("SIAMKIT_CACHE", str(tmp_path / "cache"))
    site = Site(tmp_path / "site", monkeypatch)
    shell.environment["SIAMKIT_CACHE"] = str(tmp_path / "cache")
    shell.environment["PYTHONPATH"] += f":{site.folder}"
    yield site
    monkeypatch.undo()
    site.forget()


def enrol(shell, name, *options):
    return shell("enrol", name, "--text", "hello", "--as", "x", *options)


@pytest.mark.parametrize("name", IN_USE)
def test_a_plugin_that_gives_what_it_should_not(name, site, shell):
    mistake, message = IN_USE[name]
    site.put(name, mistake)
    enrolled = enrol(shell, name)
    assert enrolled.code in (1, 2)
    (line,) = [line for line in enrolled.err.splitlines() if message in line]
    assert f"package pack-{name} 3.1" in line
    assert not (shell.folder / ".siamkit").exists() or name not in ("unmeasured", "blind", "bare")
    verified = shell("verify", "-m", name, "--text", "a", "--text", "b", "--threshold", "0.5")
    assert verified.code == 1
    assert message in verified.err


def test_a_broken_plugin_fails_its_own_commands_and_no_other(site, shell):
    site.put("broke", "raise OSError('no such luck')")
    site.put("sound")
    assert enrol(shell, "sound").code == 0
    used = enrol(shell, "broke")
    assert used.code == 1
    assert used.err.startswith("Error: plugin broke (module_pack_broke:Plugin, package pack-broke")
    assert "could not be loaded: OSError: no such luck" in used.err
    checked = shell("plugins", "check", "broke")
    assert checked.code == 1
    assert "failed   loads" in checked.out
    examined = shell("doctor", "--json")
    assert examined.code == 1
    findings = {f["check"]: f for f in json.loads(examined.out)}
    assert findings["plugin sound"]["ok"]
    assert "no such luck" in findings["plugin broke"]["found"]
    assert findings["plugin broke"]["hint"] == "reinstall or remove the package pack-broke"


def test_a_broken_plugin_is_left_out_of_the_list_of_encoders(site, shell):
    site.put("broke", "raise OSError('no such luck')")
    listed = shell("encoders", "list", "--json")
    assert listed.code == 0, listed.err
    assert {row["modality"] for row in json.loads(listed.out)} >= {"images", "questions"}
    assert "left out: plugin broke" in listed.err
    assert "package pack-broke 3.1" in listed.err


def test_listing_plugins_imports_none(site, shell):
    site.put("broke", "raise OSError('no such luck')")
    listed = shell("plugins", "list", "--json")
    assert listed.code == 0
    assert {
        "group": "siamkit.modalities",
        "name": "broke",
        "package": "pack-broke",
        "version": "3.1",
        "entry_point": "module_pack_broke:Plugin",
    } in json.loads(listed.out)
    assert "module_pack_broke" not in sys.modules


def test_two_packages_with_one_name(site, shell):
    """Both are listed, and neither is used until one is uninstalled."""
    site.put("twin", package="pack-one")
    site.put("twin", package="pack-two")
    listed = json.loads(shell("plugins", "list", "--json").out)
    assert [p["package"] for p in listed if p["name"] == "twin"] == ["pack-one", "pack-two"]
    for command in (("plugins", "check", "twin"), ("doctor",)):
        done = shell(*command)
        assert done.code == 1
        assert done.out.count("two plugins of siamkit.modalities are called 'twin'") == 2
    used = enrol(shell, "twin")
    assert used.code == 1
    assert "package pack-one 3.1" in used.err
    assert "package pack-two 3.1" in used.err


def test_a_good_plugin_passes_the_check(site, shell):
    site.put("sound")
    checked = shell("plugins", "check", "sound", "--json")
    states = {check["check"]: check["state"] for check in json.loads(checked.out)}
    assert states["loads"] == "ok"
    assert states["embed_is_unit"] == "ok"
    assert states["fingerprint_equal_across_processes"] == "ok"


def test_what_a_plugin_prints_is_no_answer(site, shell):
    site.put(
        "loud",
        "import os, sys, threading\n"
        "print('at import')\n"
        "decode = Plugin.load\n"
        "def load(self, source):\n"
        "    print('aloud')\n"
        "    os.write(1, b'below')\n"
        "    thread = threading.Thread(target=print, args=('from a thread',))\n"
        "    thread.start()\n"
        "    thread.join()\n"
        "    sys.stdout.writelines(['in lines'])\n"
        "    sys.stdout.buffer.write(b'in bytes')\n"
        "    return decode(self, source)\n"
        "Plugin.load = load",
    )
    process = shell.start("enrol", "loud", "--text", "hello", "--as", "x", "--json")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0
    assert [json.loads(row)["label"] for row in out.splitlines()] == ["x"]
    for printed in ("at import", "aloud", "below", "from a thread", "in lines", "in bytes"):
        assert printed in err.decode()


def test_several_modalities_of_texts_have_to_be_named(shell):
    """None is preferred, siamkit's own neither."""
    (shell.folder / "q.csv").write_text("question\nhow are you\nhow old are you\n")
    refused = shell("dedupe", "q.csv", "--column", "question")
    assert refused.code == 2
    assert "Name the modality: -m, one of bigrams, letters, questions." in refused.err


def test_no_plugin_of_a_name(shell):
    done = shell("plugins", "check", "leters")
    assert done.code == 1
    assert "no plugin 'leters' is installed" in done.err
    assert "did you mean 'letters'?" in done.err
