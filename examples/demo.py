"""The five-minute path: people in photographs, a motorcycle, a signed page, voices, questions.

The probes are altered copies of two photographs, signatures and voices come from a program (see
samples.py), so the scores show that the pipeline runs. They say nothing about accuracy, which is
measured on real data: see docs/faces.md, docs/signatures.md and docs/voices.md. One row of the
questions is empty on purpose.
"""

from __future__ import annotations

import base64
import html
import io
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image
from samples import make_garage, make_photos, make_signatures, make_voices

HERE, OUT = Path(__file__).parent, Path("demo-out")
ENVIRONMENT = {**os.environ, "SIAMKIT_STORE": str(OUT / "store")}


def siamkit(*arguments: str | Path, accepted: tuple[int, ...] = (0, 3, 5)) -> str:
    """Run one command, show it with its output, and return its standard output."""
    words = " ".join(f"'{a}'" if " " in str(a) else str(a) for a in arguments)
    print(f"\n$ siamkit {words}", flush=True)
    started = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-m", "siamkit", *arguments],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    )
    if "--json" not in arguments:
        print(run.stdout, end="")
    if run.returncode not in accepted:  # 3: not enrolled, or different; 5: inconclusive
        sys.exit(f"the demo stops here: siamkit ended with {run.returncode}")
    print(f"[exit {run.returncode}, {time.perf_counter() - started:.2f} s]", flush=True)
    return run.stdout


def data_uri(picture: Image.Image) -> str:
    small = picture.convert("RGB")
    small.thumbnail((220, 220))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def card(probe: dict, region: dict | None) -> str:
    """Render one row of the contact sheet: a region of the probe, and its matches with scores."""
    picture = Image.open(probe["source"])
    if region is None:
        answer = html.escape(probe["error"])
        return f'<tr><td><img src="{data_uri(picture)}"></td><td colspan="2">{answer}</td></tr>'
    left, top, right, bottom = region["region"]["where"]
    margin = (right - left) * 0.4
    face = picture.crop(
        (round(left - margin), round(top - margin), round(right + margin), round(bottom + margin))
    )
    verdict = f"<b>{html.escape(region['identity'] or 'not enrolled')}</b>"
    matches = "".join(
        f'<figure><img src="{data_uri(Image.open(m["source"]))}">'
        f"<figcaption>{html.escape(m['identity'])} {m['score']:.3f}</figcaption></figure>"
        for m in region["matches"]
    )
    name = html.escape(Path(probe["source"]).name)
    return (
        f'<tr><td><img src="{data_uri(face)}"><br>{name}</td><td>{verdict}</td>'
        f"<td>{matches}</td></tr>"
    )


def contact_sheet(probes: list[dict], path: Path) -> None:
    rows = "".join(card(p, region) for p in probes for region in p.get("regions", [None]))
    threshold = next(p["threshold"] for p in probes if "threshold" in p)
    path.write_text(
        "<!doctype html><meta charset=utf-8><title>siamkit: probes and matches</title><style>"
        "body{font:15px system-ui;margin:2em;max-width:60em}td{padding:.6em 1.4em;"
        "border-bottom:1px solid #ddd;vertical-align:middle}img{max-height:130px;"
        "border-radius:6px}figure{display:inline-block;margin:0 1em 0 0;text-align:center}"
        "</style><h1>Probes and their nearest identities</h1>"
        f"<p>Threshold {threshold['value']:.3f}: a stranger is identified at a rate of"
        f" {threshold['fpir']:g}, as measured on "
        f"{html.escape(threshold['source'])}. The probes are altered copies of the two enrolled "
        "photographs: this shows that the pipeline runs, not how accurate it is.</p>"
        f"<table><tr><th>probe<th>answer<th>nearest enrolled</tr>{rows}</table>",
        encoding="utf-8",
    )


