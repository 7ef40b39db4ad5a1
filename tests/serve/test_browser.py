"""The pages in a real browser: drop, query, box, review by keys, slider, forget; and axe-core."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from PIL import Image, ImageDraw

from siamkit import Workspace
from siamkit.serve.app import create_app
from siamkit.serve.settings import Settings
from siamkit_faces.examples import examples

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
AXE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "siamkit-tests" / "axe"
AXE_PACKAGE = "axe-core@4.14.1"
pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
]
# Puts files on an element as a drag from the desktop does.
DROP = """([selector, files]) => {
  const transfer = new DataTransfer();
  for (const [name, bytes] of files)
    transfer.items.add(new File([Uint8Array.from(bytes)], name, { type: "image/png" }));
  const target = document.querySelector(selector);
  target.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true }));
}"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Faces as files, and a shelf with a sign that a second picture shows alone."""
    folder = tmp_path_factory.mktemp("photos")
    counts: dict[str, int] = {}
    for label, content in examples():
        counts[label] = counts.get(label, 0) + 1
        (folder / f"{label}-{counts[label]}.png").write_bytes(content)
    rng = np.random.default_rng(3)
    sign = Image.new("RGB", (96, 96), "#c8102e")
    draw = ImageDraw.Draw(sign)
    draw.ellipse((14, 14, 82, 82), fill="#fff")
    draw.polygon([(48, 20), (76, 70), (20, 70)], fill="#003da5")
    for name, at in (("example.png", (112, 72)), ("shelf.png", (190, 40))):
        wall = rng.integers(150, 200, (30, 40, 3), np.uint8)
        scene = Image.fromarray(wall).resize((320, 240))
        scene.paste(sign, at)
        scene.save(folder / name)
    return folder


