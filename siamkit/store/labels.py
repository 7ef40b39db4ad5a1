"""Labels: the names of identities, and the samples that each identity owns."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from difflib import get_close_matches

from siamkit.errors import BadInput, NameTaken, UnknownName
from siamkit.io.commands import suggest
from siamkit.io.encodings import undecoded
from siamkit.io.presentable import Presentable
from siamkit.io.table_values import plain_text
from siamkit.store.checked import read_as
from siamkit.store.database import Store
from siamkit.store.galleries import Gallery
from siamkit.store.identities import find

MAX_LABEL_CHARS = 200  # characters
MOST_COMPARED = 5_000  # labels that an unknown one is compared with, in about 0.1 s
INVISIBLE = "\ufeff\u200b\u2060\u200e\u200f"  # what copying leaves around a label


def normalise_label(label: str | int) -> str:
    """Return a label as it is stored: NFC, no blanks around it. Raises BadInput if unusable.

    Slashes, emoji and any script are fine: a label is never used as a path. A number, numpy's own
    included, is its digits: 5 and 5.0 are "5".
    """
    text = plain_text(label)
    if text is None:
        raise BadInput(f"a label must be text, not {type(label).__name__}")
    if fault := undecoded(text):
        raise BadInput(f"label {text[:40]!r} {fault}")
    clean = unicodedata.normalize("NFC", text).strip().strip(INVISIBLE).strip()
    excerpt = clean[:40] + ("…" if len(clean) > 40 else "")
    if not clean:
        raise BadInput("a label is empty", hint="give a name, for example `--as alice`")
    if len(clean) > MAX_LABEL_CHARS:
        hint = f"use at most {MAX_LABEL_CHARS}"
        raise BadInput(f"label {excerpt!r} has {len(clean):,} characters", hint=hint)
    # "Cs" are lone surrogates: bytes that are not UTF-8, which no file or screen can hold.
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in clean):
        hint = "remove the character"
        raise BadInput(f"label {excerpt!r} has a line break or control character", hint=hint)
    return clean


def sample_ids(store: Store, label: str) -> list[tuple[int, str]]:
    """Return the (id, gallery) of an identity's samples, damaged ones too.

    Raises UnknownName if there are none.
    """
    label = normalise_label(label)
    query = (
        "SELECT s.id, g.name FROM samples s JOIN identities i ON i.id = s.identity_id"
        " LEFT JOIN galleries g ON g.id = s.gallery_id WHERE i.id = ? ORDER BY s.id"
    )
    with store.read() as db:
        rows: list[tuple[int, str]] = db.execute(query, (find(db, label),)).fetchall()
    if rows:
        return rows
    raise _unknown(store, label)


def require(store: Store, label: str) -> int:
    """Return the id of an identity that owns samples. Raises UnknownName if there is none."""
    label = normalise_label(label)
    with store.read() as db:
        identity_id = find(db, label)
        owns = store.fetch_one("SELECT 1 FROM samples WHERE identity_id = ? LIMIT 1", identity_id)
    if identity_id is None or owns is None:
        raise _unknown(store, label)
    return identity_id


def _unknown(store: Store, label: str) -> UnknownName:
    return UnknownName(f"no identity {label!r} in {store.root}", hint=_suggest(store, label))


def _suggest(store: Store, label: str) -> str:
    """Return a hint for a label that nobody has: the nearest, or the gallery of that name."""
    if store.fetch_one("SELECT 1 FROM galleries WHERE name = ?", label):
        return (
            f"{label!r} is a gallery: `siamkit list {label}` shows who is in it,"
            f" `siamkit galleries delete {label}` deletes it"
        )
    labels = [
        row[0] for row in store.fetch_all("SELECT name FROM identities LIMIT ?", MOST_COMPARED)
    ]
    near = get_close_matches(label, [name for name in labels if isinstance(name, str)], n=1)
    return f"did you mean {near[0]!r}?" if near else "`siamkit list` shows all identities"


def of_gallery(store: Store, gallery: Gallery) -> list[tuple[str, int]]:
    """Return (label, id) of each identity in a gallery, by label. The id outlives a new label."""
    rows = store.fetch_all(
        "SELECT name, id FROM identities WHERE id IN"
        " (SELECT identity_id FROM samples WHERE gallery_id = ?) ORDER BY name",
        gallery.id,
    )
    return [row for row in rows if isinstance(row[0], str)]


def nearest_of_gallery(store: Store, gallery: Gallery, label: str) -> str:
    """Return the identity of a gallery that is spelled most like a label; "" if none is."""
    query = (
        "SELECT name FROM identities WHERE id IN"
        " (SELECT DISTINCT identity_id FROM samples WHERE gallery_id = ? LIMIT ?)"
    )
    rows = store.fetch_all(query, gallery.id, MOST_COMPARED)
    enrolled = [row[0] for row in rows if isinstance(row[0], str)]
    return next(iter(get_close_matches(str(label), enrolled, n=1)), "")


@dataclass(frozen=True, slots=True)
class Holding(Presentable):
    """Number of samples of one identity in one gallery.

    Examples:
        >>> ws.identities("faces")[0].identity
        'collins'
    """

    identity: str
    gallery: str
    samples: int
    quality: float | None  # the best


def holdings(store: Store, gallery: Gallery | None = None) -> list[Holding]:
    """Return the holdings of all identities, by label, then gallery."""
    where, values = ("WHERE g.id = ?", (gallery.id,)) if gallery else ("", ())
    rows = store.fetch_all(
        "SELECT i.name, g.name, count(*), max(s.quality) FROM samples s"
        " JOIN galleries g ON g.id = s.gallery_id JOIN identities i ON i.id = s.identity_id"
        f" {where} GROUP BY i.id, g.id ORDER BY i.name, g.name",
        *values,
    )
    return [holding for row in rows if (holding := read_as(Holding, row))]


def rename(store: Store, old: str, new: str) -> None:
    """Give an identity another label. Raises StoreError if `old` is absent or `new` is taken."""
    old, new = normalise_label(old), normalise_label(new)
    sample_ids(store, old)
    with store.write() as db:
        if old != new and find(db, new) is not None:
            hint = f"`{suggest('merge', old, new)}` makes the two one, and can be undone"
            raise NameTaken(f"identity {new!r} already exists", hint=hint)
        db.execute("UPDATE identities SET name = ? WHERE id = ?", (new, find(db, old)))
