"""Rules of encoders: media in, unit vectors out, each independent of the others."""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray

from siamkit.embed.pipeline import NORM_TOLERANCE
from siamkit.host import contract
from siamkit.testing.media import same_value
from siamkit.testing.rule import NotRun, require, rule
from siamkit.testing.subjects import EncoderSubject

LARGE = 35  # media of a batch; encoders that cut a batch up do so at powers of two
SAME = 1e-3  # length of the difference of two vectors that count as equal: float32, any batch


@rule("set the attribute, or leave out an optional one; see siamkit.protocols.Encoder")
def encoder_members_fit(subject: EncoderSubject) -> None:
    """`dim`, `fingerprint`, `threshold` and embed, and `batch` and `mated` if any, are valid."""
    fault = contract.encoder_fault(subject.encoder)
    require(not fault, f"it {fault}")


@rule("hash weights and constants only; no time, path or random number")
def fingerprint_is_stable(subject: EncoderSubject) -> None:
    """The same weights give the same fingerprint, however often they are opened."""
    first, second = subject.encoder.fingerprint, subject.reopened().fingerprint
    require(first == second, f"it changed between two loads: {first}, {second}")


@rule("return np.ascontiguousarray(rows, dtype=np.float32), one row of `dim` per medium")
def embed_shape_and_dtype(subject: EncoderSubject) -> None:
    """embed gives (n, dim) float32, C-contiguous."""
    shape = (len(subject.labels), subject.encoder.dim)
    rows = subject.encoder.embed(subject.crops())
    fits = rows.dtype == np.float32 and rows.shape == shape and rows.flags.c_contiguous
    contiguous = f"contiguous={rows.flags.c_contiguous}"
    require(fits, f"{rows.dtype} {rows.shape}, {contiguous}, where (n, dim) is {shape}")


@rule("begin with np.empty((len(batch), self.dim), np.float32)", embed_shape_and_dtype)
def embed_of_nothing(subject: EncoderSubject) -> None:
    """embed([]) gives (0, dim) float32."""
    embedded = subject.embedded()
    rows = subject.encoder.embed([])
    fits = rows.shape == (0, *embedded.shape[1:]) and rows.dtype == embedded.dtype
    require(fits, f"{rows!r:.60}")


@rule("look for a division by zero, such as the norm of a row of zeros", embed_shape_and_dtype)
def embed_is_finite(subject: EncoderSubject) -> None:
    """No vector has NaN or Inf."""
    rows = subject.embedded()
    count = int((~np.isfinite(rows)).any(axis=-1).sum())
    require(count == 0, f"{count} of {len(rows)} vectors with NaN or Inf")


@rule("divide: rows / np.linalg.norm(rows, axis=1, keepdims=True)", embed_is_finite)
def embed_is_unit(subject: EncoderSubject) -> None:
    """Every vector has norm 1."""
    norms = np.linalg.norm(subject.embedded().astype(np.float64), axis=-1)
    got = f"norms {norms.min():.4f} to {norms.max():.4f}"
    require(np.abs(norms - 1).max() <= NORM_TOLERANCE, got)


@rule("switch dropout and augmentation off; seed what is random", embed_is_finite)
def embed_is_repeatable(subject: EncoderSubject) -> None:
    """The same batch gives the same vectors."""
    distance = _largest_distance(subject.embedded(), subject.embedded())
    require(distance <= SAME, f"a vector moved by {distance:.3f}")


@rule(
    "use no statistics of the batch (model.eval()), mask the padding, keep the order",
    embed_is_repeatable,
)
def embed_is_batch_independent(subject: EncoderSubject) -> None:
    """A medium's vector does not depend on its neighbours in the batch."""
    crops = subject.crops()
    alone = np.concatenate([np.array(subject.encoder.embed([crop])) for crop in subject.crops()])
    rng = np.random.default_rng(0)
    for size in (2, 3, len(alone), LARGE):
        numbers = rng.permutation(np.resize(np.arange(len(alone)), size))
        batch = [copy.deepcopy(crops[number]) for number in numbers]
        distance = _largest_distance(np.array(subject.encoder.embed(batch)), alone[numbers])
        require(distance <= SAME, f"a vector moves by {distance:.3f} in a batch of {size}")


@rule("work on a copy: array.copy()", embed_shape_and_dtype)
def embed_leaves_its_input_alone(subject: EncoderSubject) -> None:
    """embed changes neither the media nor the list that holds them."""
    crops, before = subject.crops(), subject.crops()
    subject.encoder.embed(crops)
    require(same_value(crops, before), "embed changed it")


@rule("return a new array from every call, not a buffer of the encoder's", embed_shape_and_dtype)
def embed_returns_a_new_array(subject: EncoderSubject) -> None:
    """Vectors stay as they are when embed is called again."""
    first = subject.encoder.embed(subject.crops())
    copy_of_first = np.array(first)
    subject.encoder.embed(subject.crops()[::-1])
    lasts = np.array_equal(copy_of_first, first, equal_nan=True)
    require(lasts, "the next call of embed overwrote them")


@rule("let vectors depend on what tells identities apart; look at the labels", embed_is_unit)
def mated_beat_non_mated(subject: EncoderSubject) -> None:
    """Two samples of one identity are, on average, more alike than samples of two identities."""
    labels, rows = np.array(subject.labels), subject.embedded()
    same, pairs = labels[:, None] == labels, np.tri(len(labels), k=-1, dtype=np.bool_)
    scores = rows @ rows.T
    mated, non_mated = scores[pairs & same], scores[pairs & ~same]
    if not len(mated) or not len(non_mated):
        raise NotRun("give two samples each of two identities")
    means = f"mean mated score {mated.mean():.3f}, mean non-mated score {non_mated.mean():.3f}"
    require(mated.mean() > non_mated.mean() + 1e-6, means)


def _largest_distance(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(left - right, axis=-1).max())
