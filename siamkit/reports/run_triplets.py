"""Show the triplets of the validation samples that a run gets most wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from siamkit.errors import BadInput
from siamkit.io import foreign
from siamkit.io.sources import to_text
from siamkit.reports.html import escaped
from siamkit.reports.run_samples import Samples
from siamkit.train.folder import EMBEDDINGS
from siamkit.train.hardest import Triplet, hardest_triplets

SHOWN = 12  # triplets
LABEL = 40  # characters of an identity's name
NOTE = (
    "Of each validation identity, at the best step so far. In a red frame the negative is nearer"
    " than the positive: look for wrong labels there first."
)


class HardestTriplets:
    """The hardest triplets of a run, which are looked for again after each best step."""

    def __init__(self, run: Path) -> None:
        self.samples = Samples(run)
        self._run, self._path = run, run / EMBEDDINGS
        self._version: Any = None
        self._html = ""
        self.rows: frozenset[int] = frozenset()  # of the data set, whose samples are shown

    def show(self, *, embedded: bool) -> str:
        """Return them as HTML, see Samples.show; empty before the first evaluation.

        Empty, too, for samples that are known by the scores of their pairs alone.
        """
        if not self._path.exists():
            return ""
        state = self._path.stat()
        version = (state.st_mtime_ns, state.st_size, embedded)
        if version != self._version:
            if not self.samples.is_current():  # another run has taken the folder
                self.samples = Samples(self._run)
            try:
                self._html = self._find(embedded)
            except BadInput as error:
                self._html, self.rows = f"<p class=soft>{escaped(str(error))}</p>", frozenset()
            self._version = version
        return self._html

    def _find(self, embedded: bool) -> str:
        names = "embeddings", "labels", "impostor", "rows"
        embeddings, labels, impostor, rows = foreign.read_npz(self._path, names)
        if embeddings.ndim != 2 or {len(labels), len(impostor), len(rows)} != {len(embeddings)}:
            raise BadInput(f"{to_text(self._path)} is damaged: its arrays do not match")
        if not ((rows >= 0) & (rows < len(self.samples.dataset.sources))).all():
            raise BadInput(f"{to_text(self._path)} is of other data than the run's")
        triplets = hardest_triplets(embeddings.astype(np.float32), labels, impostor, SHOWN)
        self.rows = frozenset(
            int(rows[number])
            for triplet in triplets
            for number in (triplet.anchor, triplet.positive, triplet.negative)
        )
        if not triplets:
            return ""
        parts = [self._triplet(triplet, rows.tolist(), embedded) for triplet in triplets]
        return f"<p class=soft>{NOTE}</p><div class=triplets>{''.join(parts)}</div>"

    def _triplet(self, triplet: Triplet, rows: list[int], embedded: bool) -> str:
        cells = (
            self._cell("anchor", rows[triplet.anchor], "", embedded),
            self._cell(
                "farthest positive",
                rows[triplet.positive],
                f"cosine {triplet.positive_cosine:.3f}",
                embedded,
            ),
            self._cell(
                "nearest negative",
                rows[triplet.negative],
                f"cosine {triplet.negative_cosine:.3f}",
                embedded,
            ),
        )
        wrong = " wrong" if triplet.is_wrong else ""
        return f"<div class='triplet{wrong}'>{''.join(cells)}</div>"

    def _cell(self, role: str, row: int, cosine: str, embedded: bool) -> str:
        dataset = self.samples.dataset
        name = escaped(dataset.names[dataset.labels[row]], LABEL)
        imitated = "impostor of " if dataset.impostor[row] else ""
        return (
            f"<div><p><small>{role}</small></p><p>{imitated}<b>{name}</b></p>"
            f"{self.samples.show(row, embedded=embedded)}<p><small>{cosine}</small></p></div>"
        )
