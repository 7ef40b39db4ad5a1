"""Review: duplicates, audit findings and unknown faces or voices, one decision a key."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from siamkit.errors import BadInput, SiamkitError
from siamkit.flows.audit import Finding
from siamkit.flows.review import DOOMED, QUEUES, ReviewItem, list_items, parse_subject
from siamkit.io.sources import to_path
from siamkit.io.wording import format_probability
from siamkit.serve.pages import media
from siamkit.serve.pages.ask import ACCEPT
from siamkit.serve.pages.frame import Form, Moved, Shown, link
from siamkit.serve.server import Server
from siamkit.store import Gallery
from siamkit.store.samples import Sample
from siamkit.workspace import Workspace

DUPLICATES, FINDINGS, UNKNOWN = QUEUES
TITLES = {DUPLICATES: "Duplicates", FINDINGS: "Findings", UNKNOWN: "Unknown"}
PATIENCE_SECONDS = 3.0  # for an audit, before the page says that it is at work
OTHERS = 4  # samples of an identity beside the one in question
# By kind: the question, and what the two answers do. {noun}: a person, a speaker, …
QUESTIONS = {
    "twins": ("Is this the same {noun}?", "Same: merge", "Different: keep two"),
    "copy": ("One content, two names: is it one {noun}?", "Same: merge", "Different: keep two"),
    "label": ("Which {noun} is it?", "The right one: move", "The left one: keep"),
    "outlier": ("Does this belong to {left}?", "Yes: keep", "No: move out"),
    "quality": ("Is this good enough?", "Keep", "Mark to forget"),
    "burst": ("These are nearly identical. Keep them?", "Keep", "Mark one to forget"),
    "unknown": ("Is this {right}?", "Same: enrol", "Somebody new: enrol"),
}


@dataclass(slots=True)
class RunningAudit:
    """An audit at work, or done: a large gallery takes minutes."""

    stamp: tuple[int, int]  # the gallery, and its last change
    outcome: Future[list[Finding]]
    share: float = 0.0  # of the work that is done
    began: float = field(default_factory=time.monotonic)  # s


class Audits:
    """The last audit of each gallery, until something is enrolled or forgotten in it."""

    def __init__(self) -> None:
        """Keep none yet."""
        self._lock = threading.Lock()
        self._running: dict[str, RunningAudit] = {}

    def of(self, server: Server, gallery: Gallery) -> RunningAudit:
        """Return the audit of a gallery, begun if need be, after a moment's wait for its end.

        The moment is its first: who asks again while it is at work holds no thread of the pool.
        Merging and moving samples leave it as it is.
        """
        stamp = gallery.id, server.workspace.last_change(gallery.name)
        with self._lock:
            audit = self._running.get(gallery.name)
            if audit is None or audit.stamp != stamp:
                audit = RunningAudit(stamp, Future())
                self._running[gallery.name] = audit
                work = server.settings.store, gallery.name, audit
                # A daemon: a server that is to stop does not wait for it.
                threading.Thread(target=_run_audit, args=work, daemon=True).start()
        wait([audit.outcome], max(0.0, audit.began + PATIENCE_SECONDS - time.monotonic()))
        return audit


def _run_audit(store: Path, gallery: str, audit: RunningAudit) -> None:
    """Audit a gallery with an index of its own: queries need not wait for it."""

    def note(step: str, done: int, total: int) -> None:
        audit.share = done / total if total else 0.0

    try:
        with Workspace(store) as ws:
            audit.outcome.set_result(ws.audit(gallery, progress=note))
    except Exception as error:
        audit.outcome.set_exception(error)


_AUDITS: WeakKeyDictionary[Server, Audits] = WeakKeyDictionary()


def audits_of(server: Server) -> Audits:
    """Return the audits of a server, kept as long as it is."""
    return _AUDITS.setdefault(server, Audits())


def show_review(server: Server, form: Form) -> Shown | Moved:
    """Show what waits for a decision, one at a time."""
    ws = server.workspace
    filled = [gallery for gallery in ws.galleries() if ws.count(gallery.name)[1]]
    if not filled:
        return Moved("/galleries")
    names = [gallery.name for gallery in filled]
    name = form["gallery"] if form["gallery"] in names else names[0]
    queue = next((queue for queue in QUEUES if queue == form["queue"]), "")
    values = _values(server, filled[names.index(name)], queue)
    values["galleries"] = names
    return Shown("_review.html" if form["fragment"] else "review.html", values)


def _values(server: Server, gallery: Gallery, queue: str) -> dict[str, Any]:
    """Return what a queue shows: the first of those that are not empty, if none is named."""
    ws, store = server.workspace, server.workspace.store
    kind = ws.kind(gallery.space.modality)
    audit = audits_of(server).of(server, gallery)
    findings = audit.outcome.result() if audit.outcome.done() else []
    waiting: dict[str, list[Any]] = {
        DUPLICATES: list_items(store, gallery, findings, DUPLICATES),
        FINDINGS: list_items(store, gallery, findings, FINDINGS),
        UNKNOWN: ws.unknowns(gallery.name) if kind != "text" else [],
    }
    queue = queue or next((name for name, items in waiting.items() if items), DUPLICATES)
    done = ws.reviews(gallery.name)
    decided = sum(review.subject.partition(" ")[0] in QUEUES[queue] for review in done)
    nouns = ws.nouns(gallery.space.modality)
    items = waiting[queue]
    item = None
    if items:
        item = (
            _unknown_item(server, gallery, items[0])
            if queue == UNKNOWN
            else _pair_item(server, gallery, items[0], nouns.singular)
        )
    return {
        "gallery": gallery.name,
        "kind": kind,
        "nouns": nouns,
        "queue": queue,
        "titles": TITLES,
        "counts": {name: len(each) for name, each in waiting.items()},
        "item": item,
        "waiting": len(items),
        "decided": decided,
        "tally": {
            choice: sum(review.decision == choice for review in done)
            for choice in ("same", "different", "skip")
        },
        "last": done[-1] if done else None,
        "doomed": ws.doomed(gallery.name),
        "copies": len(ws.unknowns(gallery.name, skipped=True)) if queue == UNKNOWN else 0,
        "accept": ACCEPT.get(kind, ""),
        "looking": None if audit.outcome.done() else f"{100 * audit.share:.0f} %",
    }


def _pair_item(server: Server, gallery: Gallery, item: ReviewItem, noun: str) -> dict[str, Any]:
    right = item.right
    question, same, different = QUESTIONS[item.kind]
    names = {"noun": noun, "left": item.left.identity, "right": right.identity if right else ""}
    sides = [_side(server, gallery, item.left, show_others=right is None or item.kind == "label")]
    if right is not None:
        sides.append(_side(server, gallery, right, show_others=True))
    return {
        "subject": item.subject,
        "kind": item.kind,
        "question": question.format(**names),
        "same": same,
        "different": different,
        "description": item.description,
        "sides": sides,
        "scene": None,
        "destroys": item.kind in DOOMED,
    }


def _side(server: Server, gallery: Gallery, sample: Sample, *, show_others: bool) -> dict[str, Any]:
    every = server.workspace.identity(sample.identity)
    others = [each.id for each in every if each.id != sample.id and each.gallery == gallery.name]
    return {
        "label": sample.identity,
        "sample": sample.id,
        "text": sample.source if sample.inline else "",
        "name": "" if sample.inline else to_path(sample.source).name,
        "others": others[:OTHERS] if show_others else [],
        "count": len(others) + 1,
        "quality": sample.quality,
    }


def _unknown_item(server: Server, gallery: Gallery, unknown: Any) -> dict[str, Any]:
    """Show a region that waits beside the nearest identity."""
    ws = server.workspace
    path = to_path(unknown.source)
    content, best, probability = b"", None, None
    try:
        content = path.read_bytes()
        answer = ws.ask_unknown(gallery.name, unknown)
        best = answer.matches[0] if answer.matches else None
        probability = best.probability if best else None
    except (OSError, SiamkitError):
        pass  # it can be skipped
    question, same, different = QUESTIONS["unknown"]
    sides = []
    if best is not None:
        sides = [_side(server, gallery, ws.sample(best.sample_id), show_others=True)]
    asked: dict[str, Any] = {
        "label": "",
        "crop": media.crop(content, unknown.read_region(), 320),
        "sound": media.sound(content),
        "name": path.name,
        "others": [],
        "sample": None,
        "text": "",
        "quality": None,
    }
    return {
        "subject": f"unknown {unknown.id}",
        "kind": "unknown",
        "question": question.format(right=best.identity if best else "somebody enrolled"),
        "same": same if best else "",
        "different": different,
        "description": ""
        if probability is None
        else f"probability {format_probability(probability)}",
        "sides": [asked, *sides],
        "destroys": False,
    }


def decide(server: Server, form: Form) -> Moved | Shown:
    """Take a decision about one item, and show the next."""
    ws, subject = server.workspace, form["subject"]
    kind, numbers = parse_subject(subject)
    choice = form["decision"]
    if choice not in ("same", "different", "skip"):
        raise BadInput("a decision is same, different or skip")
    if kind == "unknown":
        ws.decide_unknown(form["gallery"], numbers[0], choice, form["label"])  # type: ignore[arg-type]
    else:
        ws.decide(form["gallery"], subject, choice)  # type: ignore[arg-type]
    return _next(server, form)


def _next(server: Server, form: Form) -> Moved | Shown:
    """Show the next question; a script takes it without another request."""
    return show_review(server, form) if form["stay"] else _back(form)


def _back(form: Form, notice: str = "") -> Moved:
    query = {"gallery": form["gallery"], "queue": form["queue"]}
    return Moved(link("/review", **query), notice)


def undo(server: Server, form: Form) -> Moved | Shown:
    """Take the last decision back."""
    server.workspace.undo_decision(form["gallery"])
    return _next(server, form)


def add_unknown(server: Server, form: Form) -> Moved:
    """Let who is unknown in pictures or recordings wait for a decision."""
    files = form.files_of()
    if not files:
        raise BadInput("nothing to look through", hint="drop a file, or choose one")
    items = [(file.name, bytes(file)) for file in files]
    added = server.workspace.add_unknowns(form["gallery"], items)
    verb = "waits" if len(added) == 1 else "wait"
    notice = f"{len(added)} {verb} for a decision." if added else "Nobody unknown was found."
    return Moved(link("/review", gallery=form["gallery"], queue=UNKNOWN), notice)


def drop_unknown(server: Server, form: Form) -> Moved:
    """Forget a region that waits, or all of them and the skipped ones, with the copies of files."""
    ws, gallery = server.workspace, form["gallery"]
    subject = form["subject"]
    numbers = [each.id for each in ws.unknowns(gallery, skipped=True)]
    if subject:
        kind, numbers = parse_subject(subject)
        if kind != UNKNOWN:
            raise BadInput(f"{subject} is no unknown to forget")
    for number in numbers:
        ws.drop_unknown(gallery, number)
    return _back(form, f"{len(numbers)} unknown forgotten.")


def forget_doomed(server: Server, form: Form) -> Moved:
    """Forget the samples that decisions have marked."""
    ws = server.workspace
    doomed = ws.doomed(form["gallery"])
    for sample_id in doomed:
        ws.forget_sample(sample_id)
    samples = "1 sample is" if len(doomed) == 1 else f"{len(doomed)} samples are"
    return _back(form, f"{samples} forgotten.")
