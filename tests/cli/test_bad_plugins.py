"""Plugins that break the rules: each is named with its package, and no other suffers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from waiting import until

from siamkit.host import registry

GOOD = """
from pathlib import Path

import numpy as np
from siamkit.errors import UnreadableSample

class Encoder:
    dim, fingerprint, threshold = 4, "NAME/1:x", None

    def embed(self, batch):
        rows = [np.bincount([ord(letter) % 4 for letter in text], minlength=4) for text in batch]
        rows = np.array(rows, np.float32).reshape(-1, 4) + 0.01
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

class Plugin:
    name, kind, detector = "NAME", "text", None
    served = Encoder

    def load(self, source):
        if isinstance(source, str):
            return source
        content = source.read_bytes() if isinstance(source, Path) else source
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            raise UnreadableSample("it is no text") from error
        if not text:
            raise UnreadableSample("it is empty")
        return text

    def crop(self, medium, region):
        return medium

    def encoder(self, folder=None):
        return self.served()

    def examples(self):
        return [("d", "d"), ("d", "dd"), ("e", "e"), ("e", "ee")]
"""

# What is added to a good plugin's module, and what its line must say.
AT_IMPORT = {
    "raises": ("raise OSError('no such luck')", "could not be loaded: OSError: no such luck"),
    "ends": ("import os; os._exit(7)", "importing it ended the process with code 7"),
    "newer": ("Plugin.protocol = 2", "was made for version 2 of the plugin protocols"),
    "needy": ("Plugin.__init__ = lambda self, size: None", "could not be loaded: TypeError"),
    "misnamed": ("Plugin.name = 'other'", "calls itself 'other'"),
    "leaves": ("raise SystemExit(0)", "could not be loaded: SystemExit: 0"),
    "quits": ("import os; os._exit(0)", "importing it ended the process with code 0"),
    "cancelled": (
        "import asyncio; raise asyncio.CancelledError('so soon')",
        "could not be loaded: CancelledError: so soon",
    ),
    "wordy": ("raise OSError('one\\ntwo\\nthree')", "could not be loaded: OSError: one two three"),
    "older": ("Plugin.protocol = '1'", "has protocol '1', which should be a whole number"),
    "loadless": ("del Plugin.load", "has no load, which should be a method"),
    "kindless": ("del Plugin.kind", "has no kind, which should be a word such as 'image'"),
    "outside": ("Plugin.encoders = {'../../x': 'here'}", "has encoders {'../../x'"),
    "unnamed": (
        "Plugin.name = property(lambda s: 1 / 0)",
        "could not be loaded: ZeroDivisionError",
    ),
    "closing": ("import sys; sys.stdout.close(); raise OSError('shut')", "OSError: shut"),
    "asking": ("input()", "could not be loaded: EOFError"),
    "prickly": ("Plugin.encoders = property(lambda s: 1 / 0)", "raises ZeroDivisionError"),
}
IN_USE = {
    "width": ("Encoder.dim = 5", "embed gave float32 (1, 4), not float32 (1, 5)"),
    "nan": ("Encoder.embed = lambda s, b: np.full((len(b), 4), np.nan, np.float32)", "NaN or Inf"),
    "long": ("Encoder.embed = lambda s, b: np.ones((len(b), 4), np.float32)", "norm 2.0000"),
    "divides": ("Encoder.embed = lambda s, b: 1 / 0", "embed failed: ZeroDivisionError"),
    "exits": ("Encoder.embed = lambda s, b: exit()", "embed failed: SystemExit"),
    "cancels": (
        "import asyncio\ndef embed(s, b): raise asyncio.CancelledError('so late')\n"
        "Encoder.embed = embed",
        "embed failed: CancelledError: so late",
    ),
    "greedy": ("Encoder.embed = lambda s, b: b.clear()", "embed gave NoneType"),
    "dimless": ("del Encoder.dim", "its encoder has no dim"),
    "bare": ("Encoder.threshold = 0.5", "its encoder has threshold 0.5, which should be"),
    "empty": ("Plugin.encoder = lambda s, f=None: None", "its encoder has no dim"),
    "blind": ("Plugin.detector = 'nowhere'", "needs a detector: no plugin 'nowhere'"),
    "unmeasured": (
        "from pathlib import Path; Plugin.calibration = Path('nowhere.json')",
        "its calibration cannot be used: nowhere.json",
    ),
}
# A check that fails, where it is not embed_shape_and_dtype.
BROKEN = {
    "nan": "embed_is_finite", "long": "embed_is_unit", "dimless": "dim_is_a_size",
    "bare": "threshold_is_a_cosine", "empty": "dim_is_a_size", "blind": "detector_is_installed",
    "unmeasured": "calibration_is_read",
    "moving": "process_is_left_alone", "strict": "process_is_left_alone",
    "chatty": "import_says_nothing", "busy": "import_starts_no_threads",
}  # fmt: skip
QUIRKS = {
    "moving": ("import os; os.chdir('/')", "changes the working directory from"),
    "strict": ("np.seterr(all='raise')", "changes what numpy does about overflow from"),
    "chatty": ("print('here I am')", "prints when it is imported"),
    "busy": (
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True,"
        " name='mine').start()",
        "starts threads when it is imported: mine",
    ),
}


def put(site, name, added="", package=None, value=None):
    """Install a plugin of a name, with lines more in its module."""
    package = package or f"pack-{name}"
    module = f"mod_{package.replace('-', '_')}"
    info = site / f"{package.replace('-', '_')}-3.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 3.1\n")
    entry = f"{name} = {value or f'{module}:Plugin'}"
    (info / "entry_points.txt").write_text(f"[siamkit.modalities]\n{entry}\n")
    (site / f"{module}.py").write_text(f"{GOOD.replace('NAME', name)}\n{added}\n")


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """All of them installed at once, beside one that is good."""
    site = tmp_path_factory.mktemp("site")
    for name, (added, _) in (AT_IMPORT | IN_USE | QUIRKS).items():
        put(site, name, added)
    put(site, "good")
    put(site, "deadly", "import os; Encoder.embed = lambda s, b: os._exit(7)")
    put(site, "twin", package="pack-one")
    put(site, "twin", package="pack-two")
    put(site, "letters", package="pack-letters")
    put(site, "odd", value="this is: not one")
    put(site, "lost", value="mod_nowhere:Plugin")
    put(site, "blank", value="mod_pack_blank:Nothing")
    return site


@pytest.fixture
def found_here(tmp_path, monkeypatch):
    """This process finds what is put into tmp_path."""
    monkeypatch.syspath_prepend(tmp_path)
    registry.found.cache_clear()
    yield
    registry.found.cache_clear()


@pytest.fixture
def shell(cold_shell):
    return cold_shell


@pytest.fixture
def site(tmp_path, shell):
    """A folder of plugins that the shell finds."""
    shell.environment["PYTHONPATH"] += os.pathsep + str(tmp_path / "site")
    return tmp_path / "site"


@pytest.fixture
def bad(crowd, shell):
    shell.environment["PYTHONPATH"] += os.pathsep + str(crowd)
    shell.environment["SIAMKIT_CACHE"] = str(crowd.with_name("cache"))
    return shell


@pytest.fixture
def listed(bad, crowd):
    """What `plugins list` said of each package, the first time."""
    kept = crowd.with_name("listed.json")
    if not kept.exists():
        kept.write_text(json.dumps(states(bad)))
    return json.loads(kept.read_text())


def states(shell, *options):
    done = shell("plugins", "list", "--json", *options)
    assert done.code == 0, done.err
    return {p["package"]: p["error"] for p in json.loads(done.out)}


def failures(shell, name):
    """The checks that a plugin fails, in their order."""
    done = shell("plugins", "check", name, "--json")
    failed = [c["check"] for c in json.loads(done.out) if c["state"] == "failed"]
    assert done.code == (1 if failed else 0)
    return failed


def enrol(shell, name):
    return shell("enrol", name, "--text", "hello", "--as", "x")


def test_the_good_one_beside_them_works(bad, listed):
    assert listed["pack-good"] is None
    assert failures(bad, "good") == []
    assert listed["siamkit"] is None
    assert enrol(bad, "good").code == 0
    assert bad("verify", "-m", "good", "--text", "a", "--text", "a", "--threshold", "0").code == 0


@pytest.mark.parametrize("name", AT_IMPORT)
def test_a_plugin_that_cannot_be_imported(name, bad, listed):
    line = listed[f"pack-{name}"]
    assert AT_IMPORT[name][1] in line
    assert f"package pack-{name} 3.1" in line
    checked = bad("plugins", "check", name)
    assert checked.code == 1
    assert f"failed   loads  {line}" in checked.out
    if name not in ("ends", "quits"):  # no process survives that
        used = enrol(bad, name)
        assert used.code == 1
        assert used.err.splitlines()[0] == f"Error: {line}"


@pytest.mark.parametrize("name", IN_USE)
def test_a_plugin_that_gives_what_it_should_not(name, bad, listed):
    said = IN_USE[name][1]
    assert listed[f"pack-{name}"] is None
    used = enrol(bad, name)
    assert used.code in (1, 2)
    (line,) = [line for line in used.err.splitlines() if said in line]
    assert f"package pack-{name} 3.1" in line
    assert not (bad.folder / ".siamkit").exists() or name not in ("unmeasured", "blind", "bare")
    asked = bad("verify", "-m", name, "--text", "one", "--text", "two", "--threshold", "0.5")
    assert asked.code == 1
    assert said in asked.err
    assert BROKEN.get(name, "embed_shape_and_dtype") in failures(bad, name)


@pytest.mark.parametrize("name", QUIRKS)
def test_a_plugin_whose_import_does_more_than_it_should(name, bad, listed):
    said, line = QUIRKS[name][1], listed[f"pack-{name}"]
    assert said in line
    assert f"package pack-{name} 3.1" in line
    assert failures(bad, name) == [BROKEN[name]]
    used = bad("enrol", name, "--text", "hello", "--as", "x", "--json")
    assert used.code == 0
    assert [json.loads(row) for row in used.out.splitlines()]
    assert name == "busy" or said in used.err


def test_a_plugin_that_ends_the_process_while_it_is_checked(bad):
    checked = json.loads(bad("plugins", "check", "deadly", "--json").out)
    states = {c["check"]: c for c in checked}
    assert states["loads"]["state"] == "ok"
    assert "the end of the process, code 7" in states["embed_shape_and_dtype"]["message"]
    assert "package pack-deadly 3.1" in states["embed_shape_and_dtype"]["plugin"]
    assert states["examples_load"]["state"] == "ok"
    assert [name for name, c in states.items() if c["state"] == "failed"] == [
        "embed_shape_and_dtype"
    ]
    assert list(states)[-1] == "preprocessing_is_json"


def test_what_a_plugin_starts_keeps_no_check(tmp_path, site, shell):
    """A pool of processes holds whatever is open, such as the pipe that the answers take."""
    pool = (
        "import multiprocessing\n"
        "real = Encoder.embed\n"
        "def embed(self, batch):\n"
        "    if not hasattr(self, 'pool'):\n"
        "        self.pool = multiprocessing.get_context('fork').Pool(1)\n"
        "    return real(self, batch)\n"
        "Encoder.embed = embed"
    )
    put(site, "pooled", pool)
    shell.environment["SIAMKIT_CACHE"] = str(tmp_path / "cache")
    checked = [c["check"] for c in json.loads(shell("plugins", "check", "pooled", "--json").out)]
    assert checked[-1] == "preprocessing_is_json"


@pytest.mark.parametrize("content", [b"\xff\xfe[x", b"[siamkit.modalities]\nno sign\n"])
def test_a_list_of_entry_points_that_cannot_be_read(content, tmp_path, site, shell):
    put(site, "torn")
    put(site, "whole")
    (info,) = site.glob("pack_torn*.dist-info")
    (info / "entry_points.txt").write_bytes(content)
    shell.environment["SIAMKIT_CACHE"] = str(tmp_path / "cache")
    done = shell("plugins", "list", "--json")
    assert {p["name"]: p["error"] for p in json.loads(done.out)}["whole"] is None
    assert done.err.count("package pack-torn: its entry_points.txt cannot be read") == 1
    assert enrol(shell, "whole").code == 0


def test_threads_construct_a_plugin_once(tmp_path, found_here):
    put(tmp_path, "slow", "import time\nmade = []\n"
        "Plugin.__init__ = lambda self: (time.sleep(0.2), made.append(self))[0]")  # fmt: skip
    with ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(registry.load, "siamkit.modalities", "slow") for _ in range(4)]
    assert len({id(load.result()) for load in loads}) == 1
    assert len(sys.modules["mod_pack_slow"].made) == 1


def test_what_is_loaded_waits_for_nobodys_import(tmp_path, found_here):
    put(tmp_path, "swift")
    put(tmp_path, "stuck", "import gate; gate.reached.set(); gate.open.wait(120)")
    (tmp_path / "gate.py").write_text("import threading\n"
        "reached, open = threading.Event(), threading.Event()")  # fmt: skip
    import gate

    swift = registry.load("siamkit.modalities", "swift")
    with ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(registry.load, "siamkit.modalities", "stuck")
        assert gate.reached.wait(120)
        again = registry.load("siamkit.modalities", "swift")
        assert not stuck.done()
        gate.open.set()
    assert again is swift


def test_a_module_that_keeps_standard_output_may_write_to_it_later(tmp_path, found_here, capsys):
    put(tmp_path, "keeper", "import sys; kept = sys.stdout; print('early', file=kept)")
    registry.load("siamkit.modalities", "keeper")
    kept = sys.modules["mod_pack_keeper"].kept
    print("later", file=kept)
    kept.writelines(["in lines"])
    assert capsys.readouterr().out == "later\nin lines"


@pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be deleted here")
def test_a_working_directory_that_is_gone_is_no_plugins_fault(tmp_path, found_here, monkeypatch):
    put(tmp_path, "afar")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert registry.load("siamkit.modalities", "afar").name == "afar"


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes in /proc")
def test_a_check_that_is_killed_leaves_no_process(tmp_path, site, shell):
    started = tmp_path / "started"
    deaf = (
        "import os, time\n"
        "def encoder(self, folder=None):\n"
        f"    with open({str(started)!r}, 'a') as file:\n"
        "        print(os.getpid(), os.getppid(), file=file)\n"
        "    while True:\n"
        "        try: time.sleep(60)\n"
        "        except KeyboardInterrupt: pass\n"
        "Plugin.encoder = encoder"
    )
    put(site, "deaf", deaf)
    check = subprocess.Popen(
        [sys.executable, "-m", "siamkit", "plugins", "check", "deaf"],
        env=shell.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert until(lambda: started.exists() and started.read_text().endswith("\n"))
    check.kill()
    check.wait()
    assert until(lambda: not any(map(runs, started.read_text().split())))


def runs(number):
    """True for a process that has not ended; a zombie has."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_an_import_that_takes_long_says_whose_it_is(tmp_path, found_here, monkeypatch, caplog):
    heard = (
        "import logging, threading\n"
        "heard, handler = threading.Event(), logging.Handler()\n"
        "handler.emit = lambda record: heard.set()\n"
        "logging.getLogger('siamkit').addHandler(handler)\n"
        "heard.wait(120)\n"
        "logging.getLogger('siamkit').removeHandler(handler)"
    )
    put(tmp_path, "late", heard)
    monkeypatch.setattr(registry, "PATIENCE", 0.1)
    registry.load("siamkit.modalities", "late")
    (line,) = caplog.messages
    assert "package pack-late 3.1" in line
    assert "importing it takes longer than 0.1 s; Ctrl-C ends the wait" in line


