"""Rules of encoders: media in, unit vectors out, each independent of the others."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from siamkit.embed.pipeline import NORM_TOLERANCE
from siamkit.host import contract
from siamkit.testing.equality import same_value
from siamkit.testing.outcome import Failure, NotRun, needs_failed
from siamkit.testing.run import needs
from siamkit.testing.subjects import ENOUGH, EncoderSubject
from siamkit.types import Threshold

LARGE = 35  # media of a batch; encoders that cut a batch up do so at powers of two
SAME = 1e-3  # length of the difference of two vectors that count as equal: float32, any batch


def check_dim_is_a_size(subject: EncoderSubject) -> None:
    """`dim` is a positive int."""
    dim = subject.encoder.dim
    if type(dim) is not int or dim < 1:
        raise Failure("dim, an int above 0", repr(dim), "set `dim` to the length of a vector")


def check_fingerprint_is_text(subject: EncoderSubject) -> None:
    """`fingerprint` is a text, not empty, on one line."""
    fingerprint = subject.encoder.fingerprint
    is_text = isinstance(fingerprint, str) and fingerprint.strip() != ""
    if not is_text or len(fingerprint.splitlines()) != 1:
        raise Failure(
            "a fingerprint like 'faces/1:9f3c2a7d51e0'",
            repr(fingerprint),
            "use siamkit.sdk.model_folder.fingerprint(name, graph, preprocessing)",
        )


def check_fingerprint_is_stable(subject: EncoderSubject) -> None:
    """The same weights give the same fingerprint, however often they are opened."""
    first, second = subject.encoder.fingerprint, subject.reopened().fingerprint
    if first != second:
        raise Failure(
            "one fingerprint",
            f"it changed between two loads: {first}, {second}",
            "hash weights and constants only; no time, path or random number",
        )


def check_threshold_is_a_cosine(subject: EncoderSubject) -> None:
    """`threshold` is None, or a Threshold whose value is a cosine."""
    threshold = subject.encoder.threshold
    if threshold is None:
        return
    if not isinstance(threshold, Threshold) or not -1 <= threshold.value <= 1:
        raise Failure(
            "None or siamkit.types.Threshold with a value in [-1, 1]",
            repr(threshold),
            "threshold = None until one has been measured",
        )


def check_encoder_options_fit(subject: EncoderSubject) -> None:
    """Optional attributes of an encoder, `batch` and `mated`, have their types and ranges."""
    if fault := contract.option_fault(subject.encoder, contract.ENCODER_OPTIONAL):
        raise Failure(
            "optional attributes as the protocol has them", f"it {fault}", "set it, or leave it out"
        )


def check_embed_shape_and_dtype(subject: EncoderSubject) -> None:
    """embed gives (n, dim) float32, C-contiguous."""
    shape = (len(subject.labels), subject.encoder.dim)
    rows = subject.encoder.embed(subject.crops())
    if type(rows) is not np.ndarray:  # a masked array, say, adds up in another way
        raise Failure(f"a float32 array {shape}", type(rows).__name__, "return a numpy array")
    if rows.dtype != np.float32 or rows.shape != shape or not rows.flags.c_contiguous:
        raise Failure(
            f"float32 {shape}, contiguous",
            f"{rows.dtype} {rows.shape}, contiguous={rows.flags.c_contiguous}",
            "return np.ascontiguousarray(rows, dtype=np.float32), one row of `dim` per medium",
        )


def check_embed_of_nothing(subject: EncoderSubject) -> None:
    """embed([]) gives (0, dim) float32."""
    embedded = subject.embedded()
    shape = (0, *embedded.shape[1:])
    fix = "begin with np.empty((len(batch), self.dim), np.float32)"
    try:
        rows = subject.encoder.embed([])
    except Exception as error:
        raise Failure("an array without rows", f"{type(error).__name__}: {error}", fix) from error
    if getattr(rows, "shape", None) != shape or rows.dtype != embedded.dtype:
        raise Failure(f"{embedded.dtype} {shape}", f"{rows!r:.60}", fix)


def check_embed_is_finite(subject: EncoderSubject) -> None:
    """No vector has NaN or Inf."""
    rows = subject.embedded()
    if count := int((~np.isfinite(rows)).any(axis=-1).sum()):
        raise Failure(
            "finite numbers",
            f"{count} of {len(rows)} vectors with NaN or Inf",
            "look for a division by zero, such as the norm of a row of zeros",
        )


def check_embed_is_unit(subject: EncoderSubject) -> None:
    """Every vector has norm 1."""
    norms = np.linalg.norm(subject.embedded().astype(np.float64), axis=-1)
    norms = norms[np.isfinite(norms)]
    if len(norms) and np.abs(norms - 1).max() > NORM_TOLERANCE:
        raise Failure(
            "rows of norm 1",
            f"norms {norms.min():.4f} to {norms.max():.4f}",
            "divide: rows / np.linalg.norm(rows, axis=1, keepdims=True)",
        )


def check_embed_is_repeatable(subject: EncoderSubject) -> None:
    """The same batch gives the same vectors."""
    distance = _largest_distance(subject.embedded(), subject.embedded())
    if distance > SAME:
        raise Failure(
            "the same vectors for the same batch",
            f"a vector moved by {distance:.3f}",
            "switch dropout and augmentation off; seed what is random",
        )


def check_embed_is_batch_independent(subject: EncoderSubject) -> None:
    """A medium's vector does not depend on its neighbours in the batch."""
    needs(subject, check_embed_is_repeatable)
    alone = np.concatenate([np.array(subject.encoder.embed([crop])) for crop in subject.crops()])
    rng = np.random.default_rng(0)
    for size in (2, 3, len(alone), LARGE):
        numbers = rng.permutation(np.resize(np.arange(len(alone)), size))
        batch = [subject.crop(number) for number in numbers]
        distance = _largest_distance(np.array(subject.encoder.embed(batch)), alone[numbers])
        if distance > SAME:
            raise Failure(
                "the same vector alone and in a batch",
                f"a sample's vector moves by {distance:.3f} in a batch of {size}",
                "use no statistics of the batch (model.eval()), mask the padding, keep the order",
            )


