"""Plugins are found by name and loaded once; one that cannot be is named with its package."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from faulty import AT_IMPORT, Site

from siamkit.errors import PluginError
from siamkit.host import registry


@pytest.fixture
def site(tmp_path, monkeypatch):
    site = Site(tmp_path / "site", monkeypatch)
    yield site
    monkeypatch.undo()
    site.forget()


@pytest.mark.parametrize("name", AT_IMPORT)
def test_a_plugin_that_cannot_be_loaded_says_why_in_one_line(name, site):
    mistake, message = AT_IMPORT[name]
    site.put(name, mistake)
    with pytest.raises(PluginError) as error:
        registry.load("siamkit.modalities", name)
    assert f"plugin {name} (module_pack_{name}:Plugin, package pack-{name} 3.1)" in str(error.value)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    upgrade = f"`pip install --upgrade siamkit pack-{name}`"
    assert (error.value.hint == upgrade) == (name == "newer")


def test_a_module_that_is_not_there(site):
    site.put("lost")
    (site.folder / "module_pack_lost.py").unlink()
    with pytest.raises(PluginError, match=r"package pack-lost 3.1\).*No module named") as error:
        registry.load("siamkit.modalities", "lost")
    assert error.value.hint == "reinstall or remove the package pack-lost"


@pytest.mark.parametrize(("name", "other"), [("twin", "pack-two"), ("questions", "siamkit")])
def test_two_packages_with_one_name(name, other, site):
    """Whoever made them: none is preferred."""
    site.put(name, package="pack-one")
    if other != "siamkit":
        site.put(name, package=other)
    with pytest.raises(PluginError, match=f"two plugins .* called '{name}'") as error:
        registry.load("siamkit.modalities", name)
    for package in ("pack-one", other):
        assert f"package {package} " in str(error.value)
        assert package in error.value.hint


def test_a_broken_plugin_is_left_out_where_all_modalities_are_needed(site, caplog):
    site.put("raises", "raise OSError('no such luck')")
    site.put("sound")
    names = [modality.name for modality in registry.load_modalities()]
    assert "sound" in names
    assert "raises" not in names
    assert any("left out" in line and "package pack-raises 3.1" in line for line in caplog.messages)


def test_threads_construct_a_plugin_once(site):
    site.put(
        "slow",
        "import time\ninstances = []\n"
        "Plugin.__init__ = lambda self: (time.sleep(0.2), instances.append(self))[0]",
    )
    with ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(registry.load, "siamkit.modalities", "slow") for _ in range(4)]
    assert len({id(load.result()) for load in loads}) == 1
    assert len(sys.modules["module_pack_slow"].instances) == 1


def test_an_unknown_name_gets_a_hint():
    with pytest.raises(PluginError, match="no plugin 'leters'") as error:
        registry.load("siamkit.modalities", "leters")
    assert error.value.hint == "did you mean 'letters'?"
