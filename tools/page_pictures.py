"""Photograph the page of `siamkit serve` for the documentation: `python tools/page_pictures.py`.

It shows the samples of examples/samples.py: portraits in the public domain (NASA, US Navy). Needs
Chromium, and the package playwright.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image
from playwright.sync_api import sync_playwright

from siamkit import Workspace
from siamkit.serve.app import create_app
from siamkit.serve.settings import Settings

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "pictures"
WIDTH, HEIGHT = 1180, 640  # px of the window
SHOWN = 900  # px: the width of a picture
PORTRAITS = (("Eileen Collins", "collins.png"), ("Grace Hopper", "hopper.jpg"))


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        samples = [sys.executable, str(ROOT / "examples" / "samples.py")]
        subprocess.run(samples, cwd=folder, check=True, capture_output=True)
        photos = next(path.parent for path in folder.rglob("both.jpg"))
        store = folder / "store"
        with Workspace(store) as ws:
            for label, name in (*PORTRAITS, ("Adm. Hopper", "hopper-grey.jpg")):
                path = photos / name
                if path.exists():
                    ws.enrol_uploads("faces", label, [(name, path.read_bytes())])
        server = uvicorn.Server(
            uvicorn.Config(create_app(Settings(store=store)), port=0, log_level="error")
        )
        threading.Thread(target=server.run, daemon=True).start()
        while not server.started:
            time.sleep(0.05)
        port = server.servers[0].sockets[0].getsockname()[1]
        photograph(f"http://127.0.0.1:{port}", photos)
        server.should_exit = True


def photograph(address: str, photos: Path) -> None:
    with sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(
            base_url=address, viewport={"width": WIDTH, "height": HEIGHT}, reduced_motion="reduce"
        )
        page.goto("/ask")
        page.set_input_files("#probe", photos / "both.jpg")
        page.locator("#answer .result").wait_for()
        save(page, "page-ask.jpg")
        page.goto("/galleries/faces")
        page.get_by_label("Name", exact=True).fill("Eileen Collins")
        page.set_input_files("#samples", photos / "collins-mirrored-dark.jpg")
        page.locator(".checked").wait_for()
        save(page, "page-gallery.jpg")
        page.goto("/review")
        page.locator(".item").wait_for()
        save(page, "page-review.jpg")
        browser.close()


def save(page: Any, name: str) -> None:
    page.wait_for_load_state("networkidle")
    shot = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    shot.thumbnail((SHOWN, 3 * SHOWN))
    shot.save(TARGET / name, "JPEG", quality=78, optimize=True)


if __name__ == "__main__":
    main()
