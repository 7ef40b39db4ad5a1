"""Find a gallery by name, or the modality that a new one of that name would hold."""

from __future__ import annotations

from difflib import get_close_matches
from shlex import quote

from siamkit.errors import BadInput, UnknownName
from siamkit.host import registry
from siamkit.models import pick_modality
from siamkit.store import Gallery, Store, galleries


def find_gallery(
    store: Store | None, name: str, modality: str | None = None
) -> tuple[Gallery | None, str]:
    """Return the gallery, None if it does not exist, and the modality that it has or would get.

    store: None if it does not exist either. modality: None takes the one named like the gallery.
    Raises UnknownName if there is neither, BadInput if the gallery holds another modality.
    """
    if store and galleries.exists(store, name):
        gallery = get_of_modality(store, name, modality)
        return gallery, gallery.space.modality
    modalities = _modalities()
    if modality is None and name not in modalities:
        names = [*(galleries.names(store) if store else ()), *modalities]
        near = get_close_matches(str(name), names, n=1)
        create = f"`siamkit galleries create {quote(str(name))} -m MODALITY` creates it"
        hint = f"{create}; modalities: {', '.join(modalities)}"
        if near:
            hint = f"did you mean {near[0]!r}?"
        raise UnknownName(f"no gallery or modality named {name!r}", hint=hint)
    return None, modality or name


def get_of_modality(store: Store, name: str, modality: str | None) -> Gallery:
    """Return an existing gallery. Raises BadInput if it holds another modality."""
    gallery = galleries.get(store, name)
    if modality is not None and gallery.space.modality != modality:
        raise BadInput(
            f"gallery {name!r} holds {gallery.space.modality}, not {modality}",
            hint="give another gallery name",
        )
    return gallery


def imply_modality(gallery: str, encoder: str | None) -> str:
    """Pick the modality of a new gallery: its encoder's, or else the one it is named after."""
    if encoder is not None:
        return pick_modality.for_encoder(encoder)
    if gallery not in _modalities():
        raise BadInput(
            f"no modality named {gallery!r}: which one does the gallery hold?",
            hint="name a modality (--modality NAME) or an encoder (--encoder NAME)",
        )
    return gallery


def _modalities() -> list[str]:
    return [plugin.name for plugin in registry.installed("siamkit.modalities")]
