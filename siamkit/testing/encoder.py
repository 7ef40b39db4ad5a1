"""Rules of encoders: media in, unit vectors out, each by itself."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

import numpy as np

from siamkit.embed.pipeline import NORM_TOLERANCE
from siamkit.host import contract
from siamkit.testing.alike import alike
from siamkit.testing.outcome import Failure, NotRun, lacking
from siamkit.testing.run import needs
from siamkit.testing.subjects import ENOUGH, EncoderSubject
from siamkit.types import Threshold

LARGE = 35  # media of a batch; encoders that cut a batch up do so at powers of two
SAME = 1e-3  # length of the difference of two vectors that count as equal: float32, any batch


def check_dim_is_a_size(seen: EncoderSubject) -> None:
    """`dim` is a positive int."""
    dim = seen.encoder.dim
    if type(dim) is not int or dim < 1:
        raise Failure("dim, an int above 0", repr(dim), "set `dim` to the length of a vector")


def check_fingerprint_is_text(seen: EncoderSubject) -> None:
    """`fingerprint` is a text, not empty, on one line."""
    found = seen.encoder.fingerprint
    if not isinstance(found, str) or not found.strip() or len(found.splitlines()) != 1:
        raise Failure(
            "a fingerprint like 'faces/1:9f3c2a7d51e0'", repr(found),
            "use siamkit.sdk.model_folder.fingerprint(name, graph, preprocessing)",
        )  # fmt: skip


def check_fingerprint_is_stable(seen: EncoderSubject) -> None:
    """The same weights give the same fingerprint, however often they are opened."""
    first, second = seen.encoder.fingerprint, seen.reopened().fingerprint
    if first != second:
        raise Failure(
            "one fingerprint", f"it changed between two loads: {first}, {second}",
            "hash weights and constants only; no time, path or random number",
        )  # fmt: skip


def check_threshold_is_a_cosine(seen: EncoderSubject) -> None:
    """`threshold` is None, or a Threshold whose value is a cosine."""
    limit = seen.encoder.threshold
    good = limit is None or (isinstance(limit, Threshold) and -1 <= limit.value <= 1)
    if not good:
        raise Failure(
            "None or siamkit.types.Threshold with a value in [-1, 1]", repr(limit),
            "threshold = None until one was measured",
        )  # fmt: skip


def check_encoder_options_fit(seen: EncoderSubject) -> None:
    """What an encoder may have beside, `batch` and `mated`, is what it should be."""
    if fault := contract.option_fault(seen.encoder, contract.ENCODER_OPTIONAL):
        raise Failure("options as they should be", f"it {fault}", "set it, or leave it out")


def check_embed_shape_and_dtype(seen: EncoderSubject) -> None:
    """embed gives (n, dim) float32, C-contiguous."""
    wanted = (len(seen.labels), seen.encoder.dim)
    rows = seen.encoder.embed(seen.crops())
    if type(rows) is not np.ndarray:  # a masked array, say, is one that does other sums
        raise Failure(f"a float32 array {wanted}", type(rows).__name__, "return a numpy array")
    if rows.dtype != np.float32 or rows.shape != wanted or not rows.flags.c_contiguous:
        raise Failure(
            f"float32 {wanted}, contiguous",
            f"{rows.dtype} {rows.shape}, contiguous={rows.flags.c_contiguous}",
            "return np.ascontiguousarray(rows, dtype=np.float32), one row of `dim` a medium",
        )


def check_embed_of_nothing(seen: EncoderSubject) -> None:
    """embed([]) gives (0, dim) float32."""
    some = seen.embedded()
    fix = "begin with np.empty((len(batch), self.dim), np.float32)"
    try:
        rows = seen.encoder.embed([])
    except Exception as error:
        raise Failure("an array without rows", f"{type(error).__name__}: {error}", fix) from error
    if getattr(rows, "shape", None) != (0, *some.shape[1:]) or rows.dtype != some.dtype:
        raise Failure(f"{some.dtype} {(0, *some.shape[1:])}", f"{rows!r:.60}", fix)


def check_embed_is_finite(seen: EncoderSubject) -> None:
    """No vector has NaN or Inf."""
    rows = seen.embedded()
    if bad := int((~np.isfinite(rows)).any(axis=-1).sum()):
        raise Failure(
            "finite numbers", f"{bad} of {len(rows)} vectors with NaN or Inf",
            "look for a division by zero, such as the norm of a row of zeros",
        )  # fmt: skip


def check_embed_is_unit(seen: EncoderSubject) -> None:
    """Every vector has norm 1."""
    norms = np.linalg.norm(seen.embedded().astype(np.float64), axis=-1)
    norms = norms[np.isfinite(norms)]
    if len(norms) and np.abs(norms - 1).max() > NORM_TOLERANCE:
        raise Failure(
            "rows of norm 1", f"norms {norms.min():.4f} to {norms.max():.4f}",
            "divide: rows / np.linalg.norm(rows, axis=1, keepdims=True)",
        )  # fmt: skip


def check_embed_is_repeatable(seen: EncoderSubject) -> None:
    """The same batch gives the same vectors."""
    if (moved := _moved(seen.embedded(), seen.embedded())) > SAME:
        raise Failure(
            "the same vectors for the same batch", f"a vector moved by {moved:.3f}",
            "switch dropout and augmentation off; seed what is random",
        )  # fmt: skip


def check_embed_is_batch_independent(seen: EncoderSubject) -> None:
    """A medium's vector does not depend on its neighbours in the batch."""
    needs(seen, check_embed_is_repeatable)
    alone = np.concatenate([np.array(seen.encoder.embed([crop])) for crop in seen.crops()])
    rng = np.random.default_rng(0)
    for size in (2, 3, len(alone), LARGE):
        picked = rng.permutation(np.resize(np.arange(len(alone)), size))
        together = np.array(seen.encoder.embed([seen.crop(number) for number in picked]))
        if (moved := _moved(together, alone[picked])) > SAME:
            raise Failure(
                "the same vector alone and in a batch",
                f"a sample's vector moves by {moved:.3f} with its neighbours in a batch of {size}",
                "use no statistics of the batch (model.eval()), mask the padding, keep the order",
            )


