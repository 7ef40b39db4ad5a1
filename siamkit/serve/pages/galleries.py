"""Galleries: what is enrolled, and everything that changes it."""

from __future__ import annotations

from typing import Any

from siamkit.embed import region_choosers
from siamkit.embed.region_choosers import Chooser
from siamkit.errors import BadInput, SiamkitError
from siamkit.io.sources import to_path
from siamkit.serve.choices import (
    require_enrolled,
    require_gallery,
    require_modality,
    require_sample,
)
from siamkit.serve.pages import media
from siamkit.serve.pages.ask import ACCEPT, read_box
from siamkit.serve.pages.frame import Form, Moved, Shown, describe, link
from siamkit.serve.pages.login import own_path
from siamkit.serve.server import Server
from siamkit.types import Prompt

MAX_DIGITS = 18  # of an id: what fits into 64 bits


def show_galleries(server: Server, form: Form) -> Shown:
    """List the galleries; in an empty store, say how to begin."""
    ws = server.workspace
    galleries = []
    for gallery in ws.galleries():
        identities, samples = ws.count(gallery.name)
        page = ws.list_page(gallery.name, limit=5)
        galleries.append(
            {
                "gallery": gallery,
                "identities": identities,
                "samples": samples,
                "nouns": ws.nouns(gallery.space.modality),
                "kind": ws.kind(gallery.space.modality),
                "cards": page.cards,
            }
        )
    installed = sorted(name for kind in ACCEPT for name in ws.modalities(kind))
    purposes = [(name, ws.purpose(name)) for name in installed]
    values = {
        "galleries": galleries,
        "beginnings": [each for each in purposes if each[1]],
        "others": [name for name, purpose in purposes if not purpose],
    }
    return Shown("galleries.html", values)


def create_gallery(server: Server, form: Form) -> Moved:
    """Create a gallery, named after its modality unless that name is taken."""
    modality, name = require_modality(form["modality"]), form["name"].strip()
    ws = server.workspace
    if not name:
        taken = {gallery.name for gallery in ws.galleries()}
        numbered = (f"{modality}-{n}" for n in range(2, 1000))
        name = next(each for each in (modality, *numbered) if each not in taken)
    ws.create_gallery(name, modality)
    return Moved(link(f"/galleries/{name}"))


def show_gallery(server: Server, form: Form, gallery: str) -> Shown:
    """Show the identities of a gallery, a page at a time, and the form to enrol."""
    ws = server.workspace
    opened = require_gallery(ws, gallery)
    identities, samples = ws.count(gallery)
    page = ws.list_page(gallery, after=form["after"], search=form["search"])
    kind = ws.kind(opened.space.modality)
    more = link(f"/galleries/{gallery}", search=form["search"], after=page.after or "")
    values = {
        "gallery": opened,
        "identities": identities,
        "samples": samples,
        "page": page,
        "search": form["search"],
        "after": form["after"],
        "more": more if page.after else "",
        "nouns": ws.nouns(opened.space.modality),
        "kind": kind,
        "accept": ACCEPT.get(kind, ""),
        "label": form["label"],
    }
    return Shown("_cards.html" if form["fragment"] else "gallery.html", values)


def check(server: Server, form: Form, gallery: str) -> Shown:
    """Say what enrolling would store, and how good it is. Nothing is stored."""
    ws = server.workspace
    modality = require_gallery(ws, gallery).space.modality
    nouns = ws.nouns(modality)
    files = form.files_of()
    if not files:
        raise BadInput("nothing to enrol", hint="drop a file, or choose one")
    if ws.count(gallery)[1]:
        batch = ws.query(gallery, files, k=1)
        checked = [
            (file, [(a.region, a.quality, a) for a in each], each.error)
            for file, each in zip(files, batch, strict=True)
        ]
    else:
        checked = [_check_alone(server, gallery, file) for file in files]
    cards = [
        _verdict(server, file, regions, error, form["label"].strip())
        for file, regions, error in checked
    ]
    return Shown("_check.html", {"cards": cards, "nouns": nouns})


def _check_alone(server: Server, gallery: str, file: Any) -> tuple[Any, list[Any], Any]:
    """Check a file for a gallery in which nothing can be nearest."""
    ws = server.workspace
    opened = require_gallery(ws, gallery)
    try:
        embedded = ws.embed(
            opened.space.modality, file, encoder=opened.encoder, detector=opened.detector
        )
    except SiamkitError as error:
        return file, [], error
    return file, [(place.region, place.quality, None) for place in embedded.regions], None


def _verdict(
    server: Server, file: Any, regions: list[Any], error: SiamkitError | None, label: str
) -> dict[str, Any]:
    """Return the crops of a file, and what is wrong with each."""
    parts = []
    for region, quality, answer in regions:
        identity = answer.identity if answer is not None else None
        parts.append(
            {
                "crop": media.crop(file, region),
                "box": ",".join(f"{edge:.1f}" for edge in region.where or ()),
                "problems": list(quality.problems) if quality else [],
                "score": quality.score if quality else None,
                "same_as": identity if identity and identity != label else None,
            }
        )
    usable = [part for part in parts if not part["problems"]]
    if error:
        state = "bad"
    elif len(usable) == 1:
        state = "good"
    else:
        state = "several" if usable else "poor"
    return {
        "name": file.name,
        "state": state,
        "parts": parts,
        "sound": media.sound(file) if not any(part["crop"] for part in parts) else "",
        "error": describe(error, server) if error else None,
    }


