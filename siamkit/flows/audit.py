"""Audit: list what is probably wrong in a gallery, by its templates and scores alone.

No encoder is opened.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from siamkit.errors import Uncalibrated
from siamkit.flows.compare_gallery import COPY, ComparedGallery, compare_gallery
from siamkit.io.commands import suggest
from siamkit.io.presentable import Presentable
from siamkit.stats import audit as audit_stats
from siamkit.stats.drift import QUERIES, Drift, compare
from siamkit.store import Gallery, Store, observations
from siamkit.store.live_index import LiveIndex
from siamkit.store.samples import Sample
from siamkit.types import Progress, ignore_progress

Kind: TypeAlias = Literal["copy", "label", "twins", "outlier", "quality", "burst"]

ORDER: tuple[Kind, ...] = ("copy", "label", "twins", "outlier", "quality", "burst")
UNFIT = 0.1  # quality below which a sample is always reported
FIT = 0.5  # quality at or above which a sample is never reported
BURST = 0.1  # share of the gallery's median spread (1 - mean cosine within an identity)
LEAST_SPREAD = 0.002  # spread below which samples are of one moment, in any gallery


@dataclass(frozen=True, slots=True)
class Finding(Presentable):
    """Something to look at. An audit sorts its findings by ORDER, then by `excess`.

    copy: one content under two labels. label: closer to another identity than to its own. twins:
    two labels as alike as one. outlier: recognised neither by its own identity's other samples nor
    by another identity. quality: low. burst: the samples of an identity are nearly identical.

    Examples:
        >>> [(finding.kind, finding.identity) for finding in ws.audit("questions")]
        [('outlier', 'refund'), ('outlier', 'sign in')]
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
    copies, twins = list(_find_copies(gallery)), dict(_find_twins(gallery))
    mislabelled = list(_find_mislabelled(gallery, same_identities=frozenset(twins)))
    reported = {finding.sample_id for finding in [*copies, *mislabelled]}
    outliers = [f for f in _find_outliers(gallery) if f.sample_id not in reported]
    findings = [*copies, *mislabelled, *twins.values(), *outliers]
    findings += [*_find_low_quality(gallery), *_find_bursts(gallery)]
    return sorted(findings, key=lambda f: (ORDER.index(f.kind), -f.excess, f.sample_id))


def drift(store: Store, gallery: Gallery) -> Drift:
    """Compare recent queries with the calibration. Raises Uncalibrated if there is none."""
    reference = observations.reference(store, gallery)
    if not reference:
        raise Uncalibrated(
            f"gallery {gallery.name!r} has no calibration to compare its queries with",
            hint=f"run `siamkit calibrate {gallery.name}`",
        )
    return compare(reference, observations.recent(store, gallery, QUERIES))


def _find_copies(gallery: ComparedGallery) -> Iterator[Finding]:
    """Find the same content and region, or the same vector, under two labels; each pair once."""
    strangers, pairs = gallery.strangers, set()
    for i in np.flatnonzero(strangers.scores >= COPY).tolist():
        first, second = sorted((int(strangers.rows[i]), int(strangers.near[i])))
        if (first, second) in pairs:
            continue
        pairs.add((first, second))
        score = float(strangers.scores[i])
        if not (both := gallery.enrolled.read(first, second)):
            continue
        left, right = both
        content = "the same file" if left.digest == right.digest else "the same vector"
        description = (
            f"{content} as sample {left.id} of {left.identity} (cosine {score:.3f}; copies are at"
            f" or above {COPY})"
        )
        advice = f"one of the labels is wrong: {_forget(right)} or {_forget(left)}"
        yield _finding("copy", right, left, (score, COPY), description, advice)


def _find_mislabelled(
    gallery: ComparedGallery, same_identities: frozenset[tuple[int, int]]
) -> Iterator[Finding]:
    """Find samples that are closer to another identity than to the others of their own."""
    for row, nearest, score in gallery.nearest_strangers(same_identities):
        own_score = float(gallery.cohesion.nearest[row])
        is_stranger = gallery.threshold <= score < COPY and own_score < score
        if not is_stranger or own_score >= gallery.alike:
            continue
        if not (both := gallery.enrolled.read(row, nearest)):
            continue
        sample, stranger = both
        start = f"enrol {gallery.name} --as {shlex.quote(stranger.identity)}"
        enrol = f"siamkit {start} --text TEXT" if sample.inline else suggest(start, sample.source)
        description = (
            f"closer to {stranger.identity} ({score:.3f}, sample {stranger.id}) than to its own"
            f" identity ({own_score:.3f}; the same from {gallery.threshold:.3f})"
        )
        advice = f"if the label is wrong: {_forget(sample)}, then {enrol}"
        yield _finding("label", sample, stranger, (score, own_score), description, advice)