def check_embed_leaves_its_input_alone(seen: EncoderSubject) -> None:
    """embed changes neither the media nor the list that holds them."""
    seen.embedded()
    crops, before = seen.crops(), seen.crops()
    seen.encoder.embed(crops)
    if not alike(crops, before):
        raise Failure("an unchanged input", "embed changed it", "work on a copy: array.copy()")


def check_embed_gives_its_own_array(seen: EncoderSubject) -> None:
    """Vectors stay as they are when embed is called again."""
    seen.embedded()
    first = seen.encoder.embed(seen.crops())
    kept = np.array(first)
    seen.encoder.embed(seen.crops()[::-1])
    if not np.array_equal(kept, first, equal_nan=True):
        raise Failure(
            "vectors that last", "the next call to embed overwrote them",
            "return a new array from every call, not a buffer of the encoder's",
        )  # fmt: skip


def check_same_beats_different(seen: EncoderSubject) -> None:
    """Samples of one identity are nearer to each other, on average, than those of two."""
    rows = seen.vectors
    mated: list[float] = []
    others: list[float] = []
    by_label = defaultdict(list)
    for label in seen.labels:
        by_label[label].append(label)
    if len(by_label) < ENOUGH or max(map(len, by_label.values())) < ENOUGH:
        raise NotRun("give two samples each of two identities")
    for left, right in combinations(range(len(rows)), 2):
        same = seen.labels[left] == seen.labels[right]
        (mated if same else others).append(float(rows[left] @ rows[right]))
    if np.mean(mated) <= np.mean(others) + 1e-6:
        raise Failure(
            "mated scores above non-mated ones",
            f"mean mated score {np.mean(mated):.3f} is not above mean non-mated score"
            f" {np.mean(others):.3f}",
            "let the vector depend on what tells identities apart; look at the examples' labels",
        )


def _moved(
    left: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    right: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> float:
    """The longest difference of two rows; of those without numbers, nothing is known."""
    if left.shape != right.shape:
        raise lacking("embed_shape_and_dtype")
    with np.errstate(invalid="ignore"):
        apart = np.linalg.norm(left - right, axis=-1)
    return float(apart[np.isfinite(apart)].max(initial=0.0))


CHECKS = (
    check_dim_is_a_size,
    check_fingerprint_is_text,
    check_fingerprint_is_stable,
    check_threshold_is_a_cosine,
    check_encoder_options_fit,
    check_embed_shape_and_dtype,
    check_embed_of_nothing,
    check_embed_is_finite,
    check_embed_is_unit,
    check_embed_is_repeatable,
    check_embed_is_batch_independent,
    check_embed_leaves_its_input_alone,
    check_embed_gives_its_own_array,
    check_same_beats_different,
)