def check_embed_leaves_its_input_alone(subject: EncoderSubject) -> None:
    """embed changes neither the media nor the list that holds them."""
    subject.embedded()
    crops, before = subject.crops(), subject.crops()
    subject.encoder.embed(crops)
    if not same_value(crops, before):
        raise Failure("an unchanged input", "embed changed it", "work on a copy: array.copy()")


def check_embed_returns_a_new_array(subject: EncoderSubject) -> None:
    """Vectors stay as they are when embed is called again."""
    subject.embedded()
    first = subject.encoder.embed(subject.crops())
    copy_of_first = np.array(first)
    subject.encoder.embed(subject.crops()[::-1])
    if not np.array_equal(copy_of_first, first, equal_nan=True):
        raise Failure(
            "vectors that last",
            "the next call of embed overwrote them",
            "return a new array from every call, not a buffer of the encoder's",
        )


def check_mated_beat_non_mated(subject: EncoderSubject) -> None:
    """Two samples of one identity are, on average, more alike than samples of two identities."""
    rows, labels = subject.vectors, subject.labels
    counts = Counter(labels)
    if len(counts) < ENOUGH or max(counts.values()) < ENOUGH:
        raise NotRun("give two samples each of two identities")
    mated: list[float] = []
    non_mated: list[float] = []
    for left, right in combinations(range(len(rows)), 2):
        scores = mated if labels[left] == labels[right] else non_mated
        scores.append(float(rows[left] @ rows[right]))
    if np.mean(mated) <= np.mean(non_mated) + 1e-6:
        raise Failure(
            "mated scores above non-mated ones",
            f"mean mated score {np.mean(mated):.3f}, mean non-mated score {np.mean(non_mated):.3f}",
            "let the vector depend on what tells identities apart; look at the examples' labels",
        )


def _largest_distance(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    """The largest distance between two rows; rows with NaN or Inf are left out."""
    if left.shape != right.shape:
        raise needs_failed("embed_shape_and_dtype")
    with np.errstate(invalid="ignore"):
        distances = np.linalg.norm(left - right, axis=-1)
    return float(distances[np.isfinite(distances)].max(initial=0.0))


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
    check_embed_returns_a_new_array,
    check_mated_beat_non_mated,
)
