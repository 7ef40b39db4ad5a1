"""Measure error rates, calibrate, and audit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.embed.pipeline import DEFAULT
from siamkit.errors import BadInput
from siamkit.flows.decide import DecisionRule, gallery_basis
from siamkit.io.places import expand
from siamkit.store import galleries
from siamkit.types import Calibration, Fault, Progress, ignore_progress
from siamkit.workspace.galleries import GalleryMethods
from siamkit.workspace.pictures import PictureMethods

if TYPE_CHECKING:
    from siamkit.flows.audit import Finding
    from siamkit.flows.calibrate_find import CalibratedSearch
    from siamkit.flows.evaluate import Evaluation, EvaluationSettings
    from siamkit.stats.calibration_fit import CalibrationTargets
    from siamkit.stats.drift import Drift

log = logging.getLogger("siamkit")


class MeasuringMethods(PictureMethods, GalleryMethods):
    """Measure error rates, calibrate, and audit."""

    def audit(self, gallery: str, *, progress: Progress = ignore_progress) -> list[Finding]:
        """Find what is probably wrong in a gallery, worst first. See siamkit.flows.audit.

        Examples:
            >>> [finding.kind for finding in ws.audit("questions")]
            ['outlier', 'outlier']
        """
        from siamkit.flows.audit import audit

        return audit(self.index(galleries.get(self.store, gallery)), progress=progress)

    def drift(self, gallery: str) -> Drift:
        """Compare the scores of recent queries with calibration. See siamkit.stats.drift.

        Examples:
            >>> drift = ws.drift("faces")  # doctest: +SKIP
        """
        from siamkit.flows.audit import drift

        return drift(self.store, galleries.get(self.store, gallery))

    def evaluate(
        self,
        source: str | Path | None = None,
        *,
        modality: str | None = None,
        gallery: str | None = None,
        encoders: Sequence[str | None] = (None,),
        detector: str | None = DEFAULT,
        settings: EvaluationSettings | None = None,
        progress: Progress = ignore_progress,
    ) -> list[Evaluation]:
        """Measure how often an encoder is wrong; return one result per configuration.

        source: a table of trials, a folder per identity, or, without modality and gallery, trials
        with a column score. gallery: evaluates its encoder, without a source on pairs of its own
        samples. encoders: each is measured. settings: what else to measure; None for cosines alone.

        Examples:
            >>> (result,) = ws.evaluate(gallery="questions")
            >>> result.rows()[0]["mated"]
            2
        """
        from siamkit.flows import evaluate

        settings = settings or evaluate.EvaluationSettings()
        fixed = DecisionRule(threshold=settings.threshold).fixed if gallery or modality else None
        if gallery is not None:
            target = galleries.get(self.store, gallery)
            pipeline = self.pipeline_of(target)
            limit = fixed or gallery_basis(target, pipeline, None).default
            systems = [evaluate.System(target.name, pipeline, limit)]
            if source is None:
                return evaluate.evaluate_gallery(self.store, target, systems[0], settings, progress)
        elif source is None:
            raise BadInput(
                "nothing to evaluate", hint="give a table of trials, a folder, or a gallery"
            )
        elif modality is None:
            return [evaluate.evaluate_table(expand(Path(source)), settings)]
        else:
            systems = []
            for encoder in encoders:
                pipeline = self.pipeline(modality, encoder=encoder, detector=detector)
                limit = fixed or pipeline.threshold
                systems.append(evaluate.System(encoder or modality, pipeline, limit))
        return evaluate.evaluate_systems(systems, expand(Path(source)), settings, progress)

    def calibrate(
        self,
        gallery: str,
        trials: str | Path | None = None,
        *,
        table: str | None = None,
        encoding: str | None = None,
        targets: CalibrationTargets | None = None,
        normalise: bool | None = None,
        report_fault: Callable[[Fault], None] = lambda fault: log.warning(f"left out: {fault}"),
        progress: Progress = ignore_progress,
    ) -> Calibration:
        """Measure what a gallery's scores mean; later decisions use the result.

        trials: a table of labelled pairs or a folder per identity; None for the gallery's own
        samples, each against each identity. table: of a database, or a sheet. encoding: of a table
        that is not UTF-8. targets: the error rates to decide at. normalise: decide by adaptive
        S-norm; None: if the modality prefers it and the gallery is large enough. report_fault:
        called with each trial and sample that cannot be used. See
        siamkit.stats.calibration_fit.fit_calibration.

        Examples:
            >>> ws.calibrate("faces", "pairs.csv").fmr  # doctest: +SKIP
        """
        from siamkit.flows import calibrate
        from siamkit.stats.calibration_fit import DEFAULT_TARGETS

        target = galleries.get(self.store, gallery)
        pipeline = self.pipeline_of(target)
        galleries.require_space(target, pipeline.encoder.fingerprint)
        self.store.require_writable()
        targets = targets or DEFAULT_TARGETS
        if trials is None:
            calibration = calibrate.calibrate_by_gallery(
                self.store, target, pipeline, targets, progress, normalise=normalise
            )
        elif normalise:
            raise BadInput(
                "S-norm is relative to who is enrolled, and the samples of trials are not",
                hint="calibrate by the gallery itself, or without S-norm",
            )
        else:
            from siamkit.flows.read_trials import read_trials

            path, is_text = expand(Path(trials)), pipeline.modality.kind == "text"
            pairs = read_trials(path, text=is_text, table=table, encoding=encoding)
            calibration = calibrate.calibrate_by_file(
                target, pipeline, pairs, path.name, targets, report_fault, progress
            )
        calibrate.save_calibration(self.store, target, calibration)
        return calibration

    def calibrate_find(
        self,
        gallery: str,
        pictures: str | Path,
        *,
        detector: str | None = DEFAULT,
        tiles: int | None = None,
        fpir: float | None = None,
        reranker: str | None = None,
        report_fault: Callable[[Fault], None] = lambda fault: log.warning(f"left out: {fault}"),
        progress: Progress = ignore_progress,
    ) -> CalibratedSearch:
        """Measure what the scores of `find` mean in a gallery; later searches use the result.

        pictures: a folder of pictures without anything enrolled, or a COCO JSON whose categories
        are identities. detector, tiles, reranker: of the searches that it is for, see `find_many`.
        fpir: the share of pictures without anything enrolled that may get a box, at most; None for
        0.05, or what the pictures support. report_fault: called with each picture that cannot be
        used. Raises Uncalibrated for too few pictures.

        Examples:
            >>> ws.calibrate_find("logos", "streets").threshold  # doctest: +SKIP
        """
        from siamkit.flows.calibrate_find import calibrate_find
        from siamkit.flows.labelled_pictures import read_pictures

        self.store.require_writable()
        search = self._open_search(gallery, detector, tiles, reranker)
        path, enrolled = expand(Path(pictures)), [h.identity for h in self.identities(gallery)]
        labelled = read_pictures(path, enrolled, report_fault)
        return calibrate_find(
            search,
            labelled,
            path.name,
            fpir=fpir,
            report_fault=report_fault,
            progress=progress,
        )
