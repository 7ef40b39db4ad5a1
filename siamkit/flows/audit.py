"""Audit: list what is probably wrong in a gallery, by its templates alone.

No encoder is opened.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from siamkit.flows.compare_gallery import ComparedGallery, compare_gallery
from siamkit.stats import audit as audit_stats
from siamkit.store.live_index import LiveIndex
from siamkit.types import Progress, ignore_progress

if TYPE_CHECKING:
    from siamkit.store.samples import Sample

Kind: TypeAlias = Literal["copy", "label", "twins", "outlier", "quality", "burst"]

ORDER: tuple[Kind, ...] = ("copy", "label", "twins", "outlier", "quality", "burst")
COPY = 0.99999  # cosine at or above which two templates are of one file
UNFIT = 0.1  # quality below which a sample is always reported
FIT = 0.5  # quality at or above which a sample is never reported
BURST = 0.1  # share of the gallery's median spread (1 - mean cosine within an identity)
LEAST_SPREAD = 0.002  # spread below which samples are of one moment, in any gallery


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to look at. An audit sorts its findings by ORDER, then by `excess`.

    copy: one content under two labels. label: closer to another identity than to its own. twins:
    two labels as alike as one. outlier: recognised neither by its own identity's other samples nor
    by another identity. quality: low. burst: the samples of an identity are nearly identical.
    """

    kind: Kind
    identity: str
    sample_id: int
    source: str
    other: str | None  # the other identity, for copy, label and twins
    other_sample_id: int | None
    value: float  # as measured: a cosine, a quality in [0, 1], or a spread in [0, 2]
    limit: float  # that the value is compared with
    description: str  # for people
    advice: str  # for people, with commands

    @property
    def excess(self) -> float:
        """Distance of the value from its limit; more is worse."""
        return abs(self.value - self.limit)


def audit(live: LiveIndex, *, progress: Progress = ignore_progress) -> list[Finding]:
    """List everything in a gallery that looks wrong, worst first.

    Limits come from the gallery's threshold, if there is one, and from its own scores.
    """
    gallery = compare_gallery(live, progress)
    if gallery is None:
        return []
    copies, twins = list(_find_copies(gallery)), list(_find_twins(gallery))
    same_identities = _identity_pairs(gallery, twins)
    mislabelled = list(_find_mislabelled(gallery, same_identities))
    reported = {finding.sample_id for finding in [*copies, *mislabelled]}
    outliers = [f for f in _find_outliers(gallery) if f.sample_id not in reported]
    findings = [*copies, *mislabelled, *twins, *outliers]
    findings += [*_find_low_quality(gallery), *_find_bursts(gallery)]
    return sorted(findings, key=lambda f: (ORDER.index(f.kind), -f.excess, f.sample_id))


def _find_copies(gallery: ComparedGallery) -> Iterator[Finding]:
    """Find the same content and region, or the same vector, under two labels; each pair once."""
    identity, hits, samples = gallery.enrolled.identity, gallery.hits, gallery.enrolled.samples
    pairs = set()
    rows, columns = np.nonzero((hits.scores >= COPY) & (hits.ids >= 0))
    near = hits.ids[rows, columns]
    for i in np.flatnonzero(identity[rows] != identity[near]).tolist():
        first, second = sorted((int(rows[i]), int(near[i])))
        if (first, second) in pairs:
            continue
        pairs.add((first, second))
        score = float(hits.scores[rows[i], columns[i]])
        left, right = samples[first], samples[second]
        content = "the same file" if left.digest == right.digest else "the same vector"
        yield _finding(
            gallery,
            "copy",
            second,
            first,
            (score, COPY),
            f"{content} as sample {left.id} of {left.identity} (cosine {score:.3f}; copies are at"
            f" or above {COPY})",
            f"one of the labels is wrong: {_forget(right)} or {_forget(left)}",
        )


def _find_mislabelled(
    gallery: ComparedGallery, same_identities: frozenset[tuple[int, int]]
) -> Iterator[Finding]:
    """Find samples that are closer to another identity than to the others of their own."""
    for row, nearest, score in gallery.nearest_strangers(same_identities):
        own_score = float(gallery.cohesion.nearest[row])
        is_stranger = gallery.threshold <= score < COPY and own_score < score
        if not is_stranger or own_score >= gallery.alike:
            continue
        sample, stranger = gallery.enrolled.samples[row], gallery.enrolled.samples[nearest]
        source = "--text TEXT" if sample.inline else shlex.quote(sample.source)
        label = shlex.quote(stranger.identity)
        yield _finding(
            gallery,
            "label",
            row,
            nearest,
            (score, own_score),
            f"closer to {stranger.identity} ({score:.3f}, sample {stranger.id}) than to its own"
            f" identity ({own_score:.3f}; the same from {gallery.threshold:.3f})",
            f"if the label is wrong: {_forget(sample)}, then siamkit enrol {gallery.name} {source}"
            f" --as {label}",
        )