def _find_twins(gallery: ComparedGallery) -> Iterator[tuple[tuple[int, int], Finding]]:
    """Find identities as alike as the samples of one; both must agree within themselves.

    Yields their numbers, the smaller first, and the finding.
    """
    enrolled, mean = gallery.enrolled, gallery.cohesion.mean
    nearest = gallery.near_identities()
    pairs = np.array(sorted(nearest), np.int64).reshape(-1, 2)
    scores = gallery.mean_cosines(pairs)
    agrees = np.where(np.isfinite(mean), mean, 1.0) >= gallery.threshold
    for (a, b), score in zip(pairs.tolist(), scores.tolist(), strict=True):
        if not (score >= gallery.alike and agrees[a] and agrees[b]):
            continue
        if not (both := enrolled.read(*nearest[a, b])):
            continue
        first, second = both
        description = (
            f"as similar to {enrolled.names[a]} as samples of one identity (mean cosine"
            f" {score:.3f}; one identity from {gallery.alike:.3f})"
        )
        advice = f"if they are one: {suggest('merge', enrolled.names[b], enrolled.names[a])}"
        measured = score, gallery.alike
        yield (a, b), _finding("twins", second, first, measured, description, advice)


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
        if not (both := gallery.enrolled.read(row, int(cohesion.partner[row]))):
            continue
        sample, partner = both
        description = (
            f"unlike the other samples of its identity (nearest: sample {partner.id} at"
            f" {score:.3f}; usual from {limit:.3f})"
        )
        advice = f"look at it; if it is somebody else: {_forget(sample)}"
        yield _finding("outlier", sample, None, (score, limit), description, advice)


def _find_low_quality(gallery: ComparedGallery) -> Iterator[Finding]:
    """Find samples below UNFIT, and those below FIT that are far below the gallery's median."""
    quality = gallery.enrolled.quality
    fence = audit_stats.tukey_fence(quality)
    limit = UNFIT if fence is None else max(UNFIT, min(FIT, fence))
    for row in np.flatnonzero(quality < limit).tolist():
        value = float(quality[row])
        for sample in gallery.enrolled.read(row):
            description = f"quality {value:.2f}, below {limit:.2f}"
            advice = f"enrol a better sample, then {_forget(sample)}"
            yield _finding("quality", sample, None, (value, limit), description, advice)


def _find_bursts(gallery: ComparedGallery) -> Iterator[Finding]:
    """Find identities whose samples are nearly identical, and so show no variation."""
    identity = gallery.enrolled.identity
    spread = 1 - gallery.cohesion.mean
    finite = spread[np.isfinite(spread)]
    usual = float(np.median(finite)) if len(finite) >= audit_stats.MIN_VALUES else 0.0
    limit = max(LEAST_SPREAD, BURST * usual)
    _, first_rows, counts = np.unique(identity, return_index=True, return_counts=True)
    for number in np.flatnonzero(spread < limit).tolist():
        if not (samples := gallery.enrolled.read(int(first_rows[number]))):
            continue
        (sample,) = samples
        value = max(float(spread[number]), 0.0)
        name = shlex.quote(sample.identity)
        description = (
            f"its {counts[number]} samples are nearly identical (spread {value:.4f}, below"
            f" {limit:.4f}; usual {usual:.4f})"
        )
        advice = f"enrol a sample from another day: siamkit enrol {gallery.name} FILE --as {name}"
        yield _finding("burst", sample, None, (value, limit), description, advice)


def _finding(
    kind: Kind,
    sample: Sample,
    other: Sample | None,
    measured: tuple[float, float],  # the value and its limit
    description: str,
    advice: str,
) -> Finding:
    name, number = (other.identity, other.id) if other else (None, None)
    about = sample.identity, sample.id, sample.source, name, number
    return Finding(kind, *about, *measured, description, advice)


def _forget(sample: Sample) -> str:
    return f"siamkit forget --sample {sample.id}"
