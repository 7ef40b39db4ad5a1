"""A trained encoder is not served by code that changes the vectors of its examples."""

from __future__ import annotations

import importlib
import math
import sys
from types import SimpleNamespace

import pytest

from siamkit.errors import PluginError
from siamkit.models import built
from siamkit.models.cache import BUILT_BY, EXAMPLES

MODALITY = """
import numpy as np
from turning import prepare

class Turning:
    name, kind = "turning", "text"
    given = [("a", "one"), ("a", "two")]

    def load(self, source): return source
    def crop(self, medium, region): return medium
    def encoder(self, folder): return self
    def examples(self): return self.given

    fingerprint = "turning/1:x"
    def embed(self, batch):
        row = [np.cos(prepare.ANGLE), np.sin(prepare.ANGLE)]
        return np.array([row] * len(batch), np.float32)
"""


@pytest.fixture
def turning(tmp_path, monkeypatch):
    """A plugin of two modules: `turn` changes the one that prepares its samples."""
    package = tmp_path / "turning"
    package.mkdir()
    (package / "__init__.py").write_text(MODALITY)
    (package / "prepare.py").write_text("ANGLE = 0.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    made = importlib.import_module("turning")

    def turn(angle):
        (package / "prepare.py").write_text(f"ANGLE = {angle}\n")
        made.prepare.ANGLE = angle

    yield SimpleNamespace(plugin=made.Turning(), turn=turn)
    for name in ("turning", "turning.prepare"):
        del sys.modules[name]


@pytest.fixture
def trained(turning, tmp_path):
    folder = tmp_path / "encoder"
    folder.mkdir()
    built.record_reference(turning.plugin, folder)
    return folder


def test_code_in_any_module_of_the_package_counts(turning, trained):
    built.require_same_vectors(turning.plugin, trained)
    turning.turn(1.0)
    with pytest.raises(PluginError, match="into different vectors"):
        built.require_same_vectors(turning.plugin, trained)


def test_small_changes_do_not_add_up(turning, trained):
    step = math.acos(0.9995)  # alike to the vectors before, again and again
    turning.turn(step)
    built.require_same_vectors(turning.plugin, trained)
    turning.turn(2 * step)
    with pytest.raises(PluginError, match="into different vectors"):
        built.require_same_vectors(turning.plugin, trained)


def test_other_examples_are_logged_once(turning, trained, caplog):
    turning.turn(1.0)
    turning.plugin.given = [("a", "three")]
    for _ in range(2):
        built.require_same_vectors(turning.plugin, trained)
    (line,) = caplog.messages
    assert "plugin turning" in line
    assert "has changed its examples" in line
    turning.turn(2.0)
    turning.plugin.given = [("a", "one")]  # what was kept is still there
    with pytest.raises(PluginError, match="into different vectors"):
        built.require_same_vectors(turning.plugin, trained)


@pytest.mark.parametrize("kept", ["[1]", "{", '{"fingerprint": "turning/1:x"}', "7"])
def test_damaged_records_are_ignored_and_replaced(kept, turning, trained):
    (trained / EXAMPLES).write_text(kept)
    turning.turn(1.0)
    built.require_same_vectors(turning.plugin, trained)
    assert "code" in (trained / BUILT_BY).read_text()
    turning.turn(2.0)  # other vectors than those that were made last
    with pytest.raises(PluginError, match="into different vectors"):
        built.require_same_vectors(turning.plugin, trained)


def test_invalid_vectors_count_as_different(turning, trained):
    text = (trained / EXAMPLES).read_text().replace("1.0, 0.0", '"one", 0.0')
    (trained / EXAMPLES).write_text(text)
    turning.turn(0.01)
    with pytest.raises(PluginError, match="into different vectors"):
        built.require_same_vectors(turning.plugin, trained)
