"""Audit: what is probably wrong in a gallery, worst first, by its templates alone.

No encoder is opened. Each sample is looked up in the index, so that a gallery of 100 000 takes
about as long as 100 000 searches, and no matrix of all with all is made.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from siamkit.store.gallery_vectors import GalleryVectors, load_vectors
from siamkit.store.live_index import LiveIndex
from siamkit.types import Progress, ignore_progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from siamkit.stats.audit import Cohesion
    from siamkit.store.samples import Sample
    from siamkit.types import Hits

Kind: TypeAlias = Literal["copy", "label", "twins", "outlier", "quality", "burst"]

ORDER: tuple[Kind, ...] = ("copy", "label", "twins", "outlier", "quality", "burst")
NEAREST = 32  # templates that each sample is compared with
BATCH = 512  # samples a search
COPY = 0.99999  # cosine from which two templates are of one file
UNFIT = 0.1  # quality below which a sample is reported whatever the others have
FIT = 0.5  # quality from which it never is
BURST = 0.1  # of the usual spread, which is 1 - the mean cosine of an identity's samples
LEAST_SPREAD = 0.002  # spread below which samples count as one moment in any gallery
ALIKE = 0.1  # two identities are as alike as those of this quantile are to themselves


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at. `siamkit audit` lists them in the order of ORDER, then by `excess`.

    copy: one content under two labels. label: nearer to another identity than to its own. twins:
    two labels as alike as one. outlier: not recognised by its own identity's other samples, nor
    by another. quality: stored as low. burst: the samples of an identity are nearly the same.
    """

    kind: Kind
    identity: str
    sample_id: int
    source: str
    other: str | None  # the other identity, of copy, label and twins
    other_sample_id: int | None
    value: float  # what was measured: a cosine, a quality in [0, 1], or a spread in [0, 2]
    limit: float  # what it is compared with
    found: str  # for people
    todo: str  # for people, with commands

    @property
    def excess(self) -> float:
        """How far the value is past its limit; more is worse."""
        return abs(self.value - self.limit)


def audit(live: LiveIndex, *, progress: Progress = ignore_progress) -> list[Finding]:
    """Everything that looks wrong in a gallery. The limits come from its threshold, if there is
    one, and from its own scores; each finding says both. An empty gallery has no findings.
    """
    held = load_vectors(live.store, live.gallery)
    if not held.samples:
        return []
    look = _Look(live, held, progress)
    twins = list(look.twins())
    barred = frozenset(look.pairs_of(twins))
    found = [*look.copies(), *look.labels(barred), *twins, *look.outliers(barred)]
    named = {(f.kind, f.sample_id) for f in found}
    labelled = {sample for kind, sample in named if kind in ("copy", "label")}
    found = [f for f in found if not (f.kind == "outlier" and f.sample_id in labelled)]
    found += [*look.unfit(), *look.bursts()]
    return sorted(found, key=lambda f: (ORDER.index(f.kind), -f.excess, f.sample_id))


