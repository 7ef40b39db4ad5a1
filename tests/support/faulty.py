"""Install plugins with mistakes in them into a folder that this process and its shells find."""

from __future__ import annotations

import importlib
import os
import sys

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

    def load(self, source):
        if isinstance(source, str):
            return source
        return (source.read_bytes() if isinstance(source, Path) else source).decode()

    def crop(self, medium, region):
        return medium

    def encoder(self, folder=None):
        return Encoder()

    def examples(self):
        return [("d", "d"), ("d", "dd"), ("e", "e"), ("e", "ee")]
"""
# Mistakes that show when a plugin is loaded: lines at the end of a good module, and the message.
AT_IMPORT = {
    "raises": ("raise OSError('no such luck')", "could not be loaded: OSError: no such luck"),
    "wordy": ("raise OSError('one\\ntwo\\nthree')", "could not be loaded: OSError: one two three"),
    "needy": ("Plugin.__init__ = lambda self, size: None", "could not be loaded: TypeError"),
    "renamed": ("del Plugin", "has no attribute 'Plugin'"),
    "misnamed": ("Plugin.name = 'other'", "calls itself 'other'"),
    "newer": ("Plugin.protocol = 2", "was made for version 2 of the plugin protocols"),
    "loadless": ("del Plugin.load", "has no load, which should be a method"),
    "kindless": ("del Plugin.kind", "has no kind, which should be a word such as 'image'"),
    "nested": ("Plugin.encoders = {'a/b': 'here'}", "has encoders {'a/b'"),
    "prickly": ("Plugin.encoders = property(lambda self: 1 / 0)", "raises ZeroDivisionError"),
}
# Mistakes that show when it is used.
IN_USE = {
    "width": ("Encoder.dim = 5", "embed returned float32 (1, 4), not float32 (1, 5)"),
    "double": (
        "Encoder.embed = lambda self, batch: np.full((len(batch), 4), 0.5)",
        "embed returned float64 (1, 4), not float32 (1, 4)",
    ),
    "nan": (
        "Encoder.embed = lambda self, batch: np.full((len(batch), 4), np.nan, np.float32)",
        "NaN or Inf",
    ),
    "long": (
        "Encoder.embed = lambda self, batch: np.ones((len(batch), 4), np.float32)",
        "norm 2.0000",
    ),
    "nothing": ("Encoder.embed = lambda self, batch: None", "embed returned NoneType"),
    "divides": ("Encoder.embed = lambda self, batch: 1 / 0", "embed failed: ZeroDivisionError"),
    "dimless": ("del Encoder.dim", "its encoder has no dim"),
    "bare": ("Encoder.threshold = 0.5", "its encoder has threshold 0.5, which should be"),
    "empty": ("Plugin.encoder = lambda self, folder=None: None", "its encoder has no dim"),
    "blind": ("Plugin.detector = 'nowhere'", "needs a detector: no detector 'nowhere'"),
    "unmeasured": (
        "Plugin.calibration = Path('nowhere.json')",
        "its calibration cannot be used: nowhere.json",
    ),
}


class Site:
    """A folder of installed plugins."""

    def __init__(self, folder, monkeypatch):
        folder.mkdir()
        self.folder = folder
        monkeypatch.syspath_prepend(folder)
        path = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(folder)])
        monkeypatch.setenv("PYTHONPATH", path)
        monkeypatch.setattr(registry, "_loaded", {})
        self.forget()

    def put(self, name, mistake="", package=None):
        """Install a good plugin of that name with a mistake at the end of its module."""
        package = package or f"pack-{name}"
        stem = package.replace("-", "_")
        info = self.folder / f"{stem}-3.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 3.1\n")
        (info / "entry_points.txt").write_text(
            f"[siamkit.modalities]\n{name} = module_{stem}:Plugin\n"
        )
        module = f"{GOOD.replace('NAME', name)}\n{mistake}\n"
        (self.folder / f"module_{stem}.py").write_text(module)
        self.forget()

    def forget(self):
        """Let this process see what was put since."""
        importlib.invalidate_caches()
        registry.all_installed.cache_clear()
        for module in [name for name in sys.modules if name.startswith("module_pack_")]:
            del sys.modules[module]