def faces() -> None:
    photos = OUT / "photos"
    probes = make_photos(photos)
    siamkit("enrol", "faces", photos / "collins.png", "--as", "Eileen Collins")
    siamkit("query", "faces", photos / "hopper.jpg")  # not enrolled yet
    siamkit("enrol", "faces", photos / "hopper.jpg", "--as", "Grace Hopper")
    siamkit("query", "faces", *probes)
    siamkit("query", "faces", photos / "both.jpg", "-k", "1", "--save-annotated", OUT / "both.jpg")
    siamkit("verify", "faces", "--as", "Grace Hopper", photos / "hopper-small.jpg")
    siamkit("verify", "-m", "faces", photos / "collins.png", photos / "hopper.jpg")
    answers = json.loads(siamkit("query", "faces", *probes, "--json"))
    contact_sheet(answers["probes"], OUT / "contact-sheet.html")
    print(f"\nThe contact sheet is {OUT / 'contact-sheet.html'}, the group {OUT / 'both.jpg'}.")
    print(
        "Two people, altered copies of two photographs: a demonstration, not a measure of accuracy."
    )


def signatures() -> None:
    """Verify the signature on a signed page against a reference."""
    folder = OUT / "signatures"
    make_signatures(folder)
    siamkit("enrol", "signers", folder / "doe-1.png", "--as", "J. Doe", "-m", "signatures")
    siamkit("verify", "signers", "--as", "J. Doe", folder / "contract.png")
    siamkit("verify", "-m", "signatures", folder / "doe-1.png", folder / "roe-1.png")


def things() -> None:
    """Point at a motorcycle in one photograph, and find it in another; then in one without it."""
    folder, picture = OUT / "things", OUT / "motorcycle.jpg"
    make_garage(folder)
    seen, other = folder / "motorcycle-left.jpg", folder / "motorcycle-right.jpg"
    siamkit("detect", seen, "--save-annotated", OUT / "objects.jpg")
    siamkit("enrol", "things", seen, "--as", "motorcycle", "-m", "images", "--point", "390,220")
    find = ("find", "things", "-d", "instances", "--threshold", "0.7")
    siamkit(*find, other, "--save-annotated", picture)
    siamkit(*find, OUT / "photos" / "coffee.jpg")
    print(f"\nThe motorcycle is in {picture}. The threshold is a guess here: `siamkit calibrate")
    print("things --find PICTURES` sets it for a false positive rate per picture.")


def voices() -> None:
    """Recognise a generated voice from one clip, and find when it is heard in a talk of two."""
    folder = OUT / "voices"
    make_voices(folder)
    siamkit("enrol", "voices", folder / "low-1.wav", "--as", "Low (generated)")
    siamkit("query", "voices", folder / "low-2.wav")
    siamkit("verify", "-m", "voices", folder / "low-1.wav", folder / "high-1.wav")
    picture = OUT / "talk.png"
    siamkit("timeline", folder / "talk.flac", "voices", "--output", picture)
    print(f"\nThe chart of the talk is {picture}. Both voices are generated.")


def questions() -> None:
    """Find duplicates in a list, and check new questions against the enrolled ones."""
    faq, new = (HERE / name for name in ("questions.csv", "new-questions.csv"))
    report = OUT / "questions.html"
    column = ("--column", "question")
    # 1: one row of the list has no text; it is reported, and the others are compared.
    siamkit("dedupe", faq, *column, "--report", report, accepted=(1,))
    siamkit("enrol", "faq", "-m", "questions", "--from", faq, *column, accepted=(1,))
    siamkit("query", "faq", "--text", "How do I remove a second delivery address?")
    siamkit("dedupe", new, *column, "--against", "faq")
    print(f"\nThe scores of the questions, and their groups, are in {report}.")


def main() -> None:
    shutil.rmtree(OUT, ignore_errors=True)
    faces()
    things()
    signatures()
    voices()
    questions()
    page = f"siamkit serve --store {ENVIRONMENT['SIAMKIT_STORE']}"
    print(f"\nThe page on all of this: pip install '.[serve]' && {page}")


if __name__ == "__main__":
    main()
