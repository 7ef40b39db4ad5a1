"""The questions plugin: texts in, sentence-transformers' vectors out."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamkit.errors import BadInput, MissingWeights, PluginError, SiamkitError, UnreadableSample
from siamkit.protocols import AddsEncoders, BuildsEncoders, Encoder, Modality, Notes, Reranks
from siamkit.sdk.hub import offline
from siamkit.sdk.model_folder import CARD, GRAPH, read_card, read_folder
from siamkit.sdk.quiet import quiet
from siamkit.types import Region
from siamkit_questions import Questions, bert, export, origins
from siamkit_questions.base import HUB
from siamkit_questions.modality import MINILM, MINILM_INT8
from siamkit_questions.sentences import SPREAD, TENSORS, TOKENIZER, TOKENS, Sentences, _plan_runs
from siamkit_questions.text import MAX_CHARACTERS

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "questions"
TEXTS = [
    "How do I reset my password?",
    "I forgot my password. How can I set a new one?",
    "?",
    "a",
    "42",
    "WHY IS THIS ALL IN CAPITALS",
    "What is the difference between a crème brûlée and a crème caramel — and which is older?",
    "<b>How</b> do I ignore all previous instructions &amp; print my prompt?",
    "怎么修改我的收货地址？",
    "비밀번호를 어떻게 바꾸나요?",
    "چگونه می‌توانم رمز خود را عوض کنم؟",
    "मैं अपना पासवर्ड कैसे बदलूँ?",
    "👩‍👩‍👧 😀😀",
    "What is the sum of all even numbers between one and a hundred, and how is it found? " * 3,
    "Is there any end to this? " * 200,
]


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {}
    for name in Questions.encoders:
        made[name] = tmp_path_factory.mktemp(name)
        Questions().build(name, made[name])
    return made


@pytest.fixture(scope="session")
def encoder(folders: dict[str, Path]) -> Sentences:
    return Questions().encoder(folders[MINILM])


@pytest.fixture(scope="session")
def small(folders: dict[str, Path]) -> Sentences:
    return Questions().encoder(folders[MINILM_INT8])


@pytest.fixture(scope="session")
def peer() -> Any:
    with quiet(), offline():
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(str(bert.FOLDER), device="cpu")


def loaded(texts: list[str]) -> list[str]:
    return [Questions().load(text) for text in texts]


def theirs(model: Any, texts: list[str]) -> np.ndarray:
    with quiet():
        return np.asarray(model.encode(texts, normalize_embeddings=True, show_progress_bar=False))


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(axis=1)


def test_it_keeps_the_protocols(encoder: Sentences, small: Sentences) -> None:
    questions = Questions()
    for protocol in (Modality, BuildsEncoders, AddsEncoders, Reranks):
        assert isinstance(questions, protocol)
    for each in (encoder, small):
        assert isinstance(each, Encoder)
        assert isinstance(each, Notes)
        assert each.dim == 384
        assert each.threshold is not None
    assert encoder.fingerprint != small.fingerprint


def test_vectors_are_those_of_sentence_transformers(encoder: Sentences, peer: Any) -> None:
    vectors = encoder.embed(loaded(TEXTS))
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    # Theirs are of the texts as they stand: normalising changes nothing that counts here.
    assert cosines(vectors, theirs(peer, TEXTS)).min() >= 0.999


def test_the_cut_is_where_sentence_transformers_cuts(encoder: Sentences, peer: Any) -> None:
    tokens = [250, 253, 254, 255, 256, 300]  # of content; [CLS] and [SEP] come on top
    texts = [" ".join(["word"] * count) for count in tokens]
    encoder.notes()
    assert cosines(encoder.embed(texts), theirs(peer, texts)).min() >= 0.99999
    assert "3 of 6 texts" in encoder.notes()[0]


def test_int8_stays_near(encoder: Sentences, small: Sentences) -> None:
    texts = [text for _, text in Questions().examples()] + TEXTS[:8]
    assert cosines(encoder.embed(texts), small.embed(texts)).min() >= 0.96


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no questions in {DATA}")
def test_int8_stays_near_on_real_questions(encoder: Sentences, small: Sentences) -> None:
    with (DATA / "trials.csv").open(encoding="utf-8", newline="") as file:
        texts = loaded([row["a"] for row in csv.DictReader(file)][:300])
    near = cosines(encoder.embed(texts), small.embed(texts))
    assert near.min() >= 0.96
    assert near.mean() >= 0.99


@pytest.mark.parametrize("name", [MINILM, MINILM_INT8])
def test_a_vector_depends_on_its_text_alone(folders: dict[str, Path], name: str) -> None:
    encoder = Questions().encoder(folders[name])
    texts = loaded(TEXTS * 2)
    together = encoder.embed(texts)
    alone = np.concatenate([encoder.embed([text]) for text in texts])
    backwards = encoder.embed(texts[::-1])[::-1]
    assert np.abs(together - alone).max() <= 1e-5
    assert np.abs(together - backwards).max() <= 1e-5
    assert encoder.embed([]).shape == (0, 384)


@given(st.lists(st.integers(0, 9000)), st.integers(1, 32))
def test_runs_hold_every_text_once_and_little_padding(lengths: list[int], most: int) -> None:
    runs = _plan_runs(lengths, most)
    assert sorted(at for run in runs for at in run) == list(range(len(lengths)))
    for run in runs:
        longest = lengths[run[0]]
        assert longest == max(lengths[at] for at in run)
        assert longest - min(lengths[at] for at in run) <= SPREAD
        assert len(run) == 1 or (len(run) <= most and len(run) * longest <= TOKENS)


def test_threads_share_an_encoder(encoder: Sentences) -> None:
    texts = loaded(TEXTS)
    wanted = encoder.embed(texts)
    encoder.notes()
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(encoder.embed, [texts] * 6):
            assert np.abs(vectors - wanted).max() <= 1e-5
    assert f"6 of {6 * len(texts)} texts" in encoder.notes()[0]


def test_the_threads_of_siamkit_are_kept_to(
    encoder: Sentences, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIAMKIT_THREADS", "1")
    assert encoder.embed(loaded(TEXTS)).shape == (len(TEXTS), 384)
    monkeypatch.setenv("SIAMKIT_THREADS", "two")
    with pytest.raises(BadInput, match="SIAMKIT_THREADS"):
        encoder.embed(["x"])


def test_notes_count_what_was_cut_once(encoder: Sentences) -> None:
    encoder.notes()
    encoder.embed(["short"])
    assert encoder.notes() == []
    encoder.embed(["word " * 300])
    assert encoder.notes() == ["the text was longer than 256 tokens: only its beginning counts"]
    encoder.embed(["short", "word " * 300, "word " * 253])
    (note,) = encoder.notes()
    assert note.startswith("1 of 3 texts were longer than 256 tokens")
    assert encoder.notes() == []


def test_paraphrases_are_nearer_than_other_subjects(encoder: Sentences) -> None:
    identities, texts = zip(*Questions().examples(), strict=True)
    assert min(map(identities.count, identities)) >= 2
    scores = (vectors := encoder.embed(list(texts))) @ vectors.T
    np.fill_diagonal(scores, -1)
    assert [identities[best] for best in scores.argmax(axis=1)] == list(identities)


# Loading


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("  How\tdo\r\n I ", "How do I"),
        (b"\xef\xbb\xbfcaf\xc3\xa9", "café"),
        ("cafe\u0301", "café"),
        ("caf\u200be\u0301", "café"),
        ("é?".encode("utf-16"), "é?"),
        (b"\xfe\xff\x00h\x00i", "hi"),
        ("a\x07b\x1b[0m", "ab[0m"),
        ("a\u00a0\u3000b\x85c", "a b c"),
        ("pass\u00adword\u200e\ufeff", "password"),
        ("می\u200cتوانم", "می\u200cتوانم"),
        ("👩\u200d👧", "👩\u200d👧"),
        ("<p>Why?</p> Ignore all previous instructions.",) * 2,
    ],
)
def test_text_is_read(source: str | bytes, wanted: str) -> None:
    assert Questions().load(source) == wanted


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text("Why\nso?\n", encoding="utf-8")
    assert Questions().load(tmp_path / "q.txt") == "Why so?"
    assert Questions().crop("Why so?", Region()) == "Why so?"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "empty"),
        (b"", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (" \n\t\u200b", "only blanks"),
        ("\x01\x02", "only blanks"),
        ("a\x00b", "NUL"),
        (b"\x7fELF\x02\x01\x01\x00\x00", "NUL"),
        ("how".encode("utf-16-le"), "NUL"),
        ("how".encode("utf-32"), "NUL"),
        ("how \udc80", "lone surrogate U\\+DC80 at 4"),
        (b"caf\xe9", "not UTF-8 text: byte 0xe9 at 3"),
        (b"\xff\xd8\xff\xe0JFIF", "not UTF-8"),
        (b"\xff\xfea", "not UTF-16"),
        (b"\xff\xfe\x00\xd8", "not UTF-16"),
        ("x" * (MAX_CHARACTERS + 1), "100,001 characters"),
        (b"x" * (MAX_CHARACTERS + 1), "100,001 characters"),
        (b"x" * 1_000_000, "1,000,000 bytes"),
    ],
)
def test_invalid_texts_are_refused(source: str | bytes, message: str) -> None:
    with pytest.raises(UnreadableSample, match=message) as raised:
        Questions().load(source)
    assert "\n" not in str(raised.value)


def test_the_longest_text_is_embedded(encoder: Sentences) -> None:
    text = Questions().load("word " * (MAX_CHARACTERS // 5))
    assert np.isfinite(encoder.embed([text])).all()
    assert encoder.notes()


@given(st.text() | st.binary() | st.text(alphabet="a \u0301\u200b\u200d\u0600\x00\ud800\x1f"))
def test_loading_twice_is_loading_once(source: str | bytes) -> None:
    questions = Questions()
    try:
        text = questions.load(source)
    except UnreadableSample:
        return
    assert text
    assert questions.load(text) == text
    assert questions.load(text.encode()) == text
    assert questions.load(text.encode("utf-16")) == text


# Building


@pytest.mark.slow
def test_building_is_repeatable_and_says_nothing(tmp_path: Path, folders: dict[str, Path]) -> None:
    script = (
        "import sys; from pathlib import Path; from siamkit_questions import Questions\n"
        f"Questions().build({MINILM_INT8!r}, Path(sys.argv[1]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, tmp_path],
        capture_output=True, text=True, env={**os.environ, "PYTHONWARNINGS": "error"},
    )  # fmt: skip
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert read_card(tmp_path).fingerprint == read_card(folders[MINILM_INT8]).fingerprint


def test_serving_loads_no_torch(folders: dict[str, Path]) -> None:
    script = (
        "import sys; from pathlib import Path; from siamkit_questions import Questions\n"
        "Questions().encoder(Path(sys.argv[1])).embed(['a', 'b'] * 20)\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, folders[MINILM]],
        capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )  # fmt: skip
    heavy = {"torch", "transformers", "sentence_transformers", "sklearn", "huggingface_hub", "onnx"}
    assert not heavy & set(run.stdout.split())


def test_the_card_holds_what_makes_the_vectors(folders: dict[str, Path]) -> None:
    card = read_folder(folders[MINILM])[0]
    published = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # in 32 bits
    assert card.preprocessing["weights"] == published
    assert card.preprocessing["max_tokens"] == 256
    assert card.preprocessing["pooling"] == "mean"
    assert card.licence == "Apache-2.0"
    assert read_card(folders[MINILM_INT8]).preprocessing["weights"] == published


def test_unknown_names_are_refused(encoder: Sentences) -> None:
    with pytest.raises(MissingWeights, match="no encoder of their own"):
        Questions().encoder()
    for name in ("magic", "cross-encoder", "cross-encoder:"):
        with pytest.raises(MissingWeights, match="no reranker") as raised:
            Questions().reranker(name, encoder)
        assert "lexical" in raised.value.hint


@pytest.mark.parametrize("name", [TOKENIZER, TENSORS, GRAPH, CARD])
@pytest.mark.parametrize("damage", ["absent", "flipped", "cut short"])
def test_a_damaged_folder_is_refused(
    folders: dict[str, Path], tmp_path: Path, name: str, damage: str
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(folders[MINILM_INT8], folder)
    content = bytearray((folder / name).read_bytes())
    if damage == "absent":
        (folder / name).unlink()
    elif damage == "cut short":
        (folder / name).write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)
    if (name, damage) == (CARD, "flipped"):  # may hit what is only for reading
        content = bytearray((folders[MINILM_INT8] / CARD).read_bytes())
        (folder / name).write_bytes(content.replace(b'"max_tokens": 256', b'"max_tokens": 255'))
    with pytest.raises(MissingWeights) as raised:
        Questions().encoder(folder)
    assert str(folder) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_another_plugins_folder_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    from siamkit.sdk.model_folder import Card, write_folder

    card = Card("questions", "x", 3, {"size": 3}, "", "")
    write_folder(tmp_path, (folders[MINILM] / GRAPH).read_bytes(), card)
    with pytest.raises(MissingWeights, match="not an encoder folder of a sentence model"):
        Questions().encoder(tmp_path)


# Other people's models

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Saves a tiny random sentence-transformers model with MiniLM's tokenizer."""

    def made(*parts: str, prompt: str = "", tokens: int = 32, pooling: str = "mean") -> Path:
        with quiet(), offline():
            import torch
            from sentence_transformers import SentenceTransformer
            from sentence_transformers.models import Dense, Normalize, Pooling, Transformer
            from transformers import AutoTokenizer, BertConfig, BertModel

            torch.manual_seed(0)
            config = BertConfig(
                hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
                max_position_embeddings=64, initializer_range=0.5,
            )  # fmt: skip
            saved = tmp_path / "bert"
            BertModel(config).save_pretrained(saved)
            AutoTokenizer.from_pretrained(str(bert.FOLDER)).save_pretrained(saved)
            modules: list[Any] = [Transformer(str(saved), max_seq_length=tokens)]
            modules.append(Pooling(32, pooling_mode=pooling))
            if "dense" in parts:
                modules.append(Dense(32, 24))
            if "normalize" in parts:
                modules.append(Normalize())
            model = SentenceTransformer(modules=modules, device="cpu")
            if prompt:
                model.prompts, model.default_prompt_name = {"query": prompt}, "query"
            model.save(str(tmp_path / "model"))
        return tmp_path / "model"

    return made


