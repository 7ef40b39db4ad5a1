"""The modality `voices`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.errors import MissingWeights, NothingFound
from siamkit.protocols import Source
from siamkit.types import Clip, Quality, Region, Span

if TYPE_CHECKING:
    from siamkit_voices.network import VoiceEncoder
    from siamkit_voices.segmentation import Segmentation

SHIPPED = Path(__file__).parent / "encoder"


class Voices:
    """Speakers, as recordings of any rate and number of channels. A crop is speech, no pauses."""

    name = "voices"
    nouns = ("speaker", "speakers")
    kind = "audio"
    purpose = "Tell who speaks in recordings."
    calibration = Path(__file__).with_name("calibration.json")
    detector: str | None = "speech"
    backbone = "encoder"
    fusion = "mean"  # better than the nearest of 3 clips: see docs/voices.md

    def load(self, source: Source) -> Clip:
        """Decode a sound file, or its content, to mono at RATE. Raises UnreadableSample."""
        from siamkit.sdk.sound import load_clip
        from siamkit_voices.features import RATE

        return load_clip(source, RATE)

    def stream(self, source: Path) -> Iterator[Clip]:
        """Yield the sound in clips of a minute, for recordings too long to hold in memory."""
        from siamkit.sdk.sound import stream_clip
        from siamkit_voices.features import RATE

        return stream_clip(source, RATE)

    def crop(self, medium: Clip, region: Region) -> Clip:
        """Cut the region's parts, end to end. Raises NothingFound if they are silent."""
        from siamkit_voices.features import cut

        samples = cut(medium, region)
        if not samples.any():
            raise NothingFound("the recording is silent")
        return Clip(samples, medium.rate)

    def assess(self, medium: Clip, region: Region) -> Quality:
        """Measure the length of speech, its level over the noise, and clipping."""
        from siamkit_voices.quality import assess

        return assess(medium, region)

    def separate(self, medium: Clip) -> list[list[Span]]:
        """Tell apart up to three speakers of a few seconds: see siamkit_voices.segmentation."""
        return self._segmentation.separate(medium)

    @cached_property
    def _segmentation(self) -> Segmentation:
        from siamkit_voices.segmentation import Segmentation

        return Segmentation()

    def encoder(self, folder: Path | None = None) -> VoiceEncoder:
        """Open an encoder folder; None: the one in this package. Raises MissingWeights."""
        from siamkit_voices.network import VoiceEncoder

        if folder is None and not SHIPPED.is_dir():
            raise MissingWeights("voices have no encoder of their own")
        return VoiceEncoder(folder or SHIPPED)

    def examples(self) -> Sequence[tuple[str, Source]]:
        """Return two generated clips each of two invented voices: see siamkit_voices.examples."""
        from siamkit_voices.examples import examples

        return examples()
