"""Pick the modality that a command needs where the user names none."""

from __future__ import annotations

from pathlib import Path

from siamkit.errors import BadInput
from siamkit.host import registry
from siamkit.models import added as added_encoders
from siamkit.sdk.model_folder import CARD, read_card


def for_encoder(wanted: str, kind: str | None = None) -> str:
    """The one modality that has an encoder of that name, or makes one of 'ORIGIN:MODEL'.

    Of an encoder folder, the one that its card names. kind: of what its samples are, "image" say.
    Raises BadInput for none, or for several.
    """
    if (Path(wanted) / CARD).exists():
        return read_card(Path(wanted)).modality
    plugins = registry.load_modalities()
    origin, _, model = wanted.partition(":")
    fitting = [
        plugin.name
        for plugin in plugins
        if kind in (None, plugin.kind)
        and (
            (model and origin in added_encoders.origins(plugin))
            or wanted in getattr(plugin, "encoders", {})
            or wanted in added_encoders.list_added(plugin)
        )
    ]
    if len(fitting) == 1:
        return str(fitting[0])
    of_kind = f" of kind {kind}" if kind else ""
    if fitting:
        raise BadInput(
            f"several modalities{of_kind} take the encoder {wanted!r}: {', '.join(fitting)}",
            hint="name one: -m MODALITY; after `encoders add`, in place of NAME and --kind",
        )
    origins = [
        f"{o}:NAME ({plugin.kind})" for plugin in plugins for o in added_encoders.origins(plugin)
    ]
    raise BadInput(
        f"no modality{of_kind} has an encoder {wanted!r}",
        hint=f"those that make one of another model: {', '.join(origins) or 'none'};"
        " `siamkit encoders list` shows what is there",
    )


def of_kind(kind: str) -> list[str]:
    """The names of the modalities whose samples are of a kind, 'text' say, in their order."""
    return [modality.name for modality in registry.load_modalities() if modality.kind == kind]