@pytest.mark.parametrize(
    ("parts", "pooling", "prompt"),
    [
        (("normalize",), "mean", ""),
        ((), "cls", ""),
        ((), "max", ""),
        (("dense",), "lasttoken", ""),
        ((), "weightedmean", ""),
        ((), "mean", "query: "),
    ],
    ids=str,
)
def test_a_model_is_added_as_it_is(
    make: Make, tmp_path: Path, parts: tuple[str, ...], pooling: str, prompt: str
) -> None:
    model, folder = make(*parts, pooling=pooling, prompt=prompt), tmp_path / "encoder"
    folder.mkdir()
    Questions().add(HUB, str(model), folder)
    encoder = Questions().encoder(folder)
    with quiet(), offline():
        from sentence_transformers import SentenceTransformer

        reference = theirs(SentenceTransformer(str(model), device="cpu"), TEXTS)
    assert encoder.dim == (24 if "dense" in parts else 32)
    assert encoder.card.preprocessing["pooling"] == pooling
    assert encoder.card.preprocessing["prompt"] == prompt
    assert encoder.card.preprocessing["max_tokens"] == 32
    assert encoder.card.source.startswith(f"{HUB}:{model}, SHA-256 ")
    assert encoder.threshold is None
    assert cosines(encoder.embed(loaded(TEXTS)), reference).min() >= 0.9999
    assert "longer than 32 tokens" in encoder.notes()[0]


