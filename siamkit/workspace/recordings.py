"""Find who speaks when."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.flows.decide import DEFAULT_RULE, DecisionRule
from siamkit.io.places import expand
from siamkit.sdk.inputs import take_source
from siamkit.stats.scoring import Fusion
from siamkit.types import Input, Progress, ignore_progress
from siamkit.workspace.galleries import GalleryMethods

if TYPE_CHECKING:
    from siamkit.flows.timeline import Timeline


class RecordingMethods(GalleryMethods):
    """Find who speaks when."""

    def timeline(
        self,
        recording: Input,
        gallery: str | None = None,
        *,
        modality: str | None = None,
        speakers: int | None = None,
        rule: DecisionRule = DEFAULT_RULE,
        fusion: Fusion | None = None,
        progress: Progress = ignore_progress,
    ) -> Timeline:
        """Find who speaks when in a recording: the enrolled by name, others by number.

        modality: without a gallery; None: the one that tells speakers apart. speakers: how many
        there are; None to estimate it. See siamkit.flows.timeline.

        Examples:
            >>> timeline = ws.timeline("low-1.wav")
            >>> timeline.turns[0].name
            'speaker 1'
        """
        from siamkit.flows.timeline import default_modality, timeline

        live, pipeline = (
            self._open_gallery(gallery)
            if gallery
            else (None, self.pipeline(modality or default_modality()))
        )
        source = take_source(recording, "recording", pipeline.modality.kind)
        return timeline(
            live,
            pipeline,
            source if isinstance(source, bytes) else expand(Path(source)),
            speakers=speakers,
            rule=rule,
            fusion=fusion,
            progress=progress,
        )

    def count_speakers(self, gallery: str, recording: str | Path) -> int:
        """Count who speaks in a recording; 1 for a modality that cannot tell speakers apart.

        Examples:
            >>> ws.count_speakers("voices", "low-1.wav")  # doctest: +SKIP
        """
        from siamkit.flows.diarise import count_speakers

        pipeline = self.pipeline_of(self.gallery(gallery))
        return count_speakers(pipeline, expand(Path(recording)))

    def cut_speaker(
        self,
        timeline: str | Path,
        speaker: int,
        *,
        modality: str | None = None,
        folder: str | Path = ".",
    ) -> Path:
        """Save what a numbered speaker of a timeline in JSON says to RECORDING-speaker-N.wav.

        See siamkit.flows.cut_speaker.

        Examples:
            >>> ws.cut_speaker("talk.json", 2)  # doctest: +SKIP
        """
        from siamkit.flows.cut_speaker import cut_speaker
        from siamkit.flows.timeline import default_modality

        pipeline = self.pipeline(modality or default_modality())
        return cut_speaker(pipeline, expand(Path(timeline)), speaker, expand(Path(folder)))
