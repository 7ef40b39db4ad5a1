"""The Python door: one store, its galleries, and the verbs. The command line uses nothing else."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from siamkit.embed.pipeline import DEFAULT, Pipeline, open_pipeline, resolve_detector
from siamkit.embed.region_choosers import Chooser, all_regions, largest_region, only_usable
from siamkit.embed.rerankers import chosen
from siamkit.errors import BadInput, StoreError
from siamkit.flows.decide import basis, given_threshold
from siamkit.flows.forget import finish
from siamkit.flows.query import Answer, query
from siamkit.flows.verify import Verification, verify_identity, verify_pair
from siamkit.host import registry
from siamkit.models import names
from siamkit.stats.scoring import Fusion, mated_cosine_of
from siamkit.store import Gallery, Store, galleries, samples
from siamkit.store.galleries import GalleryExists
from siamkit.store.live_index import LiveIndex

if TYPE_CHECKING:
    from siamkit.flows.against import Checked
    from siamkit.flows.audit import Finding
    from siamkit.flows.classify import Classified, Classifier, Classifiers
    from siamkit.flows.dedupe import Deduped, Item
    from siamkit.flows.duplicates import Progress
    from siamkit.flows.enrol import Enrolled
    from siamkit.flows.evaluate import Evaluated
    from siamkit.flows.explain import Explanation
    from siamkit.flows.fuse import Fused
    from siamkit.flows.timeline import Timeline
    from siamkit.flows.trials import Fault
    from siamkit.protocols import Source
    from siamkit.stats.calibration_fit import CalibrationTargets
    from siamkit.stats.classify import ClassificationMethod as By
    from siamkit.stats.drift import Drift
    from siamkit.types import Calibration, Vectors

log = logging.getLogger("siamkit")


def default_root() -> Path:
    """SIAMKIT_STORE, else .siamkit in the working directory."""
    return Path(os.environ.get("SIAMKIT_STORE") or ".siamkit")


class Workspace:
    """A store and what can be done with it; models and indexes stay open between calls.

    Examples:
        >>> ws = Workspace("people")                                      # doctest: +SKIP
        >>> ws.enrol("faces", "alice", "alice.jpg")                       # doctest: +SKIP
        >>> ws.query("faces", "probe.jpg", k=5)[0].identity               # doctest: +SKIP
        'alice'

    Methods raise subclasses of siamkit.SiamkitError; each names the input and the way out.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.root = Path(path) if path is not None else default_root()
        self._store: Store | None = None
        self._pipelines: dict[tuple[str, str | None, str | None], Pipeline] = {}
        self._indexes: dict[str, LiveIndex] = {}
        self._classifiers: Classifiers | None = None

    @property
    def store(self) -> Store:
        """The open store. Raises StoreError if there is none yet."""
        return self._store or self._open(create=False)

    def init(self) -> bool:
        """Make the store, if there is none. True if it was made."""
        return self._store is None and self._open(create=True).created

    def _open(self, *, create: bool) -> Store:
        self._store = Store(self.root, create=create)
        finish(self._store)
        return self._store

    def close(self) -> None:
        """Close the database. The indexes and models go with the object."""
        if self._store is not None:
            self._store.close()
            self._store = None
        self._indexes.clear()
        self._classifiers = None

    def __enter__(self) -> Workspace:
        """`with Workspace() as ws:` closes it at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- galleries ---

    def create_gallery(
        self,
        name: str,
        modality: str,
        *,
        encoder: str | None = None,
        detector: str | None = DEFAULT,
    ) -> Gallery:
        """Make a gallery, and the store if there is none.

        encoder: a name, an encoder folder, another model as ORIGIN:MODEL, 'timm:resnet50' say, or
        None for the modality's own.
        detector: a name, DEFAULT for the modality's own, or None to embed whole samples.
        """
        galleries.require_name(name)  # before a store is made for it
        if self._has_store() and galleries.exists(self.store, name):  # before an encoder is made
            raise GalleryExists(f"there is a gallery {name!r} already")
        encoder = names.pin_encoder(registry.load("siamkit.modalities", modality), encoder)
        detector = resolve_detector(modality, detector)
        pipeline = self.pipeline(modality, encoder=encoder, detector=detector)
        threshold, calibration = pipeline.threshold, pipeline.calibration  # may be at fault
        self.init()
        return galleries.create(
            self.store,
            name,
            modality=modality,
            fingerprint=pipeline.encoder.fingerprint,
            dim=pipeline.encoder.dim,
            encoder=encoder,
            detector=detector,
            threshold=threshold,
            calibration=calibration,
        )

    def gallery(self, name: str, *, modality: str | None = None) -> Gallery:
        """A gallery by name. One that does not exist is made if its modality is known.

        It is known if it is given, or if the gallery bears a modality's name.
        """
        found, wanted = self._lookup(name, modality)
        if found is not None:
            return found
        try:
            return self.create_gallery(name, wanted)
        except GalleryExists:  # another process was first
            return self._of_modality(name, wanted)

    def _has_store(self) -> bool:
        return self._store is not None or (self.root / "store.db").exists()

    def _lookup(self, name: str, modality: str | None) -> tuple[Gallery | None, str]:
        """The gallery, if it exists, and its modality, or the one that it would be made with."""
        has_store = self._has_store()
        if has_store and galleries.exists(self.store, name):
            found = self._of_modality(name, modality)
            return found, found.space.modality
        known = [p.name for p in registry.found("siamkit.modalities")]
        if modality is None and name not in known:
            if has_store:
                galleries.get(self.store, name)  # raises, with the nearest name
            raise StoreError(
                f"there is no gallery {name!r} yet",
                hint=f"`siamkit init {name} -m MODALITY` makes it, of {', '.join(known)}",
            )
        return None, modality or name

    def _of_modality(self, name: str, modality: str | None) -> Gallery:
        found = galleries.get(self.store, name)
        if modality is not None and found.space.modality != modality:
            raise BadInput(
                f"gallery {name!r} holds {found.space.modality}, not {modality}",
                hint="give another gallery name",
            )
        return found

    def modality_of(self, gallery: str, modality: str | None = None) -> str:
        """The modality of a gallery, or that it would be made with: the one given, or its name.

        Raises StoreError if neither is known, BadInput if the gallery is of another.
        """
        return self._lookup(gallery, modality)[1]

    def pipeline(
        self, modality: str, *, encoder: str | None = None, detector: str | None = DEFAULT
    ) -> Pipeline:
        """An open pipeline, kept for the next call."""
        key = (modality, encoder, resolve_detector(modality, detector))
        if key not in self._pipelines:
            self._pipelines[key] = open_pipeline(modality, encoder=encoder, detector=key[2])
        return self._pipelines[key]

    def pipeline_of(self, gallery: Gallery) -> Pipeline:
        return self.pipeline(
            gallery.space.modality, encoder=gallery.encoder, detector=gallery.detector
        )

    def index(self, gallery: Gallery) -> LiveIndex:
        """The gallery's index, kept open and in step with the store."""
        live = self._indexes.get(gallery.index_key)
        if live is None:
            live = self._indexes[gallery.index_key] = LiveIndex(self.store, gallery)
        live.gallery = gallery  # it may have been calibrated since
        return live

    def _opened(self, gallery: Gallery) -> tuple[LiveIndex, Pipeline]:
        """Index and models, opened at once: each mostly waits for the disk.

        numpy first: two threads that import parts of it at the same time can break it.
        """
        import numpy  # noqa: F401

        with ThreadPoolExecutor(1) as pool:
            opening = pool.submit(self.index, gallery)
            pipeline = self.pipeline_of(gallery)
            return opening.result(), pipeline

    # --- the verbs ---

    def enrol(
        self,
        gallery: str,
        label: str,
        source: Source,
        *,
        modality: str | None = None,
        choose: Chooser = only_usable,
    ) -> Enrolled:
        """Enrol one source under a label. Durable on return; raises what went wrong."""
        (result,) = self.enrol_many(gallery, [(label, source)], modality=modality, choose=choose)
        if result.error:
            raise result.error
        return result

    def enrol_many(
        self,
        gallery: str,
        items: Iterable[tuple[str, Source]],
        *,
        modality: str | None = None,
        choose: Chooser = only_usable,
        look_again: bool = False,
    ) -> Iterator[Enrolled]:
        """Enrol (label, source) pairs; yields a result each, once it is durable."""
        from siamkit.flows.enrol import enrol

        found, wanted = self._lookup(gallery, modality)
        pipeline = self.pipeline_of(found) if found else self.pipeline(wanted)

        def make_place() -> tuple[Store, Gallery]:
            made = self.gallery(gallery, modality=wanted)
            return self.store, made

        place = (self.store, found) if found else None
        yield from enrol(place, make_place, pipeline, items, choose, look_again=look_again)

    def add_templates(self, gallery: str, labels: Sequence[str], vectors: Vectors) -> Iterator[int]:
        """Enrol (n, dim) vectors embedded elsewhere; yields how many are durable so far."""
        from siamkit.flows.enrol import add_templates

        yield from add_templates(self.store, self.gallery(gallery), labels, vectors)

    def query(
        self,
        gallery: str,
        probe: Source,
        *,
        k: int = 5,
        threshold: float | None = None,
        fusion: Fusion | None = None,
        choose: Chooser = all_regions,
        rerank: str | None = None,
        fmr: float | None = None,
        fpir: float | None = None,
    ) -> list[Answer]:
        """The k nearest identities to each region of a probe, best first.

        rerank: a reranker of the modality; the threshold is then on its probability.
        fmr, fpir: the error rate to decide at, by the gallery's calibration: of one comparison, or
        of the whole search, whatever the size of the gallery.
        """
        target = galleries.get(self.store, gallery)
        live, pipeline = self._opened(target)
        reranker = chosen(pipeline, rerank)
        return query(
            live,
            pipeline,
            probe,
            k=k,
            threshold=given_threshold(threshold, probability=reranker is not None),
            fusion=fusion,
            choose=choose,
            reranker=reranker,
            fmr=fmr,
            fpir=fpir,
        )

    def classify(
        self,
        gallery: str,
        probe: Source,
        *,
        by: By = "knn",
        k: int = 5,
        tags: bool = False,
        unknown: bool = False,
        threshold: float | None = None,
        fmr: float | None = None,
        fpir: float | None = None,
        choose: Chooser = all_regions,
    ) -> list[Classified]:
        """Which of a gallery's classes is each region of a probe of, and how likely?

        The classes are the identities. by: the `k` nearest samples vote, or each class counts by
        its mean. tags: a sample may bear several labels. unknown: what a query would not identify,
        by the gallery's threshold or calibration, is of none; so with a threshold, fmr or fpir.
        """
        from siamkit.flows.classify import Limit

        limit = Limit(given_threshold(threshold), fmr, fpir)
        opened = self.classifier(gallery, by=by, k=k, tags=tags)
        return opened.classify(
            self.index(opened.gallery),
            self.pipeline_of(opened.gallery),
            probe,
            limit=limit if unknown or limit != Limit() else None,
            choose=choose,
        )

    def classifier(
        self, gallery: str, *, by: By = "knn", k: int = 5, tags: bool = False
    ) -> Classifier:
        """What `classify` goes by; it says where its probabilities come from.

        Kept for the next call, until something is enrolled, forgotten or renamed, or calibrated
        anew.
        """
        from siamkit.flows.classify import Classifiers
        from siamkit.stats.classify import ClassificationRule

        target = galleries.get(self.store, gallery)
        pipeline = self.pipeline_of(target)
        if self._classifiers is None:
            self._classifiers = Classifiers()
        rule = ClassificationRule(by, k, tags, mated_cosine_of(pipeline.encoder))
        return self._classifiers.open(self.store, target, pipeline, rule)

    def timeline(
        self,
        gallery: str,
        recording: str | Path,
        *,
        threshold: float | None = None,
        fusion: Fusion | None = None,
        progress: Callable[[float], None] = lambda seconds: None,
    ) -> Timeline:
        """Who of a gallery of voices is heard when? See siamkit.flows.timeline."""
        from siamkit.flows.timeline import timeline

        live, pipeline = self._opened(galleries.get(self.store, gallery))
        return timeline(
            live,
            pipeline,
            Path(recording),
            threshold=given_threshold(threshold),
            fusion=fusion,
            progress=progress,
        )

    def verify(
        self,
        gallery_or_modality: str,
        a: Source,
        b: Source,
        *,
        threshold: float | None = None,
        rerank: str | None = None,
        choose: Chooser = largest_region,
        fmr: float | None = None,
    ) -> Verification:
        """Are two sources the same? By a gallery's encoder and threshold, or a modality's.

        choose: which region of `b` is compared. fmr: the false match rate to decide at.
        rerank: a reranker of the modality; the threshold is then on its probability.
        """
        limit = given_threshold(threshold, probability=rerank is not None)
        pipeline, target = self._named(gallery_or_modality)
        reranker = chosen(pipeline, rerank)
        own, default = basis(target, pipeline, None) if target else (pipeline.calibration, None)
        return verify_pair(
            pipeline, a, b, limit, reranker, choose, calibration=own, default=default, fmr=fmr
        )

    def _named(self, gallery_or_modality: str) -> tuple[Pipeline, Gallery | None]:
        """The pipeline of a gallery and the gallery, or else that of a modality.

        Raises EncoderMismatch if the gallery was filled by another encoder.
        """
        if (self.root / "store.db").exists() and galleries.exists(self.store, gallery_or_modality):
            target = galleries.get(self.store, gallery_or_modality)
            pipeline = self.pipeline_of(target)
            galleries.require_space(target, pipeline.encoder.fingerprint)
            return pipeline, target
        known = {plugin.name for plugin in registry.found("siamkit.modalities")}
        if gallery_or_modality not in known:
            raise StoreError(
                f"{gallery_or_modality!r} is neither a gallery of {self.root} nor a modality",
                hint=f"modalities here: {', '.join(sorted(known))}",
            )
        return self.pipeline(gallery_or_modality), None

    def explain(
        self,
        gallery_or_modality: str,
        a: Source,
        b: Source,
        *,
        choose: Chooser = largest_region,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Explanation:
        """Which parts of two sources make them alike, or tell them apart?

        By a gallery's encoder, or a modality's.
        choose: which region of `b` is compared.
        progress: is told how many samples have been embedded, and of how many.
        """
        from siamkit.flows.explain import explain

        pipeline, _ = self._named(gallery_or_modality)
        return explain(pipeline, a, b, choose=choose, progress=progress)

    def verify_identity(
        self,
        gallery: str,
        label: str,
        probe: Source,
        *,
        threshold: float | None = None,
        fusion: Fusion | None = None,
        choose: Chooser = largest_region,
        fmr: float | None = None,
    ) -> Verification:
        """Is this source, or the region of it that is chosen, who it is said to be?

        fmr: the false match rate to decide at, by the gallery's calibration.
        """
        target = galleries.get(self.store, gallery)
        return verify_identity(
            self.store,
            target,
            self.pipeline_of(target),
            label,
            probe,
            lambda: self.index(target),
            threshold=given_threshold(threshold),
            fusion=fusion,
            choose=choose,
            fmr=fmr,
        )

    def verify_fused(
        self, label: str, probes: Iterable[tuple[str, Source]], *, fmr: float | None = None
    ) -> Fused:
        """Is somebody who they are said to be, by a (gallery, source) pair of each modality?

        A gallery where the identity owns nothing, or a source with nothing in it, drops out. Raises
        BadInput for two galleries of one modality, Uncalibrated for a gallery that answers without
        a calibration, NothingFound if all drop out.
        """
        from siamkit.flows import fuse

        def verified(gallery: Gallery, source: Source) -> Verification:
            return self.verify_identity(gallery.name, label, source)

        asked = [(galleries.get(self.store, name), source) for name, source in probes]
        return fuse.fuse(list(fuse.ask(self.store, label, asked, self.pipeline_of, verified)), fmr)

    def dedupe(
        self,
        items: Iterable[Item | str | Path],
        *,
        modality: str,
        encoder: str | None = None,
        detector: str | None = DEFAULT,
        threshold: float | None = None,
        rerank: str | None = DEFAULT,
        max_memory: int | None = None,
        progress: Progress | None = None,
    ) -> Deduped:
        """Which of many texts or files are the same? See siamkit.flows.dedupe.

        rerank: a name, DEFAULT for the modality's own if it has one, or None for cosines alone.
        threshold: on the reranker's probability, or else on the cosine; None for the default.
        max_memory: bytes that this process may take in all; None for most of what is free.
        """
        from siamkit.flows.dedupe import Item, dedupe
        from siamkit.flows.duplicates import rule_of, silent

        pipeline = self.pipeline(modality, encoder=encoder, detector=detector)
        listed = (
            item if isinstance(item, Item) else Item(number, str(number), item)
            for number, item in enumerate(items, 1)
        )
        return dedupe(
            pipeline,
            listed,
            rule_of(pipeline, threshold, rerank),
            max_memory=max_memory,
            progress=progress or silent,
        )

    def against(
        self,
        gallery: str,
        items: Iterable[Item],
        *,
        threshold: float | None = None,
        rerank: str | None = DEFAULT,
    ) -> Iterator[Checked]:
        """Is each new item one that is enrolled already? See siamkit.flows.against."""
        from siamkit.flows.against import against
        from siamkit.flows.duplicates import rule_of

        target = galleries.get(self.store, gallery)
        live, pipeline = self._opened(target)
        rule = rule_of(pipeline, threshold, rerank, target.threshold)
        yield from against(live, pipeline, items, rule)

    def audit(self, gallery: str, *, progress: Progress | None = None) -> list[Finding]:
        """What is probably wrong in a gallery, worst first. See siamkit.flows.audit."""
        from siamkit.flows.audit import audit, silent

        return audit(self.index(galleries.get(self.store, gallery)), progress=progress or silent)

    def drift(self, gallery: str) -> Drift:
        """Have the scores of recent queries moved since calibration? See siamkit.stats.drift."""
        from siamkit.flows.drift import drift

        return drift(self.store, galleries.get(self.store, gallery))

    def evaluate(
        self,
        source: str | Path | None = None,
        *,
        modality: str | None = None,
        gallery: str | None = None,
        encoders: Sequence[str | None] = (None,),
        detector: str | None = DEFAULT,
        rerankers: Sequence[str] = (),
        normalise: bool = False,
        group: str | None = None,
        threshold: float | None = None,
        pairs: int | None = None,
        progress: Progress | None = None,
    ) -> list[Evaluated]:
        """How often is an encoder wrong? One result a configuration.

        source: a file of trials, a folder per identity, or, without modality and gallery, trials
        with a column score. gallery: its encoder, or without a source its own samples, each against
        each. encoders, rerankers: each is measured; normalise: so is each encoder's adaptive
        S-norm. group: a column of the trials. threshold: one whose error rates are wanted; None:
        the default. pairs: of a folder or gallery, at most so many.
        """
        from siamkit.flows import evaluate, trials

        told, most = progress or evaluate.silent, pairs or trials.PAIRS
        if gallery is not None:
            target = galleries.get(self.store, gallery)
            pipeline = self.pipeline_of(target)
            limit = given_threshold(threshold) or basis(target, pipeline, None)[1]
            system = evaluate.System(target.name, pipeline, limit)
            if source is None:
                if rerankers or group:
                    raise BadInput(
                        "a gallery holds neither groups nor samples that a reranker could look at",
                        hint="give a file of trials or a folder too",
                    )
                return evaluate.evaluate_gallery(
                    self.store, target, system, normalise=normalise, pairs=most, progress=told
                )
            systems = [system]
        elif source is None:
            raise BadInput("nothing to evaluate", hint="give trials, a folder, or a gallery")
        elif modality is None:
            return [evaluate.evaluate_file(Path(source), group=group, threshold=threshold)]
        else:
            limit = given_threshold(threshold)
            opened = [self.pipeline(modality, encoder=e, detector=detector) for e in encoders]
            systems = [
                evaluate.System(name or modality, pipeline, limit or pipeline.threshold)
                for name, pipeline in zip(encoders, opened, strict=True)
            ]
        return evaluate.evaluate_systems(
            systems,
            Path(source),
            rerankers=rerankers,
            normalise=normalise,
            group=group,
            pairs=most,
            progress=told,
        )

    def calibrate(
        self,
        gallery: str,
        trials: str | Path | None = None,
        *,
        normalise: bool | None = None,
        left_out: Callable[[Fault], None] = lambda fault: log.warning(f"left out: {fault}"),
        progress: Progress | None = None,
        **aims: Unpack[CalibrationTargets],
    ) -> Calibration:
        """Measure what a gallery's scores mean; from now on it decides by that.

        trials: a file of labelled pairs; None takes the gallery's own samples, each
        against each identity. normalise: decide by adaptive S-norm; None: as
        the modality does, if the gallery is large enough. left_out: is told of each trial and
        sample that cannot be used. aims: fmr, precision, fpir and method, see
        siamkit.stats.calibration_fit.calibrate.
        """
        from siamkit.flows import calibrate, evaluate

        target = galleries.get(self.store, gallery)
        pipeline = self.pipeline_of(target)
        galleries.require_space(target, pipeline.encoder.fingerprint)
        self.store.require_writable()
        told = progress or evaluate.silent
        if trials is None:
            made = calibrate.from_gallery(
                self.store, target, pipeline, normalise=normalise, progress=told, **aims
            )
        elif normalise:
            raise BadInput(
                "trials are of samples that are not enrolled, and S-norm is by who is enrolled",
                hint="calibrate by the gallery itself, or without S-norm",
            )
        else:
            made = calibrate.from_file(
                target, pipeline, Path(trials), left_out=left_out, progress=told, **aims
            )
        calibrate.keep(self.store, target, made)
        return made

    def forget(self, label: str, *, gallery: str | None = None) -> int:
        """Delete an identity, everywhere or from one gallery; how many samples went."""
        from siamkit.flows.forget import forget

        doomed = [
            sample
            for sample in samples.of_identity(self.store, label)
            if gallery is None or sample.gallery == gallery
        ]
        if not doomed:
            raise StoreError(f"{label!r} has no sample in gallery {gallery!r}")
        forget(self.store, doomed)
        return len(doomed)