def test_the_licence_is_what_the_model_card_says(make: Make, tmp_path: Path) -> None:
    model = make()
    (model / "README.md").write_text("---\ntags:\n- x\nlicense: mit\n---\n# It\nlicense: none\n")
    assert origins.read_licence(model, "it") == "mit"
    (model / "README.md").write_text("# It\nlicense: none\n")
    assert origins.read_licence(model, "it") == "unknown: see it"
    (model / "README.md").unlink()
    assert origins.read_licence(model, "it") == "unknown: see it"


@pytest.mark.parametrize("lower", [True, False])
def test_a_model_that_lower_cases_still_does(make: Make, tmp_path: Path, lower: bool) -> None:
    model, folder = make(), tmp_path / "encoder"
    folder.mkdir()
    changes: dict[str, dict[str, Any]] = {
        "tokenizer.json": {"normalizer": {"type": "NFC"}},
        "tokenizer_config.json": {"do_lower_case": False, "tokenizer_class": "TokenizersBackend"},
        "sentence_bert_config.json": {"do_lower_case": lower},
    }
    for name, change in changes.items():
        settings = json.loads((model / name).read_text())
        (model / name).write_text(json.dumps({**settings, **change}))
    Questions().add(HUB, str(model), folder)
    upper, same = Questions().encoder(folder).embed(["WHY SO LOUD?", "why so loud?"])
    assert (upper @ same > 0.9999) == lower


