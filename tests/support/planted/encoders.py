"""Faults of encoders: attributes, and the rows of embed."""

from __future__ import annotations

import random

import numpy as np

from planted.good import DIM, Dots, DotsEncoder, plant
from siamkit.types import Threshold


def unit(rows):
    return np.ascontiguousarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def fails(encoder, rows, batch):
    return 1 / 0


def with_nan(encoder, rows, batch):
    return np.where(np.arange(len(rows))[:, None] == 0, np.float32(np.nan), rows)


def jittered(encoder, rows, batch):
    rows = rows + np.random.default_rng().normal(0, 0.05, rows.shape)
    return unit(rows).astype(np.float32)


def with_batch_mean(encoder, rows, batch):
    return unit(rows + rows.sum(axis=0))


def with_mean_of_large_batches(encoder, rows, batch):
    return unit(rows + rows.sum(axis=0)) if len(rows) > 32 else rows


def with_mean_of_two(encoder, rows, batch):
    return unit(rows + rows.sum(axis=0)) if len(rows) == 2 else rows


def zeroing_the_media(encoder, rows, batch):
    for medium in batch:
        medium.pixels[:] = 0
    return rows


def sorting_the_batch(encoder, rows, batch):
    batch.sort(key=lambda medium: medium.pixels.sum())
    return rows


def in_a_buffer(encoder, rows, batch):
    buffers = encoder.__dict__.setdefault("buffers", {})
    buffer = buffers.setdefault(rows.shape, np.empty_like(rows))
    buffer[:] = rows
    return buffer


def stacked(encoder, rows, batch):
    return np.stack(list(rows))  # which fails for none


def all_alike(encoder, rows, batch):
    return rows * 0 + np.float32(DIM**-0.5)


def constant(value):
    """An attribute that __init__ does not replace."""
    return property(lambda self: value, lambda self, new: None)


RANDOM_FINGERPRINT = property(lambda self: f"dots/1:{random.random()}", lambda self, new: None)
ATTRIBUTES = [
    ("encoder_members_fit", {"dim": constant(float(DIM))}),
    ("encoder_members_fit", {"fingerprint": constant("")}),
    ("fingerprint_is_stable", {"fingerprint": RANDOM_FINGERPRINT}),
    ("encoder_members_fit", {"threshold": 0.5}),
    ("encoder_members_fit", {"threshold": Threshold(5.0)}),
    ("encoder_members_fit", {"batch": "many"}),
]
ROWS = [  # functions of the encoder, good rows and the batch
    ("embed_shape_and_dtype", fails),
    ("embed_shape_and_dtype", lambda encoder, rows, batch: rows.astype(np.float64)),
    ("embed_shape_and_dtype", lambda encoder, rows, batch: unit(rows[:, :-1])),
    ("embed_shape_and_dtype", lambda encoder, rows, batch: np.asfortranarray(rows)),
    ("embed_of_nothing", stacked),
    ("embed_is_finite", with_nan),
    ("embed_is_unit", lambda encoder, rows, batch: rows * 2),
    ("embed_is_repeatable", jittered),
    ("embed_is_batch_independent", with_batch_mean),
    ("embed_is_batch_independent", with_mean_of_large_batches),
    ("embed_is_batch_independent", with_mean_of_two),
    ("embed_leaves_its_input_alone", zeroing_the_media),
    ("embed_leaves_its_input_alone", sorting_the_batch),
    ("embed_returns_a_new_array", in_a_buffer),
    ("mated_beat_non_mated", all_alike),
]


def embedding(change):
    """An embed whose rows are changed."""
    return {"embed": lambda self, batch: change(self, DotsEncoder.embed(self, batch), batch)}


MEMBERS = [*ATTRIBUTES, *((check, embedding(change)) for check, change in ROWS)]
FAULTS = [
    (check, {"encoder_class": type(f"Encoder_{check}", (DotsEncoder,), members)})
    for check, members in MEMBERS
]
PLANTED = plant(__name__, Dots, FAULTS)
