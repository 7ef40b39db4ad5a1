"""Pick the modality for a command if the user names none."""

from __future__ import annotations

from pathlib import Path

from siamkit.errors import BadInput
from siamkit.host import registry
from siamkit.models import added as added_encoders
from siamkit.sdk.model_folder import CARD, read_card


def for_encoder(encoder: str, kind: str | None = None) -> str:
    """Return the one modality that has an encoder of that name, or can make 'ORIGIN:MODEL'.

    For an encoder folder, the modality on its card. kind: of the samples, such as "image".
    Raises BadInput if no modality fits, or several do.
    """
    if (Path(encoder) / CARD).exists():
        return read_card(Path(encoder)).modality
    plugins = registry.load_modalities()
    origin, _, model = encoder.partition(":")
    fitting = [
        plugin.name
        for plugin in plugins
        if kind in (None, plugin.kind)
        and (
            (model and origin in added_encoders.origins(plugin))
            or encoder in getattr(plugin, "encoders", {})
            or encoder in added_encoders.list_added(plugin)
        )
    ]
    if len(fitting) == 1:
        return str(fitting[0])
    of_kind = f" of kind {kind}" if kind else ""
    if fitting:
        raise BadInput(
            f"several modalities{of_kind} have the encoder {encoder!r}: {', '.join(fitting)}",
            hint="give `-m MODALITY`; with `encoders add`, name it in place of NAME and `--kind`",
        )
    origins = [
        f"{o}:NAME ({plugin.kind})" for plugin in plugins for o in added_encoders.origins(plugin)
    ]
    raise BadInput(
        f"no modality{of_kind} has an encoder {encoder!r}",
        hint=f"encoders can be made from: {', '.join(origins) or 'nothing'};"
        " `siamkit encoders list` shows the present ones",
    )


def of_kind(kind: str) -> list[str]:
    """Return the names of the modalities of a kind, such as "text", in their order."""
    return [modality.name for modality in registry.load_modalities() if modality.kind == kind]
