"""The Python door: one store, its galleries, and the verbs. The command line uses nothing else."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from siamkit import encoder_names, registry, reranking
from siamkit.choice import Chooser, everything, largest, only_usable
from siamkit.decisions import basis
from siamkit.errors import BadInput, NothingFound, StoreError, Uncalibrated
from siamkit.flows.forget import finish
from siamkit.flows.query import Answer, query
from siamkit.flows.verify import Verification, verify_identity, verify_pair
from siamkit.pipeline import Pipeline, open_pipeline
from siamkit.reranking import open_reranker
from siamkit.scoring import Fusion, own_fusion, own_mated, own_snorm
from siamkit.search import LiveIndex
from siamkit.sources import to_text
from siamkit.store import Gallery, Store, galleries, samples
from siamkit.store.galleries import GalleryExists
from siamkit.types import Calibration, Threshold

if TYPE_CHECKING:
    from siamkit.calibrating import Aims
    from siamkit.classification import Method as By
    from siamkit.classification import Rule as ClassRule
    from siamkit.drift import Drift
    from siamkit.duplicates import Progress, Rule
    from siamkit.flows.against import Checked
    from siamkit.flows.audit import Finding
    from siamkit.flows.classify import Classes, Classified, Classifier
    from siamkit.flows.dedupe import Deduped, Item
    from siamkit.flows.enrol import Enrolled
    from siamkit.flows.evaluate import Evaluated
    from siamkit.flows.explain import Explanation
    from siamkit.flows.fuse import Fused
    from siamkit.flows.timeline import Timeline
    from siamkit.protocols import Reranker, Source
    from siamkit.trials import Fault
    from siamkit.types import Vectors

log = logging.getLogger("siamkit")
DEFAULT = "default"  # the detector or reranker that the modality itself names


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
        self._classes: dict[str, Classes] = {}
        self._classifiers: dict[tuple[str, ClassRule], Classifier] = {}

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
        self._classes.clear()
        self._classifiers.clear()

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
        encoder = encoder_names.lasting(registry.load("siamkit.modalities", modality), encoder)
        detector = self._detector(modality, detector)
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
        key = (modality, encoder, self._detector(modality, detector))
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
        choose: Chooser = everything,
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
        reranker = self.reranker(pipeline, rerank)
        return query(
            live,
            pipeline,
            probe,
            k=k,
            threshold=given(threshold, probability=reranker is not None),
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
        choose: Chooser = everything,
    ) -> list[Classified]:
        """Which of a gallery's classes is each region of a probe of, and how likely?

        The classes are the identities. by: the `k` nearest samples vote, or each class counts by
        its mean. tags: a sample may bear several labels. unknown: what a query would not identify,
        by the gallery's threshold or calibration, is of none; so with a threshold, fmr or fpir.
        """
        from siamkit.flows.classify import Limit

        limit = Limit(given(threshold), fmr, fpir)
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
        from siamkit.classification import Rule
        from siamkit.flows.classify import open_classifier

        target = galleries.get(self.store, gallery)
        pipeline = self.pipeline_of(target)
        rule = Rule(by, k, tags, own_mated(pipeline.encoder))
        classes = self._read_classes(target)
        kept = self._classifiers.get((target.index_key, rule))
        if kept is None or kept.classes is not classes:
            kept = open_classifier(classes, pipeline, rule)
            self._classifiers[target.index_key, rule] = kept
        return kept

    def _read_classes(self, gallery: Gallery) -> Classes:
        from siamkit.flows.classify import read_classes
        from siamkit.store import samples, templates

        kept = self._classes.get(gallery.index_key)
        if kept is not None:
            with self.store.read():
                now = (templates.head(self.store, gallery), samples.identities(self.store, gallery))
                if kept.gallery == gallery and (kept.cursor, kept.identities) == now:
                    return kept
        self._classes[gallery.index_key] = made = read_classes(self.store, gallery)
        return made

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
            threshold=given(threshold),
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
        choose: Chooser = largest,
        fmr: float | None = None,
    ) -> Verification:
        """Are two sources the same? By a gallery's encoder and threshold, or a modality's.

        choose: which region of `b` is compared. fmr: the false match rate to decide at.
        rerank: a reranker of the modality; the threshold is then on its probability.
        """
        limit = given(threshold, probability=rerank is not None)
        pipeline, target = self._named(gallery_or_modality)
        reranker = self.reranker(pipeline, rerank)
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
        choose: Chooser = largest,
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
        choose: Chooser = largest,
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
            threshold=given(threshold),
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

        asked = [(galleries.get(self.store, name), source) for name, source in probes]
        fuse.require_independent([target for target, _ in asked])
        owned = {sample.gallery for sample in samples.of_identity(self.store, label)}
        found = []
        for target, source in asked:
            name = target.name
            shown = to_text(source) if isinstance(source, Path) else str(source)[:40]
            if name not in owned:
                reason = f"{label} owns nothing there"
                found.append(fuse.Evidence(name, shown, None, 0.0, reason=reason))
                continue
            pipeline = self.pipeline_of(target)
            calibration, _ = basis(target, pipeline, own_fusion(pipeline.modality))
            fuse.require_calibrated(target, calibration)
            try:
                verified = self.verify_identity(name, label, source)
            except NothingFound as error:
                found.append(fuse.Evidence(name, shown, None, 0.0, reason=str(error)))
                continue
            found.append(fuse.evidence(target, shown, verified))
        return fuse.fuse(found, fmr)

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
        from siamkit.duplicates import silent
        from siamkit.flows.dedupe import Item, dedupe

        pipeline = self.pipeline(modality, encoder=encoder, detector=detector)
        listed = (
            item if isinstance(item, Item) else Item(number, str(number), item)
            for number, item in enumerate(items, 1)
        )
        return dedupe(
            pipeline,
            listed,
            self.rule(pipeline, threshold=threshold, rerank=rerank),
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

        target = galleries.get(self.store, gallery)
        live, pipeline = self._opened(target)
        rule = self.rule(pipeline, threshold=threshold, rerank=rerank, default=target.threshold)
        yield from against(live, pipeline, items, rule)

    def audit(self, gallery: str, *, progress: Progress | None = None) -> list[Finding]:
        """What is probably wrong in a gallery, worst first. See siamkit.flows.audit."""
        from siamkit.flows.audit import audit, silent

        return audit(self.index(galleries.get(self.store, gallery)), progress=progress or silent)

    def drift(self, gallery: str) -> Drift:
        """Have the scores of recent queries moved since calibration? See siamkit.drift."""
        from siamkit.flows.drift import drift

        return drift(self.store, galleries.get(self.store, gallery))

    def rule(
        self,
        pipeline: Pipeline,
        *,
        threshold: float | None,
        rerank: str | None,
        default: Threshold | None = None,
    ) -> Rule:
        """What makes two items the same. Raises Uncalibrated where there is no threshold."""
        from siamkit.duplicates import Rule

        reranker = self.reranker(pipeline, rerank)
        limit = given(threshold, probability=reranker is not None) or (
            reranker.threshold if reranker else default or pipeline.threshold
        )
        if limit is None:
            raise Uncalibrated(
                f"encoder {pipeline.encoder.fingerprint} has no default threshold",
                hint="give one: --threshold 0.9",
            )
        return Rule(limit, reranker)

    def reranker(self, pipeline: Pipeline, name: str | None) -> Reranker[Any] | None:
        """A reranker by name; DEFAULT is the modality's own, or none if it does not fit."""
        if name is None:
            return None
        if name != DEFAULT:
            return open_reranker(pipeline, name)
        known = reranking.names(pipeline)
        try:
            return open_reranker(pipeline, known[0]) if known else None
        except Uncalibrated as error:
            log.warning(f"{error}; going by the cosine alone")
            return None

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
        from siamkit import trials
        from siamkit.flows import evaluate

        if source is None and gallery is None:
            raise BadInput("nothing to evaluate", hint="give trials, a folder, or a gallery")
        if source is None and rerankers:
            raise BadInput(
                "a gallery holds no samples that a reranker could look at",
                hint="give a file of trials or a folder too",
            )
        told, most = progress or evaluate.silent, pairs or trials.PAIRS
        if modality is None and gallery is None:
            found = trials.from_file(Path(source or ""), scored=True, group=group)
            limits = {} if threshold is None else {"the given threshold": threshold}
            return [evaluate.evaluate_scores(Path(source or "").name, found, thresholds=limits)]
        limit = given(threshold)
        target = galleries.get(self.store, gallery) if gallery else None
        if target and source is None:
            if group:
                raise BadInput("a gallery has no column of groups", hint="give a file of trials")
            ready = evaluate.of_gallery(self.store, target, pairs=most)
            pipelines = [(target.name, self.pipeline_of(target))]
        elif target:
            ready, pipelines = None, [(target.name, self.pipeline_of(target))]
        else:
            ready, pipelines = (
                None,
                [
                    (
                        name or str(modality),
                        self.pipeline(str(modality), encoder=name, detector=detector),
                    )
                    for name in encoders
                ],
            )
        is_text = pipelines[0][1].modality.kind == "text"
        found = (
            ready[0]
            if ready
            else trials.of(Path(source or ""), text=is_text, group=group, pairs=most)
        )
        results: list[Evaluated] = []
        for name, pipeline in pipelines:
            embedded = (
                ready[1]
                if ready
                else evaluate.embed_trials(pipeline, found, crops=bool(rerankers), progress=told)
            )
            default = limit or (basis(target, pipeline, None)[1] if target else pipeline.threshold)
            results += evaluate.evaluate_all(
                name,
                found,
                embedded,
                pipeline,
                rerankers=[open_reranker(pipeline, reranker) for reranker in rerankers],
                normalise=normalise,
                everyone=ready is not None or Path(source or "").is_dir(),
                threshold=default,
                progress=told,
            )
        return results

    def calibrate(
        self,
        gallery: str,
        trials: str | Path | None = None,
        *,
        normalise: bool | None = None,
        left_out: Callable[[Fault], None] = lambda fault: log.warning(f"left out: {fault}"),
        progress: Progress | None = None,
        **aims: Unpack[Aims],
    ) -> Calibration:
        """Measure what a gallery's scores mean; from now on it decides by that.

        trials: a file of labelled pairs; None takes the gallery's own samples, each
        against each identity. normalise: decide by adaptive S-norm; None: as
        the modality does, if the gallery is large enough. left_out: is told of each trial and
        sample that cannot be used. aims: fmr, precision, fpir and method, see
        siamkit.calibrating.calibrate.
        """
        from siamkit import trials as tried
        from siamkit.flows import calibrate, evaluate

        target = galleries.get(self.store, gallery)
        pipeline = self.pipeline_of(target)
        galleries.require_space(target, pipeline.encoder.fingerprint)
        self.store.require_writable()
        told = progress or evaluate.silent
        if trials is None:
            made = calibrate.from_gallery(
                self.store,
                target,
                fusion=own_fusion(pipeline.modality),
                mated=own_mated(pipeline.encoder),
                normalise=normalise,
                wished=own_snorm(pipeline.modality),
                progress=told,
                **aims,
            )
        elif normalise:
            raise BadInput(
                "trials are of samples that are not enrolled, and S-norm is by who is enrolled",
                hint="calibrate by the gallery itself, or without S-norm",
            )
        else:
            found = tried.of(Path(trials), text=pipeline.modality.kind == "text")
            embedded = evaluate.embed_trials(pipeline, found, progress=told)
            kept, scores = evaluate.scored(found, embedded)
            for fault in [*found.faults, *embedded.faults]:
                left_out(fault)
            made = calibrate.from_trials(
                kept,
                embedded,
                scores,
                target.space.fingerprint,
                f"{Path(trials).name}, {len(kept):,} trials",
                **aims,
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

    def _detector(self, modality: str, detector: str | None) -> str | None:
        if detector != DEFAULT:
            return detector
        default: str | None = registry.load("siamkit.modalities", modality).detector
        return default


def given(threshold: float | None, *, probability: bool = False) -> Threshold | None:
    """A threshold that the caller chose. Raises BadInput if it is no cosine, or no probability."""
    if threshold is None:
        return None
    low, what = (0, "a probability") if probability else (-1, "a cosine")
    if not low <= threshold <= 1:
        raise BadInput(f"threshold {threshold} is not {what}", hint=f"it lies in {low} to 1")
    return Threshold(threshold)
