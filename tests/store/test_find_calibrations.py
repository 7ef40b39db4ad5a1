"""Calibrations of searches in pictures: kept per setup, checked when read, moved with a gallery."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from siamkit import EncoderMismatch, Workspace
from siamkit.stats.find_calibration import FindCalibration, FindSetup
from siamkit.store import find_calibrations, galleries

MEASURED = FindCalibration(
    fingerprint="tiles/1:toy",
    setup=FindSetup("squares"),
    source="20 pictures of empty/",
    fpir=0.1,
    identities=1,
    samples=1,
    highest=tuple(np.linspace(-1, 0.9, 20).tolist()),
)


@pytest.fixture
def measured(shell):
    """A gallery with calibrations for two setups."""
    Image.new("RGB", (20, 20), "red").save(shell.folder / "red.png")
    assert shell("enrol", "tiles", "red.png", "--as", "red").code == 0
    with Workspace(shell.folder / ".siamkit") as ws:
        for setup in (FindSetup("squares"), FindSetup("squares", 640)):
            with ws.store.write():
                target = galleries.get(ws.store, "tiles")
                find_calibrations.add(ws.store, target, replace(MEASURED, setup=setup))
    return shell


def stored(shell, gallery="tiles"):
    with Workspace(shell.folder / ".siamkit") as ws:
        return find_calibrations.of_gallery(ws.store, ws.gallery(gallery))


def test_each_setup_keeps_its_newest_calibration(measured):
    newest = replace(MEASURED, fpir=0.2)
    with Workspace(measured.folder / ".siamkit") as ws, ws.store.write():
        target = galleries.get(ws.store, "tiles")
        find_calibrations.add(ws.store, target, newest)
        with pytest.raises(EncoderMismatch, match="belongs to encoder other"):
            find_calibrations.add(ws.store, target, replace(newest, fingerprint="other"))
        assert find_calibrations.get(ws.store, target, FindSetup("squares")) == newest
        assert find_calibrations.get(ws.store, target, FindSetup("squares", 320)) is None
    assert [c.setup.tiles for c in stored(measured)] == [None, 640]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE find_calibrations SET model = replace(model, '0.9', '0.1') WHERE id = 1",
        "UPDATE find_calibrations SET model = x'00ff' WHERE id = 1",
        "UPDATE find_calibrations SET model = substr(model, 1, 99) WHERE id = 1",
        "UPDATE find_calibrations SET crc32 = 'x' WHERE id = 1",
    ],
)
def test_a_damaged_calibration_is_named_and_not_used(measured, damage):
    with Workspace(measured.folder / ".siamkit") as ws, ws.store.write() as db:
        db.execute(damage)
    done = measured("export", "tiles", "copy")
    assert done.code == 0
    assert "cannot be read" in done.err
    assert "`siamkit calibrate tiles --find PICTURES` makes a new one" in done.err
    card = json.loads((measured.folder / "copy" / "gallery.json").read_text())
    assert [c["setup"]["tiles"] for c in card["find_calibrations"]] == [640]
    checks = {check["check"]: check for check in json.loads(measured("doctor", "--json").out)}
    assert not checks["calibration tiles"]["ok"]
    assert checks["calibration tiles"]["hint"] == "siamkit calibrate tiles --find PICTURES"


def test_export_and_import_keep_them(measured):
    assert measured("export", "tiles", "copy").code == 0
    assert measured("import", "copy", "--as-gallery", "moved").code == 0
    assert stored(measured, "moved") == stored(measured)
    card = measured.folder / "copy" / "gallery.json"
    fields = json.loads(card.read_text())
    for wrong in ([{"format": 1}], [{**fields["find_calibrations"][0], "fingerprint": "x"}], 7):
        card.write_text(json.dumps(fields | {"find_calibrations": wrong}))
        done = measured("import", "copy", "--as-gallery", "other")
        assert (done.code, "is not an exported gallery" in done.err) == (2, True), done.err
    del fields["find_calibrations"]  # as an older siamkit writes it
    card.write_text(json.dumps(fields))
    assert measured("import", "copy", "--as-gallery", "older").code == 0
    assert stored(measured, "older") == []


def test_a_deleted_gallery_takes_them_along(measured):
    assert measured("galleries", "delete", "tiles", "--yes").code == 0
    with Workspace(measured.folder / ".siamkit") as ws:
        assert ws.store.fetch_one("SELECT count(*) FROM find_calibrations") == (0,)
