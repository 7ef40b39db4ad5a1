"""Ask: who or what is it, are two the same, where is it in a picture, who speaks when."""

from __future__ import annotations

from typing import Any

from siamkit.errors import BadInput
from siamkit.serve.pages import answers, media
from siamkit.serve.pages.frame import Form, Moved, Shown, describe, link
from siamkit.serve.server import Server
from siamkit.store import Gallery
from siamkit.types import Box

MATCHES = 4  # of each region
ACCEPT = {"image": "image/*", "audio": "audio/*,video/*", "text": ""}
WITHOUT_GALLERY = ("find", "timeline")
MODES = ("identify", "compare", "find", "timeline")


def show_ask(server: Server, form: Form) -> Shown | Moved:
    """Show the form of one of the questions; an empty store leads to the first enrolment."""
    galleries = _list_galleries(server)
    if not galleries and form["mode"] not in WITHOUT_GALLERY:
        return Moved("/galleries")
    return Shown("ask.html", _values(server, form, galleries))


def _list_galleries(server: Server) -> list[Gallery]:
    ws = server.workspace
    return [gallery for gallery in ws.galleries() if ws.count(gallery.name)[1]]


def _values(server: Server, form: Form, galleries: list[Gallery]) -> dict[str, Any]:
    """Return what every question's form shows."""
    mode = form["mode"] if form["mode"] in MODES else MODES[0]
    kinds = {gallery.name: server.workspace.kind(gallery.space.modality) for gallery in galleries}
    fitting = [name for name, kind in kinds.items() if mode != "timeline" or kind == "audio"]
    chosen = form["gallery"] if form["gallery"] in fitting else next(iter(fitting), "")
    kind = kinds.get(chosen, "audio" if mode == "timeline" else "image")
    kind = "image" if mode == "find" else kind
    nouns = server.workspace.nouns(_modality(galleries, chosen)) if chosen else None
    return {
        "mode": mode,
        "modes": MODES,
        "galleries": fitting,
        "gallery": chosen,
        "kind": kind,
        "accept": ACCEPT.get(kind, ""),
        "noun": nouns.singular if nouns else "identity",
        "answer": None,
    }


def _modality(galleries: list[Gallery], name: str) -> str:
    return next(gallery.space.modality for gallery in galleries if gallery.name == name)


def answer(server: Server, form: Form) -> Shown | Moved:
    """Answer a question; without a script, on the page with the form."""
    galleries = _list_galleries(server)
    if not galleries and form["mode"] not in WITHOUT_GALLERY:
        return Moved("/galleries")
    values = _values(server, form, galleries)
    work = {"identify": identify, "compare": compare, "find": find, "timeline": timeline}
    try:
        values["answer"] = work[values["mode"]](server, form, values)
        status = 200
    except Exception as error:
        values["answer"] = {"error": describe(error, server)}
        status = 200  # the page is what was asked for; the error stands in it
    return Shown("_answer.html" if form["fragment"] else "ask.html", values, status)


def _take(form: Form, values: dict[str, Any], field: str = "files") -> list[bytes | str]:
    """Return the samples of a form: the lines of its text, or else its files."""
    if values["kind"] == "text":
        return [line.strip() for line in form[field].splitlines() if line.strip()]
    return list(form.files_of(field))


def identify(server: Server, form: Form, values: dict[str, Any]) -> dict[str, Any]:
    """Say who or what each sample shows."""
    ws, probes = server.workspace, _take(form, values)
    if not probes:
        raise BadInput("nothing to ask about", hint="drop a file, or choose one")
    batch = ws.query(values["gallery"], probes, k=MATCHES)
    nouns = ws.nouns(ws.modality_of(values["gallery"]))
    pairs = zip(probes, batch, strict=True)
    cards = [
        answers.card_of_probe(server, probe, number, each, each.error, nouns)
        for number, (probe, each) in enumerate(pairs)
    ]
    return {"cards": cards}


def compare(server: Server, form: Form, values: dict[str, Any]) -> dict[str, Any]:
    """Say whether two samples show the same."""
    ws = server.workspace
    pair = [*_take(form, values, "a")[:1], *_take(form, values, "b")[:1]]
    if len(pair) < 2:
        raise BadInput("two samples are needed", hint="choose one on each side")
    verification = ws.verify(values["gallery"], *pair)
    nouns = ws.nouns(ws.modality_of(values["gallery"]))
    return {"comparison": answers.comparison(verification, pair, nouns)}


def find(server: Server, form: Form, values: dict[str, Any]) -> dict[str, Any]:
    """Find what a box marks in one picture in others."""
    example, pictures = form.files_of("example"), form.files_of()
    if not example or not pictures:
        hint = "choose an example, draw a box around the thing, and choose pictures to search"
        raise BadInput("an example and a picture to search are needed", hint=hint)
    box = read_box(form["box"])
    searched = server.workspace.find_like(example[0], pictures, box=box)
    cards = []
    for picture, each in zip(pictures, searched, strict=True):
        places = [] if each.error else list(each.sightings)
        cards.append(
            {
                "name": picture.name,
                "scene": media.scene(picture),
                "error": describe(each.error, server) if each.error else None,
                "decision": str(each.decision),
                "places": [
                    {"box": p.region.where, "score": p.score, "probability": p.probability}
                    for p in places
                ],
                "nearest": each.nearest,
                "threshold": each.threshold,
            }
        )
    return {"found": cards}


def read_box(text: str) -> Box | None:
    """Read 'left, top, right, bottom' in px; None for no box."""
    if not text.strip():
        return None
    try:
        left, top, right, bottom = (float(part) for part in text.split(","))
    except ValueError:
        raise BadInput("a box is four numbers: left, top, right, bottom, in px") from None
    return left, top, right, bottom


def timeline(server: Server, form: Form, values: dict[str, Any]) -> dict[str, Any]:
    """Say who speaks when in a recording."""
    recordings = form.files_of()
    if not recordings:
        raise BadInput("nothing to listen to", hint="drop a recording, or choose one")
    recording = recordings[0]
    gallery = values["gallery"] or None
    line = server.workspace.timeline(bytes(recording), gallery)
    names = list(line.spoken())
    turns = [
        {
            "lane": names.index(turn.name),
            "name": turn.name,
            "known": turn.identity is not None,
            "start": turn.start,
            "stop": turn.stop,
        }
        for turn in line.turns
    ]
    return {
        "timeline": {
            "name": recording.name,
            "seconds": line.seconds,
            "spoken": [
                (name, seconds, link("/galleries/" + (gallery or ""), search=name))
                for name, seconds in line.spoken().items()
            ],
            "turns": turns,
            "sound": media.sound(recording),
        }
    }