def test_two_plugins_of_one_name(bad, listed):
    for package in ("pack-one", "pack-two"):
        assert "two plugins of siamkit.modalities are called 'twin'" in listed[package]
        assert "package pack-one 3.1" in listed[package]
        assert "package pack-two 3.1" in listed[package]
    assert enrol(bad, "twin").code == 1
    checked = bad("plugins", "check", "twin")
    assert checked.code == 1
    assert checked.out.count("failed   loads  two plugins of siamkit.modalities") == 2


def test_a_strangers_plugin_takes_no_name_of_siamkits_own(tmp_path, site, shell):
    put(site, "questions", package="pack-questions")
    shell.environment["SIAMKIT_CACHE"] = str(tmp_path / "cache")
    told = json.loads(shell("plugins", "list", "--json").out)
    faults = {p["package"]: p["error"] for p in told if p["name"] == "questions"}
    assert faults["siamkit"] is None
    assert "package pack-questions 3.1) is left out: plugin questions" in faults["pack-questions"]
    checked = shell("plugins", "check", "questions")
    assert checked.code == 1
    assert "package pack-questions 3.1) is left out: plugin questions" in checked.out
    assert json.loads(shell("encoders", "list", "--json").out)


def test_commands_that_look_at_all_plugins_survive_the_worst(bad, crowd):
    """A name is not needed where one modality of texts is left; each that is not, is told why."""
    done = bad("encoders", "list", "--json")
    assert done.code == 0, done.err
    assert {row["modality"] for row in json.loads(done.out)} >= {"images", "questions"}
    for name in ("ends", "quits", "leaves", "kindless", "prickly"):
        assert f"package pack-{name} 3.1" in done.err


