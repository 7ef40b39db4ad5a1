"""Verify and explain."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.embed import batches
from siamkit.embed.pipeline import DEFAULT, Pipeline
from siamkit.embed.region_choosers import Chooser, all_regions, largest_region
from siamkit.flows.answer_lists import asked
from siamkit.flows.decide import DEFAULT_RULE, DecisionRule, gallery_basis
from siamkit.flows.verification import Verification
from siamkit.flows.verify import (
    Claim,
    ClaimComparison,
    open_claim,
    open_comparison,
    verify_pair,
)
from siamkit.host import registry
from siamkit.protocols import Source
from siamkit.sdk.inputs import take_each, take_or_refuse, take_source
from siamkit.stats.scoring import Fusion
from siamkit.store import Gallery, galleries
from siamkit.types import Input, Progress, ignore_progress
from siamkit.workspace.base import OpenStore

if TYPE_CHECKING:
    from siamkit.flows.explain import Explanation
    from siamkit.flows.fuse import Fused
    from siamkit.flows.verify_many import VerifiedPair


class ComparisonMethods(OpenStore):
    """Verify and explain."""

    def verify(
        self,
        gallery_or_modality: str | Pipeline,
        a: Input,
        b: Input,
        *,
        rule: DecisionRule = DEFAULT_RULE,
        choose: Chooser = all_regions,
        choose_a: Chooser = all_regions,
        detector: str | None = DEFAULT,
    ) -> Verification:
        """Verify whether two sources are the same, as a gallery or a modality decides.

        Of several regions in a source, the pair with the highest score counts.
        gallery_or_modality: a name; or `pipeline(...)`, for a modality with other models.
        rule: a threshold, false match rate or reranker to decide by instead. choose: the regions of
        `b` to compare; choose_a: those of `a`. detector: another than that of a gallery or
        modality named.

        Examples:
            >>> answer = ws.verify("faces", "collins-1.png", photo)
            >>> print(answer)
            same person (probability > 0.999)
            >>> if answer: print(answer.decision)
            same
        """
        pipeline, target = self._open_named(gallery_or_modality, detector)
        basis = gallery_basis(target, pipeline, None) if target else None
        sources = _take_two(pipeline, a, b)
        choices = {"choose": choose, "choose_a": choose_a}
        answer = verify_pair(pipeline, sources[0], sources[1], rule=rule, basis=basis, **choices)
        return replace(answer, asked=asked(pipeline, a, b))

    def verify_many(
        self,
        gallery_or_modality: str | Pipeline,
        pairs: Iterable[tuple[Input, Input]],
        *,
        rule: DecisionRule = DEFAULT_RULE,
        choose: Chooser = all_regions,
        detector: str | None = DEFAULT,
    ) -> Iterator[VerifiedPair]:
        """Verify pairs of sources as `verify` does; yield the outcomes in order, errors included.

        A source in several pairs is embedded once.

        Examples:
            >>> pairs = [("How do I log in?", "How can I log in?"), ("Hello", "When are you open?")]
            >>> [bool(v.verification) for v in ws.verify_many("questions", pairs)]
            [True, False]
        """
        from siamkit.flows.verify_many import verify_pairs

        pipeline, target = self._open_named(gallery_or_modality, detector)
        basis = gallery_basis(target, pipeline, None) if target else None
        comparison = open_comparison(pipeline, rule, basis)
        return verify_pairs(comparison, *_take_pairs(pipeline, pairs), choose=choose)

    def _open_named(
        self, gallery_or_modality: str | Pipeline, detector: str | None
    ) -> tuple[Pipeline, Gallery | None]:
        """Open the models of a gallery, which is returned too, or else those of a modality.

        Raises EncoderMismatch if the gallery was filled by another encoder.
        """
        if not isinstance(gallery_or_modality, str):
            return gallery_or_modality, None
        gallery, modality = self._find(gallery_or_modality)
        if gallery is None:
            return self.pipeline(modality, detector=detector), None
        pipeline = self.pipeline_of(gallery, detector=detector)
        galleries.require_space(gallery, pipeline.encoder.fingerprint)
        return pipeline, gallery

    def explain(
        self,
        gallery_or_modality: str | Pipeline,
        a: Input,
        b: Input,
        *,
        choose: Chooser = largest_region,
        detector: str | None = DEFAULT,
        progress: Progress = ignore_progress,
    ) -> Explanation:
        """Find the parts of two sources that make them alike, and those that make them different.

        gallery_or_modality, detector: see `verify`. choose: picks the region of `b` to compare.

        Examples:
            >>> explanation = ws.explain("questions", "How do I log in?", "Where do I log in?")
            >>> explanation.left.ranked_parts[0].text
            'log'
        """
        from siamkit.flows.explain import explain

        pipeline, target = self._open_named(gallery_or_modality, detector)
        basis = gallery_basis(target, pipeline, None) if target else None
        left, right = _take_two(pipeline, a, b)
        return explain(pipeline, left, right, choose=choose, basis=basis, progress=progress)

    def verify_identity(
        self,
        gallery: str,
        label: str,
        probe: Input,
        *,
        rule: DecisionRule = DEFAULT_RULE,
        fusion: Fusion | None = None,
        choose: Chooser = all_regions,
        detector: str | None = DEFAULT,
    ) -> Verification:
        """Verify whether a source belongs to the identity `label`: its most similar region counts.

        rule: a threshold or false match rate to decide by, instead of the gallery's own. choose:
        the regions to compare. detector: another one for this call.

        Examples:
            >>> print(ws.verify_identity("faces", "collins", "cameraman-1.png"))
            different people (probability of the same person 0.003)
        """
        claim = self._open_claim(gallery, label, rule, fusion, detector)
        source = take_source(probe, "probe", claim.pipeline.modality.kind)
        content = claim.pipeline.read(source)
        answer = claim.compare(batches.embed_one(claim.pipeline, content, choose))
        return replace(answer, asked=asked(claim.pipeline, label, probe))

    def verify_identity_many(
        self,
        gallery: str,
        label: str,
        probes: Iterable[Input],
        *,
        rule: DecisionRule = DEFAULT_RULE,
        fusion: Fusion | None = None,
        choose: Chooser = all_regions,
        detector: str | None = DEFAULT,
    ) -> Iterator[VerifiedPair]:
        """Verify each probe as `verify_identity` does; yield the outcomes in order.

        Examples:
            >>> texts = ["How can I log in?", "Goodbye"]
            >>> many = ws.verify_identity_many("questions", "sign in", texts)
            >>> [bool(each.verification) for each in many]
            [True, False]
        """
        from siamkit.flows.verify_many import verify_probes

        claim = self._open_claim(gallery, label, rule, fusion, detector)
        sources = take_each(probes, "probes", claim.pipeline.modality.kind)
        return verify_probes(claim, sources, choose=choose)

    def _open_claim(
        self,
        gallery: str,
        label: str,
        rule: DecisionRule,
        fusion: Fusion | None,
        detector: str | None,
    ) -> ClaimComparison:
        target = galleries.get(self.store, gallery)
        pipeline = self.pipeline_of(target, detector=detector)
        open_index = functools.partial(self.index, target)
        claim = Claim(target, label)
        return open_claim(self.store, pipeline, claim, open_index, rule=rule, fusion=fusion)

    def verify_fused(
        self, label: str, probes: Iterable[tuple[str, Input]], *, rule: DecisionRule = DEFAULT_RULE
    ) -> Fused:
        """Verify an identity with one (gallery, source) pair of each modality, fused.

        A gallery in which the identity owns nothing drops out, and so does a source without a
        region. rule: may set a false match rate. Raises BadInput for two galleries of one modality,
        Uncalibrated for a gallery without a calibration, NothingFound if all drop out.

        Examples:
            >>> probes = [("faces", "door.jpg"), ("voices", "hello.wav")]  # doctest: +SKIP
            >>> ws.verify_fused("alice", probes).decision  # doctest: +SKIP
        """
        from siamkit.flows import fuse

        rule.refuse("a fused verification", "threshold", "fpir", "reranker")

        def verify(gallery: Gallery, source: Source) -> Verification:
            return self.verify_identity(gallery.name, label, source)

        targets = [(galleries.get(self.store, name), source) for name, source in probes]
        pairs = [(gallery, self._take(gallery, source)) for gallery, source in targets]
        evidence = fuse.gather_evidence(self.store, label, pairs, self.pipeline_of, verify)
        return fuse.fuse(list(evidence), rule.fmr)

    @staticmethod
    def _take(gallery: Gallery, probe: Input) -> Source:
        """Return the probe for one of several galleries."""
        kind = registry.load("siamkit.modalities", gallery.space.modality).kind
        return take_source(probe, f"probe for {gallery.name}", kind)


def _take_two(pipeline: Pipeline, a: Input, b: Input) -> tuple[Source, Source]:
    kind = pipeline.modality.kind
    return take_source(a, "a", kind), take_source(b, "b", kind)


def _take_pairs(
    pipeline: Pipeline, pairs: Iterable[tuple[Input, Input]]
) -> tuple[list[tuple[Hashable, Hashable]], Iterator[tuple[Hashable, Source]]]:
    """Return the keys of each pair, and an iterator that takes the source of each key when due."""
    keys = []
    values: dict[Hashable, tuple[Input, str]] = {}
    for n, (a, b) in enumerate(pairs):
        arguments = f"pairs[{n}][0]", f"pairs[{n}][1]"
        keys.append((_key(a, arguments[0]), _key(b, arguments[1])))
        for key, value, argument in zip(keys[-1], (a, b), arguments, strict=True):
            values.setdefault(key, (value, argument))
    kind = pipeline.modality.kind
    sources = ((key, take_or_refuse(*value, kind)) for key, value in values.items())
    return keys, sources


def _key(value: Any, argument: str) -> Hashable:
    """Return what tells inputs apart: arrays and pictures have no value to hash."""
    if isinstance(value, str | bytes | Path):
        return value
    is_shared = value is None or isinstance(value, int | float)  # no input: each has its own error
    return (argument,) if is_shared else id(value)
