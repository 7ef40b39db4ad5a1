"""Ask a modality's verifier about a probe and what the cosine compares it with."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from siamkit.embed import rerankers
from siamkit.embed.pipeline import Pipeline
from siamkit.errors import SiamkitError
from siamkit.flows.decide import Basis, DecisionRule, of_references
from siamkit.host import registry
from siamkit.protocols import Verifier
from siamkit.stats import calibration_json
from siamkit.store import Gallery, Store, samples
from siamkit.store.live_index import LiveIndex
from siamkit.types import Calibration, Match

log = logging.getLogger("siamkit")

MOST_REFERENCES = 8  # the last enrolled: each is decoded and cropped again, in 0.1 s


@dataclass(frozen=True, slots=True)
class Opinion:
    """A verifier's probability, and what limits follow from."""

    reranker: str
    probability: float
    basis: Basis


@dataclass(frozen=True, slots=True, eq=False)
class SecondOpinion:
    """A verifier, open, with the calibration of its probabilities."""

    verifier: Verifier[Any]
    calibration: Calibration
    owner: str

    def judge(self, probe: Any, references: Sequence[Any], score: float) -> Opinion:
        """Judge a cropped probe against cropped samples of one identity.

        score: the cosine to the one reference, or the score against the mean of all of them.
        """
        from siamkit.stats.calibration import probability

        with registry.calling(self.verifier, "comparing"):
            stated = self.verifier.against(probe, references, score)
        basis = of_references(Basis(self.owner, self.calibration), len(references))
        calibration = basis.calibration or self.calibration
        return Opinion(self.verifier.name, probability(calibration, stated), basis)

    def warn_of_loss(self, identity: str) -> None:
        """Log that the cosine decides about an identity of which no sample can be loaded."""
        log.warning(
            f"{self.verifier.name} cannot judge {identity!r}, whose sources are gone or changed;"
            " the cosine decides"
        )


def open_second_opinion(
    pipeline: Pipeline, rule: DecisionRule, basis: Basis
) -> SecondOpinion | None:
    """Open the modality's verifier; None if it has none, or if something else decides.

    That is a threshold, FPIR or reranker of the rule, or a gallery's own threshold or calibration.
    """
    if getattr(pipeline.modality, "verifier", None) is None:
        return None
    is_default = rule.threshold is None and rule.fpir is None and rule.reranker is None
    if not is_default or basis.calibration is None or basis.calibration != pipeline.calibration:
        return None
    if basis.default not in (None, pipeline.threshold):
        return None
    verifier = rerankers.open_verifier(pipeline)
    if verifier is None:
        return None
    return SecondOpinion(verifier, calibration_json.read(verifier.calibration), basis.owner)


def judge_matches(
    second_opinion: SecondOpinion,
    live: LiveIndex,
    pipeline: Pipeline,
    crop: Any,
    matches: Sequence[Match],
) -> tuple[list[Match], Opinion] | None:
    """Return matches of a cropped probe with probabilities, and the opinion on the first of them.

    The likeliest come first, and those last whose samples are gone. None, and a line is logged, if
    those of the nearest are: it must not lose to what it could not be compared with.
    """
    judged, gone = [], []
    for rank, match in enumerate(matches):
        references = load_references(live.store, pipeline, live.gallery, match.identity)
        if references:
            opinion = second_opinion.judge(crop, references, match.score)
            judged.append((opinion, replace(match, probability=opinion.probability)))
        elif rank == 0:
            second_opinion.warn_of_loss(match.identity)
            return None
        else:
            gone.append(match)
    if not judged:
        return None
    judged.sort(key=lambda pair: -pair[0].probability)
    return [match for _, match in judged] + gone, judged[0][0]


def load_references(store: Store, pipeline: Pipeline, gallery: Gallery, label: str) -> list[Any]:
    """Decode and crop the last enrolled samples of an identity, without those that are gone."""
    from siamkit.flows.reembed import read_enrolled  # loads numpy, which most commands do without

    enrolled = [
        sample for sample in samples.of_label(store, label) if sample.gallery == gallery.name
    ]
    crops = []
    for sample in enrolled[-MOST_REFERENCES:]:
        try:
            content = read_enrolled(sample)
            crops.append(pipeline.crop(pipeline.load(content), sample.read_region(), content))
        except SiamkitError:
            continue
    return crops