@pytest.fixture
def store(tmp_path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def address(store: Path) -> Iterator[str]:
    app = create_app(Settings(store=store, threads=2))
    config = uvicorn.Config(app, port=0, log_level="error", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright")
    with playwright.sync_playwright() as running:
        try:
            opened = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"Chromium does not start: {str(error)[:200]}")
        yield opened
        opened.close()


def is_fault(message: Any) -> bool:
    """True for an error of a script or of the policy, not for a page that is not there."""
    return message.type == "error" and "status of 404" not in message.text


@pytest.fixture
def page(browser, address) -> Iterator[Any]:
    """A tab that fails the test by any error in it."""
    tab = browser.new_page(base_url=address)
    tab.set_default_timeout(60_000)
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda message: errors.append(message.text) if is_fault(message) else None)
    yield tab
    tab.close()
    assert errors == []


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core, which npm installs once."""
    script = AXE / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("no npm, which would install axe-core")
        AXE.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(AXE), AXE_PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            pytest.skip(f"npm cannot install axe-core: {done.stderr[-200:]}")
    return script.read_text(encoding="utf-8")


def drop(page: Any, selector: str, *paths: Path) -> None:
    files = [[path.name, list(path.read_bytes())] for path in paths]
    page.evaluate(DROP, [selector, files])


def enrol(page: Any, label: str, *paths: Path) -> None:
    page.goto("/galleries/faces")
    page.get_by_label("Name", exact=True).fill(label)
    page.set_input_files("#samples", paths)
    page.locator(".checked").wait_for()
    page.get_by_role("button", name="Enrol").click()
    page.locator(".notice").wait_for()


def enrol_by_drop_and_ask(page, photos):
    page.goto("/")
    page.get_by_role("button", name="Faces").click()
    page.get_by_label("Name", exact=True).fill("Eileen Collins")
    drop(page, "main", photos / "collins-1.png")
    verdict = page.locator(".checked li")
    verdict.wait_for()
    assert "good" in verdict.inner_text()
    page.get_by_role("button", name="Enrol").click()
    page.get_by_text("Eileen Collins: 1 enrolled.").wait_for()

    page.get_by_role("link", name="Ask", exact=True).first.click()
    drop(page, "main", photos / "collins-2.png")
    answer = page.locator("#answer .verdict.same")
    answer.wait_for()
    assert answer.inner_text().splitlines()[0] in ("asked", "Eileen Collins")
    assert "probability" in answer.inner_text()
    assert page.locator("#answer .scene rect.same").count() == 1, "a box on the picture"
    assert page.locator("#answer .faces img").count() == 2, "the enrolled example beside it"

    drop(page, "main", photos / "cameraman-1.png")
    stranger = page.locator("#answer .verdict:not(.same)")
    stranger.wait_for()
    stranger.get_by_label("Enrol as").fill("Max")
    stranger.get_by_role("button", name="Enrol").click()
    page.get_by_text("Max: 1 enrolled.").wait_for()


def test_the_first_view_is_light_and_loads_nothing_from_elsewhere(page, address):
    bodies = []
    page.on("response", lambda response: bodies.append((response.url, len(response.body()))))
    page.goto("/ask?mode=find", wait_until="networkidle")
    assert all(url.startswith(address) for url, _ in bodies)
    assert len(bodies) >= 4, "the page, its style, its modules"
    assert sum(size for _, size in bodies) < 150_000


def box_a_thing_and_find_it(page, photos):
    page.goto("/ask?mode=find")
    page.locator("[data-ready]").wait_for(state="attached")
    page.set_input_files("#example", photos / "example.png")
    marker = page.locator(".marker")
    marker.wait_for()
    area = marker.bounding_box()
    scale = area["width"] / 320
    corners = [(area["x"] + x * scale, area["y"] + y * scale) for x, y in ((110, 70), (210, 170))]
    page.mouse.move(*corners[0])
    page.mouse.down()
    page.mouse.move(*corners[1], steps=3)
    page.mouse.up()
    box = [float(edge) for edge in page.input_value("input[name=box]").split(",")]
    assert np.abs(np.array(box) - [110, 70, 210, 170]).max() < 4
    page.locator(".marker").focus()
    page.keyboard.press("ArrowLeft")
    assert float(page.input_value("input[name=box]").split(",")[0]) < box[0]
    page.set_input_files("#search", photos / "shelf.png")
    page.get_by_role("button", name="Find it").click()
    place = page.locator("#answer .scene rect.box")
    place.first.wait_for()
    left, top = (float(place.first.get_attribute(name)) for name in ("x", "y"))
    assert abs(left - 190) < 30
    assert abs(top - 40) < 30


def review_with_keys(page, photos):
    enrol(page, "E. Collins", photos / "collins-1.png")
    page.goto("/review")
    page.locator("[data-ready] .item").wait_for()
    page.keyboard.press("s")
    page.get_by_text("1 decided, 0 to go").wait_for()
    page.keyboard.press("u")
    page.get_by_text("0 decided, 1 to go").wait_for()
    page.keyboard.press("d")
    page.get_by_text("1 decided, 0 to go").wait_for()
    page.keyboard.press("u")
    page.get_by_text("0 decided, 1 to go").wait_for()
    page.keyboard.press("s")
    page.get_by_text("1 decided, 0 to go").wait_for()


def add_many(store: Path) -> None:
    """Fill a gallery with vectors of 16 people."""
    rng = np.random.default_rng(0)
    with Workspace(store) as ws:
        gallery = ws.create_gallery("many", "faces")
        centres = rng.normal(size=(16, gallery.space.dim)).repeat(2, axis=0)
        vectors = (centres + 0.8 * rng.normal(size=centres.shape)).astype(np.float32)
        list(ws.add_templates("many", [f"p{n // 2}" for n in range(32)], vectors))


def move_the_slider(page, store):
    add_many(store)
    page.goto("/measure?gallery=many")
    page.locator("[data-ready] #threshold").focus()
    before = page.locator("#at").inner_text()
    for _ in range(15):
        page.keyboard.press("ArrowLeft")
    assert float(page.locator("#at").inner_text()) < float(before)
    assert "%" in page.locator("[data-say=fmr]").inner_text()
    assert page.locator("[data-say=sure_fmr]").inner_text().startswith("between ")
    page.get_by_role("button", name="Back to the gallery").click()
    assert page.locator("#at").inner_text() == before


def test_somebody_works_with_the_pages(page, photos, store):
    """One story, on one store that is empty at first."""
    enrol_by_drop_and_ask(page, photos)
    box_a_thing_and_find_it(page, photos)
    review_with_keys(page, photos)
    move_the_slider(page, store)
    forget_somebody(page)


def test_no_page_violates_wcag_at_any_width_or_scheme(page, axe, photos, store):
    add_many(store)
    with Workspace(store) as ws:
        for label in ("Max", "Moritz"):
            content = (photos / "cameraman-1.png").read_bytes()
            ws.enrol_uploads("faces", label, [("max.png", content)])
    paths = ["/ask", "/ask?mode=compare", "/ask?mode=find", "/ask?mode=timeline", "/galleries"]
    paths += ["/galleries/faces", "/galleries/faces/identity?label=Max", "/review?gallery=faces"]
    paths += [
        "/review?gallery=faces&queue=unknown",
        "/measure?gallery=many",
        "/login",
        "/galleries/nobody",
    ]
    faults = []
    for number, path in enumerate(paths):
        scheme, width = (("light", 1600), ("dark", 400))[number % 2]
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(path)
        if path == "/ask":
            page.set_input_files("#probe", [photos / "collins-2.png", photos / "cameraman-1.png"])
            page.locator("#answer .result").nth(1).wait_for()
        faults += [(path, scheme, *fault) for fault in run_axe(page, axe)]
        overflow = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        faults += [(path, width, "scrolls sideways")] if overflow else []
    assert faults == []


def run_axe(page: Any, axe: str) -> list[tuple[str, str]]:
    """Return the violations of the page as it is: rule, and the first element."""
    page.evaluate(axe)
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = page.evaluate(
        "tags => axe.run(document, { runOnly: tags }).then(r => r.violations.map("
        "v => [v.id, v.nodes[0].html.slice(0, 160) + ' ' + v.nodes[0].failureSummary]))",
        tags,
    )
    return [tuple(each) for each in found]


def forget_somebody(page):
    page.goto("/galleries/faces/identity?label=Max")
    page.locator("summary", has_text="Forget Max").click()
    page.get_by_role("button", name="Forget Max").click()
    page.get_by_text("Max is forgotten: 1 sample deleted.").wait_for()
    page.goto("/galleries/faces")
    assert "Max" not in page.locator(".cards").inner_text()