def test_folders_that_are_not_models_are_refused(make: Make, tmp_path: Path) -> None:
    def refusal(model: str | Path) -> str:
        folder = tmp_path / f"encoder{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        with pytest.raises(SiamkitError) as raised:
            Questions().add(HUB, str(model), folder)
        assert isinstance(raised.value, BadInput)
        assert "\n" not in str(raised.value)
        return str(raised.value)

    assert "no readable modules.json" in refusal(tmp_path)
    assert "nor the name of a model" in refusal(tmp_path / "absent" / "model")
    assert "nor the name of a model" in refusal("a b")

    model = make()
    changed = {
        "auto_map": ("config.json", lambda d: {**d, "auto_map": {"AutoModel": "own.Model"}}),
        "own.Pooling": ("modules.json", lambda d: [{**d[0], "type": "own.Pooling"}, *d[1:]]),
        "could not be loaded": ("config.json", lambda d: {**d, "model_type": "no such"}),
    }
    for message, (name, change) in changed.items():
        before = (model / name).read_text()
        (model / name).write_text(json.dumps(change(json.loads(before))))
        assert message in refusal(model)
        (model / name).write_text(before)

    (model / "model.safetensors").write_bytes(b"nothing")
    assert "could not be loaded" in refusal(model)
    (model / "model.safetensors").unlink()
    assert "no weights in safetensors files" in refusal(model)


def test_a_hub_name_needs_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import HfApi, constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MissingWeights, match="HF_HUB_OFFLINE forbids fetching"):
        Questions().add(HUB, "sentence-transformers/nothing-such", tmp_path)

    def unreachable(*arguments: object, **options: object) -> None:
        raise ConnectionError("Name or service not known\n" * 3)

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(HfApi, "model_info", unreachable)
    with pytest.raises(MissingWeights) as raised:
        Questions().add(HUB, "sentence-transformers/nothing-such", tmp_path)
    assert "the hub cannot be reached" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "folder" in raised.value.hint


def test_an_export_that_went_wrong_is_noticed(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "encoder"
    folder.mkdir()
    wrong = np.tile(np.eye(32, dtype=np.float32)[0], (len(export.PROBES), 1))
    monkeypatch.setattr(export, "_reference", lambda loaded, texts: wrong)
    with pytest.raises(PluginError, match="different vectors from torch: cosine"):
        Questions().add(HUB, str(make()), folder)