def test_what_a_plugin_prints_is_no_answer(site, shell):
    chatty = (
        "import os, sys\n"
        "sys.stdout.buffer.write(b'at once')\n"
        "real = Plugin.load\n"
        "import threading\n"
        "def aside():\n"
        "    thread = threading.Thread(target=print, args=('from a thread',))\n"
        "    thread.start(); thread.join()\n"
        "def load(self, source):\n"
        "    print('aloud'); os.write(1, b'below'); aside()\n"
        "    sys.stdout.writelines(['in lines']); sys.stdout.buffer.write(b'in bytes')\n"
        "    return real(self, source)\n"
        "Plugin.load = load"
    )
    put(site, "loud", chatty)
    enrolled = shell("enrol", "loud", "--text", "hello", "--as", "x", "--json")
    assert enrolled.code == 0
    assert [json.loads(row)["label"] for row in enrolled.out.splitlines()] == ["x"]
    for said in ("at once", "aloud", "below", "from a thread", "in lines", "in bytes"):
        assert said in enrolled.err
    checked = {c["check"]: c for c in json.loads(shell("plugins", "check", "loud", "--json").out)}
    assert checked["use_says_nothing"]["state"] == "failed"
    assert "aloud" in checked["use_says_nothing"]["message"]


def test_what_a_plugin_prints_at_the_very_end_is_no_answer(site, shell):
    put(site, "late", "import atexit; atexit.register(print, 'so long')")
    enrolled = shell("enrol", "late", "--text", "hello", "--as", "x", "--json")
    assert [json.loads(row)["label"] for row in enrolled.out.splitlines()] == ["x"]
    assert "so long" in enrolled.err