def enrol(server: Server, form: Form, gallery: str) -> Moved | Shown:
    """Enrol the files or the texts of a form under one label."""
    ws, label = server.workspace, form["label"].strip()
    modality = ws.gallery(gallery).space.modality
    texts = [line.strip() for line in form["text"].splitlines() if line.strip()]
    files = form.files_of()
    if not (files or texts):
        raise BadInput("nothing to enrol", hint="drop a file, or choose one")
    if not label:
        noun = ws.nouns(modality).singular
        raise BadInput(f"the {noun} has no name", hint="write one into the field “Name”")
    choose: Chooser = region_choosers.all_usable if form["all"] else region_choosers.only_usable
    if form["any_quality"]:
        choose = region_choosers.ignoring_quality(choose)
    box = read_box(form["box"])
    prompt = Prompt(box=box) if box else None
    if texts:
        pairs = [(label, text) for text in texts]
        results = list(ws.enrol_many(gallery, pairs, build=False))
    else:
        items = [(file.name, bytes(file)) for file in files]
        results = ws.enrol_uploads(gallery, label, items, choose=choose, prompt=prompt)
    server.build_soon(gallery)
    failures = [(r.source, describe(r.error, server)) for r in results if r.error]
    counts = {s: sum(r.status == s for r in results) for s in ("enrolled", "already")}
    warnings = [_without_commands(warning) for r in results for warning in r.warnings]
    if failures:
        values = {"failures": failures, "counts": counts, "label": label, "gallery": gallery}
        return Shown("_failed.html" if form["fragment"] else "failed.html", values)
    parts = [f"{label}: {counts['enrolled']} enrolled" if counts["enrolled"] else ""]
    parts.append(f"{counts['already']} already enrolled" if counts["already"] else "")
    notice = ", ".join(part for part in parts if part) + "."
    path = own_path(form["back"]) if form["back"] else link(f"/galleries/{gallery}")
    return Moved(path, " ".join([notice, *warnings]))


def _without_commands(warning: str) -> str:
    """Return what a warning says before the commands that it suggests: Review asks the same."""
    finding, mark, _ = warning.partition(": `")
    return f"{finding.rpartition('. ')[0]}. See Review." if mark else warning


def show_identity(server: Server, form: Form, gallery: str) -> Shown:
    """Show the samples of an identity, and what can be done with them."""
    ws, label = server.workspace, form["label"]
    every = ws.identity(label)
    samples = [sample for sample in every if sample.gallery == gallery]
    opened = require_gallery(ws, gallery)
    shown = [
        {
            "sample": sample,
            "name": sample.source if sample.inline else to_path(sample.source).name,
            "span": box if (box := media.box_of(sample)) and len(box) == 2 else None,
        }
        for sample in samples
    ]
    values = {
        "gallery": opened,
        "label": label,
        "samples": shown,
        "elsewhere": sorted({s.gallery for s in every if s.gallery != gallery}),
        "kind": ws.kind(opened.space.modality),
        "nouns": ws.nouns(opened.space.modality),
        "accept": ACCEPT.get(ws.kind(opened.space.modality), ""),
    }
    return Shown("identity.html", values)


def _identity_path(gallery: str, label: str) -> str:
    return link(f"/galleries/{gallery}/identity", label=label)


def rename(server: Server, form: Form, gallery: str) -> Moved:
    """Give an identity another label."""
    require_enrolled(server.workspace, gallery, form["label"])
    label = server.workspace.rename(form["label"], form["new"])
    return Moved(_identity_path(gallery, label), f"Renamed to {label}.")


def merge(server: Server, form: Form, gallery: str) -> Moved:
    """Merge an identity into another."""
    for label in (form["label"], form["into"]):
        require_enrolled(server.workspace, gallery, label)
    merger = server.workspace.merge(form["label"], form["into"])
    notice = f"{merger.old} merged into {merger.new}."
    return Moved(_identity_path(gallery, merger.new), notice)


def undo_merge(server: Server, form: Form, gallery: str) -> Moved:
    """Take the last merger, or the last move of a sample, back."""
    require_gallery(server.workspace, gallery)
    merger = server.workspace.undo_merge()
    return Moved(_identity_path(gallery, merger.new), f"{merger.new} is as it was before.")


def move(server: Server, form: Form, gallery: str) -> Moved:
    """Give a sample to another identity."""
    sample = require_sample(server.workspace, gallery, _number(form["sample"]))
    merger = server.workspace.move_sample(sample.id, form["into"])
    return Moved(_identity_path(gallery, merger.new), f"Moved to {merger.new}.")


def forget(server: Server, form: Form, gallery: str) -> Moved:
    """Forget an identity, everywhere or in one gallery."""
    everywhere = bool(form["everywhere"])
    require_enrolled(server.workspace, gallery, form["label"])
    count = server.workspace.forget(form["label"], gallery=None if everywhere else gallery)
    samples = "1 sample" if count == 1 else f"{count} samples"
    return Moved(link(f"/galleries/{gallery}"), f"{form['label']} is forgotten: {samples} deleted.")


def forget_sample(server: Server, form: Form, gallery: str) -> Moved:
    """Forget one sample."""
    ws = server.workspace
    sample = require_sample(ws, gallery, _number(form["sample"]))
    label = sample.identity
    ws.forget_sample(sample.id)
    is_left = any(card.identity == label for card in ws.list_page(gallery, search=label).cards)
    path = _identity_path(gallery, label) if is_left else link(f"/galleries/{gallery}")
    return Moved(path, "1 sample is forgotten.")


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > MAX_DIGITS:
        raise BadInput("a sample's id is a number")
    return int(text)


def delete_gallery(server: Server, form: Form, gallery: str) -> Moved:
    """Delete a gallery whose name was typed to confirm it."""
    if form["confirm"].strip() != gallery:
        raise BadInput(f"to delete the gallery, type its name: {gallery}")
    server.workspace.delete_gallery(gallery)
    return Moved("/galleries", f"Gallery {gallery} is deleted.")
