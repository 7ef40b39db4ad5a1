"""Query and classify."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar, overload

from siamkit.embed.pipeline import DEFAULT, Pipeline
from siamkit.embed.region_choosers import Chooser, all_regions
from siamkit.errors import SiamkitError
from siamkit.flows.answer import Answer
from siamkit.flows.answer_lists import Answers, Batch, asked
from siamkit.flows.decide import DEFAULT_RULE, DecisionRule
from siamkit.flows.query import query, query_many
from siamkit.sdk.inputs import is_batch, take_each, take_source
from siamkit.stats.scoring import Fusion, mated_cosine_of
from siamkit.store import galleries
from siamkit.types import Input
from siamkit.workspace.base import OpenStore

if TYPE_CHECKING:
    from siamkit.flows.classify import Classified, ClassifiedSource, Classifier
    from siamkit.flows.query import Queried
    from siamkit.stats.classify import ClassificationMethod

T = TypeVar("T")


class QueryMethods(OpenStore):
    """Query and classify."""

    @overload
    def query(  # type: ignore[overload-overlap]  # a text is a sequence of texts
        self,
        gallery: str,
        probe: Input,
        *,
        k: int = ...,
        rule: DecisionRule = ...,
        fusion: Fusion | None = ...,
        choose: Chooser = ...,
        detector: str | None = ...,
    ) -> Answers[Answer]: ...
    @overload
    def query(
        self,
        gallery: str,
        probe: Sequence[Input],
        *,
        k: int = ...,
        rule: DecisionRule = ...,
        fusion: Fusion | None = ...,
        choose: Chooser = ...,
        detector: str | None = ...,
    ) -> Batch[Answers[Answer]]: ...
    def query(
        self,
        gallery: str,
        probe: Input | Sequence[Input],
        *,
        k: int = 5,
        rule: DecisionRule = DEFAULT_RULE,
        fusion: Fusion | None = None,
        choose: Chooser = all_regions,
        detector: str | None = DEFAULT,
    ) -> Answers[Answer] | Batch[Answers[Answer]]:
        """Find the k nearest identities to each region of a probe, best first.

        probe: a sample, or a list of them: then the result has an item for each, and one that
        cannot be used has an `error`.
        rule: a threshold or error rate to decide by, such as `DecisionRule(fpir=0.01)`, instead of
        the gallery's own. detector: another one for this call; None compares whole samples.

        Examples:
            >>> [answer.identity for answer in ws.query("faces", photo)]
            ['collins', None]
            >>> batch = ws.query("questions", ["How can I log in?", "What is the weather?"])
            >>> [answers[0].identity for answers in batch]
            ['sign in', None]
            >>> batch.rows()[0]["nearest"]  # and pandas.DataFrame(batch.rows())
            'sign in'
        """
        live, pipeline = self._open_gallery(gallery, detector)
        kind = pipeline.modality.kind
        if is_batch(probe):
            sources = take_each(probe, "probe", kind)
            many = query_many(live, pipeline, sources, k=k, rule=rule, fusion=fusion, choose=choose)
            outcomes = ((outcome.source, outcome.answers, outcome.error) for outcome in many)
            return _list_answers(gallery, pipeline, probe, outcomes)
        source = take_source(probe, "probe", kind)
        answers = query(live, pipeline, source, k=k, rule=rule, fusion=fusion, choose=choose)
        return Answers(answers, source=answers[0].source, asked=asked(pipeline, probe))

    def query_many(
        self,
        gallery: str,
        probes: Iterable[Input],
        *,
        k: int = 5,
        rule: DecisionRule = DEFAULT_RULE,
        fusion: Fusion | None = None,
        choose: Chooser = all_regions,
        detector: str | None = DEFAULT,
    ) -> Iterator[Queried]:
        """Query with each probe; yield its answers, or its error, in order and as they come.

        Examples:
            >>> for queried in ws.query_many("faces", ["group.png", "absent.png"]):
            ...     print(len(queried.answers), queried.error)
            2 None
            0 absent.png cannot be read: No such file or directory
        """
        live, pipeline = self._open_gallery(gallery, detector)
        sources = take_each(probes, "probes", pipeline.modality.kind)
        return query_many(live, pipeline, sources, k=k, rule=rule, fusion=fusion, choose=choose)

    @overload
    def classify(  # type: ignore[overload-overlap]  # a text is a sequence of texts
        self,
        gallery: str,
        probe: Input,
        *,
        by: ClassificationMethod = ...,
        k: int = ...,
        tags: bool = ...,
        rule: DecisionRule | None = ...,
        choose: Chooser = ...,
        detector: str | None = ...,
    ) -> Answers[Classified]: ...
    @overload
    def classify(
        self,
        gallery: str,
        probe: Sequence[Input],
        *,
        by: ClassificationMethod = ...,
        k: int = ...,
        tags: bool = ...,
        rule: DecisionRule | None = ...,
        choose: Chooser = ...,
        detector: str | None = ...,
    ) -> Batch[Answers[Classified]]: ...
    def classify(
        self,
        gallery: str,
        probe: Input | Sequence[Input],
        *,
        by: ClassificationMethod = "knn",
        k: int = 5,
        tags: bool = False,
        rule: DecisionRule | None = None,
        choose: Chooser = all_regions,
        detector: str | None = DEFAULT,
    ) -> Answers[Classified] | Batch[Answers[Classified]]:
        """Find the classes of each region of a probe, the most likely first.

        The classes are the gallery's identities. probe: a sample, or a list of them; see `query`.
        by: the `k` nearest samples vote, or each class is represented by its mean. tags: a sample
        may have several labels. rule: a region that a query would not identify by it belongs to no
        class, `DecisionRule()` being the gallery's own threshold; None: every region belongs to
        one. detector: another one for this call.

        Examples:
            >>> (region,) = ws.classify("questions", "I want my money back")
            >>> region.identity, round(region.classes[0].probability, 1)
            ('refund', 0.9)
        """
        opened = self.classifier(gallery, by=by, k=k, tags=tags)
        live = self.index(opened.gallery)
        pipeline = self.pipeline_of(opened.gallery, detector=detector)
        kind = pipeline.modality.kind
        if is_batch(probe):
            sources = take_each(probe, "probe", kind)
            many = opened.classify_many(live, pipeline, sources, rule=rule, choose=choose)
            outcomes = ((outcome.source, outcome.regions, outcome.error) for outcome in many)
            return _list_answers(gallery, pipeline, probe, outcomes)
        source = take_source(probe, "probe", kind)
        regions = opened.classify(live, pipeline, source, rule=rule, choose=choose)
        return Answers(regions, source=regions[0].source, asked=asked(pipeline, probe))

    def classify_many(
        self,
        gallery: str,
        probes: Iterable[Input],
        *,
        by: ClassificationMethod = "knn",
        k: int = 5,
        tags: bool = False,
        rule: DecisionRule | None = None,
        choose: Chooser = all_regions,
        detector: str | None = DEFAULT,
    ) -> Iterator[ClassifiedSource]:
        """Classify each probe; yield its regions, or its error, in order and as they come.

        Examples:
            >>> many = ws.classify_many("questions", ["I forgot my login"])
            >>> [classified.regions[0].identity for classified in many]
            ['sign in']
        """
        opened = self.classifier(gallery, by=by, k=k, tags=tags)
        live = self.index(opened.gallery)
        pipeline = self.pipeline_of(opened.gallery, detector=detector)
        sources = take_each(probes, "probes", pipeline.modality.kind)
        return opened.classify_many(live, pipeline, sources, rule=rule, choose=choose)

    def classifier(
        self, gallery: str, *, by: ClassificationMethod = "knn", k: int = 5, tags: bool = False
    ) -> Classifier:
        """Open the classifier that `classify` uses; it names the source of its probabilities.

        It is kept until something is enrolled, forgotten, renamed or calibrated.

        Examples:
            >>> ws.classifier("questions").names
            ['hours', 'refund', 'sign in']
        """
        from siamkit.flows.classify import open_classifier
        from siamkit.stats.classify import ClassificationRule

        target = galleries.get(self.store, gallery)
        pipeline = self.pipeline_of(target)
        rule = ClassificationRule(by, k, tags, mated_cosine_of(pipeline.encoder))
        opened = self._classifiers.get((target.index_key, rule))
        if opened is None or not opened.is_current(self.store, target):
            opened = open_classifier(self.store, target, pipeline, rule)
            self._classifiers[target.index_key, rule] = opened
        return opened


def _list_answers(
    gallery: str,
    pipeline: Pipeline,
    probes: Sequence[Input],
    outcomes: Iterable[tuple[str, list[T], SiamkitError | None]],
) -> Batch[Answers[T]]:
    """Return the answers about each probe. outcomes: its name, and answers or an error."""
    lists = [
        Answers(answers, source=source, error=error, asked=asked(pipeline, probe))
        for probe, (source, answers, error) in zip(probes, outcomes, strict=True)
    ]
    return Batch(lists, key="probes", about={"gallery": gallery})