def _find_twins(gallery: ComparedGallery) -> Iterator[Finding]:
    """Find identities as alike as the samples of one; both must agree within themselves."""
    enrolled, mean = gallery.enrolled, gallery.cohesion.mean
    nearest = gallery.near_identities()
    pairs = np.array(sorted(nearest), np.int64).reshape(-1, 2)
    scores = audit_stats.mean_cosines(enrolled.vectors, enrolled.identity, pairs)
    agrees = np.where(np.isfinite(mean), mean, 1.0) >= gallery.threshold
    for (a, b), score in zip(pairs.tolist(), scores.tolist(), strict=True):
        if score < gallery.alike or not (agrees[a] and agrees[b]):
            continue
        first, second = nearest[a, b]
        left, right = enrolled.names[a], enrolled.names[b]
        yield _finding(
            gallery,
            "twins",
            second,
            first,
            (score, gallery.alike),
            f"as similar to {left} as samples of one identity (mean cosine {score:.3f}; one"
            f" identity from {gallery.alike:.3f})",
            f"if they are one: siamkit forget --gallery {gallery.name} -- {shlex.quote(right)},"
            f" then enrol its sources as {shlex.quote(left)}",
        )


def _identity_pairs(
    gallery: ComparedGallery, twins: Iterable[Finding]
) -> frozenset[tuple[int, int]]:
    """Return the identity numbers of twins, the smaller first."""
    numbers = {name: number for number, name in enumerate(gallery.enrolled.names)}
    pairs = ((numbers[f.identity], numbers[str(f.other)]) for f in twins)
    return frozenset((min(pair), max(pair)) for pair in pairs)


def _find_outliers(gallery: ComparedGallery) -> Iterator[Finding]:
    """Find samples that their own identity does not recognise, and that stand out by that."""
    cohesion, identity = gallery.cohesion, gallery.enrolled.identity
    fence = audit_stats.tukey_fence(cohesion.nearest)
    limit = gallery.threshold if fence is None else min(gallery.threshold, fence)
    counts, reported = np.bincount(identity), set()
    for row in np.flatnonzero(cohesion.nearest < limit).tolist():
        number = int(identity[row])
        if counts[number] == 2 and number in reported:
            continue  # nothing shows which of two samples is the odd one
        reported.add(number)
        score = float(cohesion.nearest[row])
        partner = gallery.enrolled.samples[int(cohesion.partner[row])]
        yield _finding(
            gallery,
            "outlier",
            row,
            None,
            (score, limit),
            f"unlike the other samples of its identity (nearest: sample {partner.id} at"
            f" {score:.3f}; usual from {limit:.3f})",
            f"look at it; if it is somebody else: {_forget(gallery.enrolled.samples[row])}",
        )


def _find_low_quality(gallery: ComparedGallery) -> Iterator[Finding]:
    """Find samples below UNFIT, and those below FIT that are far below the gallery's usual."""
    samples = gallery.enrolled.samples
    quality = np.array([np.nan if s.quality is None else s.quality for s in samples], np.float64)
    fence = audit_stats.tukey_fence(quality)
    limit = UNFIT if fence is None else max(UNFIT, min(FIT, fence))
    for row in np.flatnonzero(quality < limit).tolist():
        yield _finding(
            gallery,
            "quality",
            row,
            None,
            (float(quality[row]), limit),
            f"quality {quality[row]:.2f}, below {limit:.2f}",
            f"enrol a better sample, then {_forget(samples[row])}",
        )


def _find_bursts(gallery: ComparedGallery) -> Iterator[Finding]:
    """Find identities whose samples are nearly identical, and so show no variation."""
    identity = gallery.enrolled.identity
    spread = 1 - gallery.cohesion.mean
    finite = spread[np.isfinite(spread)]
    usual = float(np.median(finite)) if len(finite) >= audit_stats.MIN_VALUES else 0.0
    limit = max(LEAST_SPREAD, BURST * usual)
    counts = np.bincount(identity)
    for number in np.flatnonzero(spread < limit).tolist():
        row = int(np.flatnonzero(identity == number)[0])
        value = max(float(spread[number]), 0.0)
        name = shlex.quote(gallery.enrolled.names[number])
        yield _finding(
            gallery,
            "burst",
            row,
            None,
            (value, limit),
            f"its {counts[number]} samples are nearly identical (spread {value:.4f}, below"
            f" {limit:.4f}; usual {usual:.4f})",
            f"enrol a sample from another day: siamkit enrol {gallery.name} FILE --as {name}",
        )


def _finding(
    gallery: ComparedGallery,
    kind: Kind,
    row: int,
    other: int | None,
    measured: tuple[float, float],
    description: str,
    advice: str,
) -> Finding:
    """Return a finding about a sample; measured: the value and its limit."""
    sample = gallery.enrolled.samples[row]
    other_sample = None if other is None else gallery.enrolled.samples[other]
    return Finding(
        kind,
        sample.identity,
        sample.id,
        sample.source,
        other_sample.identity if other_sample else None,
        other_sample.id if other_sample else None,
        *measured,
        description,
        advice,
    )


def _forget(sample: Sample) -> str:
    return f"siamkit forget --sample {sample.id}"
