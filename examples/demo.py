"""The five-minute path: two people in photographs, a signed page, two voices, sixty questions.

The photographs come with packages that are installed for this demo: scikit-image ships NASA's
portrait of astronaut Eileen Collins, matplotlib the US Navy's of Rear Admiral Grace Hopper; both
are works of the US government and in the public domain. The probes are altered copies of the two
(mirrored, darkened, tilted, scaled down), so the scores show that the pipeline runs. They say
nothing about accuracy, which is measured on real data: see docs/faces.md. The signatures are
drawn by a program, two invented hands; docs/signatures.md has real ones. The voices are generated:
a pulse train through formants, nobody's speech; docs/voices.md has real ones. The questions were
written for the demo, as customers of a shop might ask them; one row is empty on purpose.
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
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps

HERE, OUT = Path(__file__).parent, Path("demo-out")
ENVIRONMENT = {**os.environ, "SIAMKIT_STORE": str(OUT / "store")}


def packaged(package: str, inside: str) -> Path:
    """A file that an installed package ships. The package itself is not imported."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        sys.exit(f"the demo needs the package {package}: pip install 'siamkit[demo]'")
    return Path(spec.origin).parent / inside


def make_photos(folder: Path) -> list[Path]:
    """Write the two portraits, and the probes made from them; returns the probes."""
    folder.mkdir(parents=True)
    collins = Image.open(packaged("skimage", "data/astronaut.png")).convert("RGB")
    hopper = Image.open(packaged("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"))
    hopper = hopper.convert("RGB")
    collins.save(folder / "collins.png")
    hopper.save(folder / "hopper.jpg")
    both = Image.new("RGB", (1024, 520), "white")
    both.paste(collins.resize((512, 512)), (0, 4))
    both.paste(ImageOps.fit(hopper, (460, 512)), (540, 4))
    probes = {
        "collins-mirrored-dark.jpg": ImageEnhance.Brightness(ImageOps.mirror(collins)).enhance(0.5),
        "collins-tilted.jpg": collins.rotate(18, Image.Resampling.BICUBIC, fillcolor="gray"),
        "hopper-small.jpg": hopper.resize((hopper.width // 3, hopper.height // 3)),
        "hopper-grey.jpg": ImageOps.mirror(hopper.convert("L")),
        "both.jpg": both,
        "coffee.jpg": Image.open(packaged("skimage", "data/coffee.png")).convert("RGB"),
    }
    for name, picture in probes.items():
        picture.save(folder / name, quality=80)
    return [folder / name for name in probes]


def make_signatures(folder: Path) -> None:
    """Write two drawn signatures each of two invented hands, and a page that one has signed."""
    from PIL import ImageDraw

    from siamkit_signatures import Signatures

    folder.mkdir(parents=True, exist_ok=True)
    examples = iter(Signatures().examples())
    for name in ("doe-1", "doe-2", "roe-1", "roe-2"):
        (folder / f"{name}.png").write_bytes(next(examples)[1])
    page = Image.new("L", (1240, 1600), 255)
    pen = ImageDraw.Draw(page)
    for line in range(12):
        pen.text(
            (120, 160 + 60 * line),
            "The tenant shall keep the premises in good order.",
            30,
            None,
            size=32,
        )
    signature = Image.open(folder / "doe-2.png").resize((360, 150))
    page.paste(signature, (640, 1150), ImageOps.invert(signature))
    page.save(folder / "contract.png")


def make_voices(folder: Path) -> None:
    """Write generated speech: two voices, and a talk in which they take turns."""
    import numpy as np
    import soundfile

    from siamkit_voices.examples import RATE, SPEAKERS, speak

    folder.mkdir(parents=True, exist_ok=True)
    for name, speaker in SPEAKERS.items():
        for seed in (1, 2):
            soundfile.write(folder / f"{name}-{seed}.wav", speak(speaker, 4.0, seed), RATE)
    turns = [speak(SPEAKERS[name], 4.0, seed) for name, seed in
             (("low", 3), ("high", 3), ("low", 4), ("high", 4))]  # fmt: skip
    soundfile.write(folder / "talk.flac", np.concatenate(turns), RATE)


def siamkit(*arguments: str | Path, fine: tuple[int, ...] = (0, 3, 5)) -> str:
    """Run one command, show it and what it says; returns its standard output."""
    shown = " ".join(f"'{a}'" if " " in str(a) else str(a) for a in arguments)
    print(f"\n$ siamkit {shown}", flush=True)
    started = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-m", "siamkit", *arguments],
        env=ENVIRONMENT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    if "--json" not in arguments:
        print(run.stdout, end="")
    if run.returncode not in fine:  # 3: unknown, or different; 5: can't tell
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
    """One row of the contact sheet: the probe's region, and its matches with their scores."""
    picture = Image.open(probe["source"])
    if region is None:
        answer = html.escape(probe["error"])
        return f'<tr><td><img src="{data_uri(picture)}"></td><td colspan="2">{answer}</td></tr>'
    left, top, right, bottom = region["region"]["where"]
    margin = (right - left) * 0.4
    face = picture.crop(
        (round(left - margin), round(top - margin), round(right + margin), round(bottom + margin))
    )
    verdict = f"<b>{html.escape(region['identity'] or 'unknown')}</b>"
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
    limit = next(p["threshold"] for p in probes if "threshold" in p)
    path.write_text(
        "<!doctype html><meta charset=utf-8><title>siamkit: probes and matches</title><style>"
        "body{font:15px system-ui;margin:2em;max-width:60em}td{padding:.6em 1.4em;"
        "border-bottom:1px solid #ddd;vertical-align:middle}img{max-height:130px;"
        "border-radius:6px}figure{display:inline-block;margin:0 1em 0 0;text-align:center}"
        "</style><h1>Probes and their nearest identities</h1>"
        f"<p>Threshold {limit['value']:.3f}: a stranger is identified at a rate of"
        f" {limit['fpir']:g}, as measured on "
        f"{html.escape(limit['source'])}. The probes are altered copies of the two enrolled "
        "photographs: this shows that the pipeline runs, not how accurate it is.</p>"
        f"<table><tr><th>probe<th>answer<th>nearest enrolled</tr>{rows}</table>",
        encoding="utf-8",
    )


def faces() -> None:
    photos = OUT / "photos"
    probes = make_photos(photos)
    siamkit("enrol", "faces", photos / "collins.png", "--as", "Eileen Collins")
    siamkit("query", "faces", photos / "hopper.jpg")  # not enrolled yet: unknown
    siamkit("enrol", "faces", photos / "hopper.jpg", "--as", "Grace Hopper")
    siamkit("query", "faces", *probes)
    siamkit("query", "faces", photos / "both.jpg", "-k", "1", "--save-annotated", OUT / "both.jpg")
    siamkit("verify", "faces", "--as", "Grace Hopper", photos / "hopper-small.jpg")
    siamkit("verify", "-m", "faces", photos / "collins.png", photos / "hopper.jpg")
    answers = json.loads(siamkit("query", "faces", *probes, "--json"))
    contact_sheet(answers["probes"], OUT / "contact-sheet.html")
    print(f"\nThe contact sheet is {OUT / 'contact-sheet.html'}, the group {OUT / 'both.jpg'}.")
    print("Two people, altered copies of two photographs: a demonstration, no measure of accuracy.")


def signatures() -> None:
    """A signature from a signed page against a reference."""
    drawn = OUT / "signatures"
    make_signatures(drawn)
    siamkit("enrol", "signers", drawn / "doe-1.png", "--as", "J. Doe", "-m", "signatures")
    siamkit("verify", "signers", "--as", "J. Doe", drawn / "contract.png")
    siamkit("verify", "-m", "signatures", drawn / "doe-1.png", drawn / "roe-1.png")


def voices() -> None:
    """A generated voice from one clip, and when it is heard in a talk of two."""
    made = OUT / "voices"
    make_voices(made)
    siamkit("enrol", "voices", made / "low-1.wav", "--as", "Low (generated)")
    siamkit("query", "voices", made / "low-2.wav")
    siamkit("verify", "-m", "voices", made / "low-1.wav", made / "high-1.wav")
    picture = OUT / "talk.png"
    siamkit("query", "voices", made / "talk.flac", "--timeline", "--save-annotated", picture)
    print(f"\nThe chart of the talk is {picture}. Both voices are generated.")


def questions() -> None:
    """Duplicates in a list, and new questions against the enrolled ones."""
    known, new = (HERE / name for name in ("questions.csv", "new-questions.csv"))
    report = OUT / "questions.html"
    column = ("--column", "question")
    # 1: one row of the list has no text; it is reported, and the others are compared.
    siamkit("dedupe", known, *column, "--report", report, fine=(1,))
    siamkit("enrol", "faq", "-m", "questions", "--from", known, *column, fine=(1,))
    siamkit("query", "faq", "--text", "How can I choose a new password?", "--rerank", "lexical")
    siamkit("dedupe", new, *column, "--against", "faq")
    print(f"\nThe scores of the questions, and their groups, are in {report}.")


def main() -> None:
    shutil.rmtree(OUT, ignore_errors=True)
    faces()
    signatures()
    voices()
    questions()


if __name__ == "__main__":
    main()