class _Look:
    """One pass over a gallery, and the questions that are asked of it."""

    def __init__(self, live: LiveIndex, held: GalleryVectors, progress: Progress) -> None:
        import numpy as np

        from siamkit.stats import audit as suspects

        self.held, self.gallery = held, live.gallery
        self.own: Cohesion = suspects.measure_cohesion(held.vectors, held.identity)
        self.hits = self._search(live, progress)
        threshold = live.gallery.threshold
        means = self.own.mean[np.isfinite(self.own.mean)]
        usual = float(np.quantile(means, ALIKE)) if len(means) >= suspects.MIN_VALUES else -1.0
        self.threshold = threshold.value if threshold else max(usual, 0.5)
        self.alike = max(self.threshold, usual)

    def _search(self, live: LiveIndex, progress: Progress) -> Hits:
        """The nearest templates of each sample, as row numbers; -1 for those that are new."""
        import numpy as np

        from siamkit.types import Hits

        held, total = self.held, len(self.held.ids)
        k = min(NEAREST, total)
        ids, scores = np.empty((total, k), np.int64), np.empty((total, k), np.float32)
        for start in range(0, total, BATCH):
            part = live.search(held.vectors[start : start + BATCH], k)
            rows = np.searchsorted(held.ids, part.ids).clip(0, total - 1)
            ids[start : start + BATCH] = np.where(held.ids[rows] == part.ids, rows, -1)
            scores[start : start + BATCH] = part.scores
            progress("comparing samples", min(start + BATCH, total), total)
        return Hits(ids, scores)

    def copies(self) -> Iterator[Finding]:
        """The same content and region, or the same vector, under two labels: a pair once."""
        import numpy as np

        held, seen = self.held, set()
        rows, places = np.nonzero((self.hits.scores >= COPY) & (self.hits.ids >= 0))
        near = self.hits.ids[rows, places]
        for at in np.flatnonzero(held.identity[rows] != held.identity[near]).tolist():
            one, two = sorted((int(rows[at]), int(near[at])))
            if (one, two) in seen:
                continue
            seen.add((one, two))
            score = float(self.hits.scores[rows[at], places[at]])
            left, right = held.samples[one], held.samples[two]
            same = "the same file" if left.digest == right.digest else "the same vector"
            yield self._finding(
                "copy", two, one, score, COPY,
                f"{same} as sample {left.id} of {left.identity}"
                f" (cosine {score:.3f}, copies from {COPY})",
                f"one of the labels is wrong: {_forget(right)} or {_forget(left)}",
            )  # fmt: skip

    def labels(self, barred: frozenset[tuple[int, int]]) -> Iterator[Finding]:
        """Samples that are nearer to another identity than to the other samples of their own."""
        held, own = self.held, self.own
        for row, place in self._foreign(barred):
            mine, score = float(own.nearest[row]), float(self.hits.scores[row, place])
            other = int(self.hits.ids[row, place])
            if not (score >= self.threshold and score > mine and mine < self.alike):
                continue
            if score >= COPY:
                continue  # a copy: said already
            sample, nearer = held.samples[row], held.samples[other]
            yield self._finding(
                "label", row, other, score, mine,
                f"nearer to {nearer.identity} ({score:.3f}, sample {nearer.id}) than to its own"
                f" ({mine:.3f}; the same from {self.threshold:.3f})",
                f"if it is: {_forget(sample)}, then {self._enrol(sample, nearer)}",
            )  # fmt: skip

    def twins(self) -> Iterator[Finding]:
        """Two identities as alike as the samples of one are, where each is at one with itself."""
        import numpy as np

        from siamkit.stats import audit as suspects

        held = self.held
        near = self._near_pairs()
        pairs = np.array(sorted(near), np.int64).reshape(-1, 2)
        scores = suspects.mean_cosines(held.vectors, held.identity, pairs)
        united = np.where(np.isfinite(self.own.mean), self.own.mean, 1.0) >= self.threshold
        for (a, b), score in zip(pairs.tolist(), scores.tolist(), strict=True):
            if score < self.alike or not (united[a] and united[b]):
                continue
            one, two = near[a, b]
            left, right = held.samples[one], held.samples[two]
            yield self._finding(
                "twins", two, one, score, self.alike,
                f"as like {left.identity} as one person is (mean cosine {score:.3f}, one from"
                f" {self.alike:.3f})",
                f"if they are one: siamkit forget --gallery {self.gallery.name} --"
                f" {shlex.quote(right.identity)}, then enrol its sources as"
                f" {shlex.quote(left.identity)}",
            )  # fmt: skip

    def pairs_of(self, twins: list[Finding]) -> Iterator[tuple[int, int]]:
        number = {name: i for i, name in enumerate(self.held.names)}
        for finding in twins:
            a, b = sorted((number[finding.identity], number[str(finding.other)]))
            yield a, b

    def outliers(self, barred: frozenset[tuple[int, int]]) -> Iterator[Finding]:
        """Samples that their own identity does not recognise, and that stand out by it."""
        import numpy as np

        from siamkit.stats import audit as suspects

        fence = suspects.tukey_fence(self.own.nearest)
        limit = self.threshold if fence is None else min(self.threshold, fence)
        counts, told = np.bincount(self.held.identity), set()
        for row in np.flatnonzero(self.own.nearest < limit).tolist():
            mine = int(self.held.identity[row])
            if counts[mine] == 2 and mine in told:
                continue  # of two samples nobody knows which is the odd one
            told.add(mine)
            score, partner = float(self.own.nearest[row]), int(self.own.partner[row])
            sample = self.held.samples[row]
            yield self._finding(
                "outlier", row, None, score, limit,
                f"unlike its own identity's samples (the nearest, {self.held.samples[partner].id},"
                f" at {score:.3f}; usual from {limit:.3f})",
                f"look at it; if it is somebody else: {_forget(sample)}",
            )  # fmt: skip

    def unfit(self) -> Iterator[Finding]:
        """Samples of low quality: below UNFIT, or below FIT and far below the gallery's usual."""
        import numpy as np

        from siamkit.stats import audit as suspects

        quality = np.array(
            [np.nan if s.quality is None else s.quality for s in self.held.samples], np.float64
        )
        fence = suspects.tukey_fence(quality)
        limit = UNFIT if fence is None else max(UNFIT, min(FIT, fence))
        for row in np.flatnonzero(quality < limit).tolist():
            sample = self.held.samples[row]
            yield self._finding(
                "quality", row, None, float(quality[row]), limit,
                f"quality {quality[row]:.2f}, below {limit:.2f}",
                f"enrol a better one, then {_forget(sample)}",
            )  # fmt: skip

    def bursts(self) -> Iterator[Finding]:
        """Identities whose samples are nearly the same, and teach nothing about how they vary."""
        import numpy as np

        from siamkit.stats import audit as suspects

        spread = 1 - self.own.mean
        known = spread[np.isfinite(spread)]
        usual = float(np.median(known)) if len(known) >= suspects.MIN_VALUES else 0.0
        limit = max(LEAST_SPREAD, BURST * usual)
        counts = np.bincount(self.held.identity)
        for number in np.flatnonzero(spread < limit).tolist():
            row = int(np.flatnonzero(self.held.identity == number)[0])
            name = shlex.quote(self.held.names[number])
            yield self._finding(
                "burst", row, None, max(float(spread[number]), 0.0), limit,
                f"its {counts[number]} samples are nearly the same (spread"
                f" {max(float(spread[number]), 0.0):.4f}, below {limit:.4f}; usual {usual:.4f})",
                f"enrol one of another day: siamkit enrol {self.gallery.name} FILE --as {name}",
            )  # fmt: skip

    def _foreign(self, barred: frozenset[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """(row, place of the nearest other among its hits), of samples that have own others."""
        import numpy as np

        from siamkit.stats import audit as suspects

        rows = np.flatnonzero(np.isfinite(self.own.nearest))
        places = suspects.nearest_of_other_identity(
            _part(self.hits, rows), rows, self.held.identity, barred
        )
        for row, place in zip(rows.tolist(), places.tolist(), strict=True):
            if place >= 0:
                yield row, place

    def _near_pairs(self) -> dict[tuple[int, int], tuple[int, int]]:
        """Two identities, the smaller first -> their nearest samples, where near enough.

        Two that are one have samples among each other's nearest, unless one moment fills them.
        """
        import numpy as np

        identity = self.held.identity
        out: dict[tuple[int, int], tuple[int, int]] = {}
        rows, places = np.nonzero((self.hits.scores >= self.alike) & (self.hits.ids >= 0))
        near = self.hits.ids[rows, places]
        different = identity[rows] != identity[near]
        rows, near = rows[different], near[different]
        scores = self.hits.scores[rows, places[different]]
        for at in np.argsort(-scores, kind="stable").tolist():
            one, two = int(rows[at]), int(near[at])
            if identity[one] > identity[two]:
                one, two = two, one
            out.setdefault((int(identity[one]), int(identity[two])), (one, two))
        return out

    def _finding(
        self, kind: Kind, row: int, other: int | None, value: float, limit: float,
        found: str, todo: str,
    ) -> Finding:  # fmt: skip
        sample = self.held.samples[row]
        theirs = None if other is None else self.held.samples[other]
        return Finding(
            kind,
            sample.identity,
            sample.id,
            sample.source,
            theirs.identity if theirs else None,
            theirs.id if theirs else None,
            value,
            limit,
            found,
            todo,
        )

    def _enrol(self, sample: Sample, nearer: Sample) -> str:
        source = "--text TEXT" if sample.inline else shlex.quote(sample.source)
        return f"siamkit enrol {self.gallery.name} {source} --as {shlex.quote(nearer.identity)}"


def _forget(sample: Sample) -> str:
    return f"siamkit forget --sample {sample.id}"


def _part(hits: Any, rows: NDArray[np.int64]) -> Hits:
    from siamkit.types import Hits

    return Hits(hits.ids[rows], hits.scores[rows])
