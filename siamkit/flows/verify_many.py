"""Verify many: pairs of sources, or sources with one identity; each is embedded once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from siamkit.embed import batches, region_choosers
from siamkit.embed.batches import EmbeddedSource, Job
from siamkit.embed.pipeline import Pipeline
from siamkit.embed.region_choosers import Chooser
from siamkit.errors import SiamkitError
from siamkit.flows.verification import Verification
from siamkit.flows.verify import ClaimComparison, PairComparison
from siamkit.io.presentable import Presentable
from siamkit.protocols import Source

FIRST = 2  # sources of the first batch, so that an answer is there soon


@dataclass(frozen=True, slots=True)
class VerifiedPair(Presentable):
    """The outcome of one comparison: a verification, or the error of a source."""

    a: str  # the sources as they were given; `a` may be the label of an identity
    b: str
    verification: Verification | None = None
    error: SiamkitError | None = None


def verify_pairs(
    comparison: PairComparison,
    pairs: Sequence[tuple[Hashable, Hashable]],
    sources: Iterable[tuple[Hashable, Source]],
    *,
    choose: Chooser = region_choosers.all_regions,
) -> Iterator[VerifiedPair]:
    """Compare the sources of each pair; yield the outcomes in order.

    A source is kept until the last pair that it is in. pairs: of keys. sources: each key once with
    its source, in the order of first use; read lazily.
    """
    last_use = {key: n for n, pair in enumerate(pairs) for key in pair}
    stream = _embed_each(comparison.pipeline, sources, choose)
    embedded: dict[Hashable, EmbeddedSource] = {}
    for number, pair in enumerate(pairs):
        for key in pair:
            while key not in embedded:
                arrived = next(stream)
                embedded[arrived.job.tag] = arrived
        a, b = (embedded[key] for key in pair)
        compare = partial(comparison.compare, a, b)
        yield _outcome(a.name, b, a.error or b.error, compare)
        for key in set(pair):
            if last_use[key] == number:
                del embedded[key]


def verify_probes(
    comparison: ClaimComparison,
    probes: Iterable[Source],
    *,
    choose: Chooser = region_choosers.all_regions,
) -> Iterator[VerifiedPair]:
    """Compare each probe with the claimed identity; yield the outcomes in order."""
    jobs = ((n, probe) for n, probe in enumerate(probes))
    for probe in _embed_each(comparison.pipeline, jobs, choose):
        label = comparison.claim.identity
        yield _outcome(label, probe, probe.error, partial(comparison.compare, probe))


def _outcome(
    a: str, b: EmbeddedSource, error: SiamkitError | None, compare: Callable[[], Verification]
) -> VerifiedPair:
    if error is None:
        try:
            return VerifiedPair(a, b.name, compare())
        except SiamkitError as raised:
            error = raised
    return VerifiedPair(a, b.name, error=error)


def _embed_each(
    pipeline: Pipeline, sources: Iterable[tuple[Hashable, Source]], choose: Chooser
) -> Iterator[EmbeddedSource]:
    jobs = (Job(source, key) for key, source in sources)
    for batch in batches.embed_all(pipeline, jobs, choose, first=FIRST):
        yield from batch
