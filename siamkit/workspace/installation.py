"""Encoders, detectors, plugins, and the installation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.errors import SiamkitError
from siamkit.flows import detectors as detector_folders
from siamkit.flows import encoders as encoder_folders
from siamkit.host import registry
from siamkit.io.places import expand
from siamkit.io.wording import OTHERS, Nouns, nouns_of
from siamkit.models import pick_modality
from siamkit.types import Progress, ignore_progress
from siamkit.workspace.base import OpenStore

if TYPE_CHECKING:
    from siamkit.flows.checkups import Checkup
    from siamkit.host.registry import Plugin
    from siamkit.testing.rule import Result


class InstallationMethods(OpenStore):
    """Encoders, detectors, plugins, and the installation."""

    encoders = staticmethod(encoder_folders.list_encoders)
    build_encoders = staticmethod(encoder_folders.build_encoders)
    add_encoder = staticmethod(encoder_folders.add_encoder)
    encoder_path = staticmethod(encoder_folders.encoder_path)
    detectors = staticmethod(detector_folders.list_detectors)
    build_detectors = staticmethod(detector_folders.build_detectors)
    add_detector = staticmethod(detector_folders.add_detector)
    detector_path = staticmethod(detector_folders.detector_path)

    @staticmethod
    def kind(modality: str) -> str:
        """Name the kind of a modality's samples: "image", "audio", "text", or a plugin's word.

        Examples:
            >>> ws.kind("faces")
            'image'
        """
        return str(registry.load("siamkit.modalities", modality).kind)

    @staticmethod
    def nouns(modality: str) -> Nouns:
        """Return a modality's words for an identity: ("person", "people"), for example.

        The general ones if its plugin is not here.

        Examples:
            >>> ws.nouns("faces").plural
            'people'
        """
        try:
            return nouns_of(registry.load("siamkit.modalities", modality))
        except SiamkitError:
            return OTHERS

    @staticmethod
    def purpose(modality: str) -> str:
        """Say in a sentence what a modality is for; '' if its plugin does not.

        Examples:
            >>> ws.purpose("faces")
            'Recognise people in photographs.'
        """
        return str(getattr(registry.load("siamkit.modalities", modality), "purpose", ""))

    @staticmethod
    def modalities(kind: str) -> list[str]:
        """List the installed modalities of a kind; one that fails to import is left out.

        Examples:
            >>> "faces" in ws.modalities("image")
            True
        """
        return pick_modality.of_kind(kind)

    @staticmethod
    def plugins() -> list[Plugin]:
        """List every installed plugin with its package. Imports none of them.

        Examples:
            >>> "faces" in [plugin.name for plugin in ws.plugins()]
            True
        """
        return list(registry.all_installed())

    @staticmethod
    def check_plugin(name: str) -> Iterator[tuple[str, Result]]:
        """Run the conformance kit on an installed plugin; yield (group, result) per check.

        Examples:
            >>> for group, result in ws.check_plugin("faces"):  # doctest: +SKIP
            ...     print(group, result)
        """
        from siamkit.testing import check_installed

        yield from check_installed(name)

    @staticmethod
    def new_plugin(name: str, kind: str, folder: str | Path) -> list[Path]:
        """Write a package with a new plugin into a new folder; return its files.

        kind: "image", "audio", "text" or "vector" for a modality, or "detector". Raises BadInput
        for a bad name or folder.

        Examples:
            >>> ws.new_plugin("leaves", "image", "leaves")  # doctest: +SKIP
        """
        from siamkit.scaffold import write

        return write(name, kind, expand(Path(folder)))

    def doctor(self, *, progress: Progress = ignore_progress) -> Iterator[Checkup]:
        """Check the installation, the plugins, the encoders, and the store with its indexes.

        Yields the outcome of each check once it has run. progress: told of those that read the
        whole store, which takes 15 µs of one core per sample of 128 numbers.

        Examples:
            >>> for checkup in ws.doctor(): print(checkup)  # doctest: +SKIP
        """
        from siamkit.flows.doctor import examine

        yield from examine(self.root, progress)