def test_siamkits_own_modality_of_texts_need_not_be_named(tmp_path, site, shell):
    """Nor is a stranger's imported for that."""
    put(site, "stuck", "raise OSError('imported')")
    (tmp_path / "q.csv").write_text("question\nhow are you\nhow old are you\n")
    done = shell("dedupe", "q.csv", "--column", "question", "--json")
    assert done.code == 0, done.err
    assert "stuck" not in done.err


def test_a_part_of_a_package_that_is_left_breaks_no_listing(tmp_path, site, shell):
    put(site, "half")
    (info,) = site.glob("*.dist-info")
    (info / "METADATA").write_text("")
    shell.environment["SIAMKIT_CACHE"] = str(tmp_path / "cache")
    told = json.loads(shell("plugins", "list", "--json").out)
    assert [(p["package"], p["version"]) for p in told if p["name"] == "half"] == [("?", "?")]


def test_what_cannot_be_watched_is_never_believed(tmp_path, site, shell):
    """A package without __init__.py, and one whose folder holds a link to nothing."""
    put(site, "spread", value="spread.inner:Plugin")
    (site / "spread").mkdir()
    (site / "mod_pack_spread.py").rename(site / "spread" / "inner.py")
    put(site, "linked", value="linked:Plugin")
    (site / "linked").mkdir()
    (site / "mod_pack_linked.py").rename(site / "linked" / "__init__.py")
    (site / "linked" / "data.json").symlink_to("nowhere")
    shell.environment["SIAMKIT_CACHE"] = str(tmp_path / "cache")
    before = states(shell)
    assert (before["pack-spread"], before["pack-linked"]) == (None, None)
    for module in ("spread/inner.py", "linked/__init__.py"):
        (site / module).write_text("raise OSError('gone bad')\n")
    after = states(shell)
    assert "gone bad" in after["pack-spread"]
    assert "gone bad" in after["pack-linked"]


