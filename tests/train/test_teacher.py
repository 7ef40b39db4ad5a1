"""Learn from the vectors that another encoder has of the samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toydata import losses, resumes_exactly, train, write_texts  # noqa: F401

from siamkit.errors import BadInput
from siamkit.train.config import TrainConfig
from siamkit.train.distillation import distillation

HEAD = {"backbone": "encoder", "steps": 3, "evaluate_every": 3, "warmup": 0}


def unit(*shape):
    rows = np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)
    return torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def test_vectors_of_one_size_are_compared_directly():
    ours, theirs = unit(6, 4), unit(7, 4)[:6]
    assert float(distillation(ours, ours)) == pytest.approx(0, abs=1e-6)
    expected = 1 - torch.nn.functional.cosine_similarity(ours, theirs).mean()
    assert float(distillation(ours, theirs)) == pytest.approx(float(expected))


def test_of_vectors_of_two_sizes_the_cosines_are_compared():
    ours, theirs = unit(6, 4), unit(6, 9)
    wider = torch.cat([ours, torch.zeros(6, 5)], dim=1)  # the same cosines
    assert float(distillation(ours, wider)) == pytest.approx(0, abs=1e-6)
    pairs = [(i, j) for i in range(6) for j in range(6) if i != j]
    squares = [float(ours[i] @ ours[j] - theirs[i] @ theirs[j]) ** 2 for i, j in pairs]
    assert float(distillation(ours, theirs)) == pytest.approx(np.mean(squares))


def test_a_head_follows_the_cosines_of_a_teacher_and_resumes_exactly(train):  # noqa: F811
    write_texts(train.folder)
    settings = {"teacher": "encoder", "distil": 9, "dim": 12, "average": 0.5, "margin": 0.0}
    settings |= {"learning_rate": 0.01, "warmup": 0, "backbone": "encoder", "pretrained": True}
    resumes_exactly(train.folder, "texts.jsonl", "bigrams", **settings)
    vectors = np.load(train.folder / "whole" / "teacher.npy")
    # The head is trained on the vectors of the same encoder.
    assert np.allclose(vectors, np.load(train.folder / "whole" / "arrays.npy"), atol=1e-6)
    assert losses(train.folder / "whole")[-1] < losses(train.folder / "whole")[0]


def test_a_teacher_of_another_size_is_noted(train):  # noqa: F811
    write_texts(train.folder)
    completed = train.texts("texts.jsonl", teacher="encoder", dim=12, **HEAD)
    assert completed.code == 0, completed.err
    assert "the teacher's vectors have 48 numbers and those to come 12" in completed.err
    (train.folder / "run" / "teacher.npy").write_bytes(b"")
    refused = train("train", "-o", "run", "--resume", "--set", "steps=6")
    assert refused.code == 2
    assert "teacher.npy does not hold the teacher's vectors" in refused.err


@pytest.mark.parametrize(
    ("settings", "code", "message"),
    [
        ({"teacher": "nobody"}, 1, "no encoder 'nobody' for bigrams"),
        ({"distil": 2}, 2, "distil = 2 has no effect without a teacher"),
        ({"teacher": "encoder", "distil": 0}, 2, "distil = 0: it must be above 0"),
    ],
)
def test_teachers_that_there_are_not(train, settings, code, message):  # noqa: F811
    write_texts(train.folder)
    refused = train.texts("texts.jsonl", **HEAD, **settings)
    assert refused.code == code
    assert message in refused.err
    assert not (train.folder / "run").exists()


def test_mixtures_have_no_teacher():
    with pytest.raises(BadInput, match="mix = true does not go with a teacher"):
        TrainConfig(mix=True, teacher="encoder")
