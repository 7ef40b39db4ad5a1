"""The modality `signatures`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.errors import BadInput, MissingWeights
from siamkit.protocols import Reranker, Source
from siamkit.sdk.media import load_image
from siamkit.sdk.model_folder import require_preprocessing
from siamkit.sdk.onnx import OnnxEncoder
from siamkit.types import Image, Quality, Region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHIPPED = Path(__file__).parent / "encoder"
HINT = "train one: siamkit train DATA -m signatures -o RUN"
# % of genuine signatures that are the same by default, by the number of references; printed by
# tools/strokes_calibration.py. At most 3 % of the skilled forgeries are.
ACCEPTED = {1: 86, 2: 91, 3: 93, 5: 95, 8: 96}


class Signatures:
    """Handwritten signatures, as pictures. A crop is black ink on white, and nothing else."""

    name = "signatures"
    nouns = ("writer", "writers")
    kind = "image"
    purpose = "Check whether a signature is genuine."
    detector: str | None = "signatures"
    backbone = "efficientnet-lite0"
    calibration = Path(__file__).with_name("calibration.json")  # against skilled forgeries
    rerankers: Mapping[str, str] = {"strokes": "a network that sees both signatures at once"}
    default_reranker = None  # of dedupe: the cosine, which is faster
    verifier = "strokes"
    fusion = "mean"  # with 5 references: EER of skilled forgeries 5.2 %; with the nearest, 6.4 %

    def load(self, source: Source) -> Image:
        """Decode a picture file, or its content. Raises UnreadableSample."""
        return load_image(source)

    def crop(self, medium: Image, region: Region) -> Image:
        """Cut the region's ink, black on white. Raises NothingFound if there is none."""
        from siamkit_signatures.cut import cut

        return Image(cut(medium.pixels, region))

    def array(self, medium: Image) -> NDArray[np.uint8]:
        """Return (HEIGHT / 2, WIDTH / 2, 4) uint8, ink 255 on 0: see siamkit_signatures.canvas.

        Raises NothingFound if there is no ink.
        """
        from siamkit_signatures.canvas import fit, fold
        from siamkit_signatures.ink import extract_ink

        return fold(fit(extract_ink(medium.pixels)))

    def picture(self, array: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return (HEIGHT, WIDTH, 3) uint8: an array's ink, black on white."""
        import numpy as np

        from siamkit_signatures.canvas import unfold

        return np.repeat(255 - unfold(array)[:, :, None], 3, axis=2)

    def augment(
        self, array: NDArray[np.uint8], own: np.random.Generator, shared: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Return a variant of an array: by `own` of the same hand, by `shared` of another hand."""
        from siamkit_signatures.augment import augment
        from siamkit_signatures.canvas import fold, unfold

        return fold(augment(unfold(array), own, shared))

    def mix(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8], at: float
    ) -> NDArray[np.uint8]:
        """Join the left part of one array and the right part of another, cut at a share."""
        from siamkit_signatures.augment import mix
        from siamkit_signatures.canvas import fold, unfold

        return fold(mix(unfold(left), unfold(right), at))

    def views(self, arrays: Any) -> Sequence[Any]:
        """Return tensors of folded canvases: upright, mirrored, upside down, and turned by 180°."""
        mirrored = arrays.flip(2)[..., [1, 0, 3, 2]]
        return [arrays, mirrored, *(a.flip(1)[..., [2, 3, 0, 1]] for a in (arrays, mirrored))]

    def preprocessing(self) -> Mapping[str, Any]:
        """Return every constant that changes an array, for the encoder's card: JSON values.

        Those of `lines`, `ruling` and `seals` are left out: they bring a ruled or stamped sheet
        nearer to the clean one, and change no other.
        """
        from siamkit_signatures import canvas, cut, ink, rules

        ruling = [*ink.RULES, *rules.RUN, rules.RUNS, rules.STEEPEST, rules.WAVER]
        return {
            "size": [canvas.HEIGHT, canvas.WIDTH],
            "margin": canvas.MARGIN,
            "fold": canvas.FOLD,
            "scaling": "to fit, aspect kept, centred; area averages, bilinear if enlarged",
            "cut": [cut.AROUND, cut.WITHIN],
            "longest": ink.MAX_SIDE,
            "paper": [ink.COARSE, ink.PAPER, ink.DARKEST],
            "threshold": ["Otsu", ink.LEAST_CONTRAST, ink.NOISE],
            "specks": [ink.SPECK, ink.SPECK_SHARE, ink.LESS, ink.FAR, ink.LEAST_SIDE],
            "rules": [*ruling, rules.FILLED, rules.THICKEST],
        }

    def advise(self, references: int) -> str:
        """Tell how far more references help: with so many there is a score, but no answer."""
        shares = {count: share for count, share in ACCEPTED.items() if count > references}
        if not shares:
            return (
                f"inconclusive: more than {max(ACCEPTED)} references hardly help; let people look"
            )
        least = max(count for count in ACCEPTED if count <= max(references, 1))
        counts = ", ".join(f"{share} % with {count}" for count, share in shares.items())
        return (
            "inconclusive: add references (`siamkit enrol`, then `verify --as`): of genuine"
            f" signatures {ACCEPTED[least]} % are accepted with {least}, {counts}"
        )

    def assess(self, medium: Image, region: Region) -> Quality:
        """Measure a signature's size, and how much ink it has."""
        from siamkit_signatures.quality import assess

        return assess(medium.pixels, region)

    def encoder(self, folder: Path | None = None) -> OnnxEncoder[Image]:
        """Open an encoder folder; None: the one in this package. Raises MissingWeights."""
        if folder is None and not SHIPPED.is_dir():
            raise MissingWeights("signatures have no encoder of their own", hint=HINT)
        encoder = OnnxEncoder(folder or SHIPPED, self.array)
        require_preprocessing(encoder.card, folder or SHIPPED, self.preprocessing(), hint=HINT)
        return encoder

    def reranker(self, name: str, encoder: Any) -> Reranker[Image]:
        """Open `strokes`. Raises BadInput for another name, Uncalibrated for another encoder."""
        if name not in self.rerankers:
            raise BadInput(f"no reranker {name!r} of signatures; there is `strokes`")
        from siamkit_signatures.strokes import open_strokes

        return open_strokes(self.array, encoder.fingerprint)

    def examples(self) -> Sequence[tuple[str, Source]]:
        """Return two drawn signatures each of two hands: see siamkit_signatures.examples."""
        from siamkit_signatures.examples import examples

        return examples()