def test_a_thread_that_does_not_end_keeps_no_command(tmp_path, site, shell):
    put(site, "tireless", "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(600,)).start()")  # fmt: skip
    shell.environment["SIAMKIT_CACHE"] = str(tmp_path / "cache")
    assert enrol(shell, "tireless").code == 0
    assert "starts threads when it is imported" in shell("plugins", "list").out


def test_an_entry_point_to_nothing(listed):
    assert "its entry point should be MODULE:CLASS" in listed["pack-odd"]
    assert "No module named 'mod_nowhere'" in listed["pack-lost"]
    assert "package pack-lost 3.1" in listed["pack-lost"]
    assert "has no attribute 'Nothing'" in listed["pack-blank"]


def test_what_was_sound_is_believed_until_its_files_change(tmp_path, site, shell):
    imports = tmp_path / "imports"
    put(site, "seen", f"with open({str(imports)!r}, 'a') as file: file.write('x')")
    shell.environment["SIAMKIT_CACHE"] = str(tmp_path / "cache")
    shell.environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an import changes the folder
    assert states(shell)["pack-seen"] is None
    assert states(shell)["pack-seen"] is None
    assert imports.read_text() == "x"
    assert states(shell, "--check")["pack-seen"] is None
    assert imports.read_text() == "xx"
    (tmp_path / "cache" / "plugins.json").write_text("{")  # damaged: all are imported again
    assert states(shell)["pack-seen"] is None
    assert imports.read_text() == "xxx"
    module = site / "mod_pack_seen.py"
    module.write_text(module.read_text() + "raise OSError('gone bad')\n")
    assert "gone bad" in states(shell)["pack-seen"]


def test_no_plugin_of_a_name(shell):
    done = shell("plugins", "check", "leters")
    assert done.code == 1
    assert "no plugin 'leters' is installed" in done.err
    assert "did you mean 'letters'?" in done.err
