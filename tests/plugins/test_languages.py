"""Texts in languages that the questions' encoder was not made for: it says so, and what helps."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import siamkit as sk
from siamkit_questions import Questions, languages, origins
from siamkit_questions.sentences import Sentences

OTHER = {
    "de": "Wie kann ich mein Passwort zurücksetzen?",
    "fr": "Puis-je annuler ma commande ?",
    "es": "¿Cómo puedo restablecer mi contraseña?",
    "it": "Dove trovo la fattura?",
    "nl": "Hoe lang duurt de verzending?",
    "pl": "Gdzie jest moje zamówienie?",
    "sv": "Hur återställer jag mitt lösenord?",
    "tr": "Şifremi nasıl sıfırlarım?",
    "ko": "비밀번호를 어떻게 재설정하나요?",
    "ja": "パスワードをリセットするには",
    "ru": "Как сбросить пароль от почты?",
    "el": "Πού είναι η παραγγελία μου;",
}
PLAIN = [
    "How do I reset my password?",
    "reset password",
    "laptop battery replacement cost",
    "What does Schadenfreude mean?",
    "Who was Zoë Müller?",
    "order",
    "SKU-1234/5",
    "?",
]
UNCLEAR = [
    "waterproof jacket size chart",
    "Zoë Müller",
    "café menu",
    "Rechnung",
    "Kubernetes ingress nginx",
]


@pytest.fixture(scope="module")
def encoder() -> Sentences:
    return Questions().encoder(sk.Workspace.encoder_path("questions", None))


def language(encoder: Sentences, text: str, own: tuple[str, ...] = ("en",)) -> str:
    return languages.other_language(text, own, encoder._tokenizer)


@pytest.mark.parametrize(("code", "text"), OTHER.items())
def test_another_language_is_recognised(encoder: Sentences, code: str, text: str) -> None:
    assert language(encoder, text) == code
    assert language(encoder, text, ("en", code)) == ""


@pytest.mark.parametrize("text", [*PLAIN, *UNCLEAR])
def test_english_and_names_are_not_another_language(encoder: Sentences, text: str) -> None:
    assert language(encoder, text) == ""


def test_plain_english_is_recognised_without_loading_a_model(
    encoder: Sentences, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)  # importing it fails
    languages._load_identifier.cache_clear()
    for text in [*PLAIN, "How do I cancel? " * 200, "비밀번호"]:
        encoder.blind_to(text)
    with pytest.raises(ImportError):
        encoder.blind_to(OTHER["it"])


def test_each_text_is_counted_once(encoder: Sentences) -> None:
    encoder.notes()
    for text in [OTHER["it"], PLAIN[0], OTHER["de"], OTHER["it"]]:
        encoder.blind_to(text)
    (note,) = encoder.notes()
    assert note.startswith("2 texts seem to be in German, Italian, but minilm-l6 was made for Eng")
    assert encoder.notes() == []
    encoder.blind_to("Perché " * 100)
    (note,) = encoder.notes()
    assert note.startswith("'Perché Perché")
    assert len(note) < 500


@pytest.mark.parametrize(
    ("head", "codes"),
    [
        ("language: en\n", ["en"]),
        ("tags:\n- x\nlanguage:\n- multilingual\n- ko\n- 'no'\n- pt-br\nlicense: mit\n",
         ["ko", "no", "pt"]),
        ("language: [de, en]\n", ["de", "en"]),
        ("language: multilingual\nlicense: mit\n", []),
        ("license: mit\n", []),
    ],
)  # fmt: skip
def test_the_languages_are_those_of_the_model_card(
    tmp_path: Path, head: str, codes: list[str]
) -> None:
    (tmp_path / "README.md").write_text(f"---\n{head}---\n# It\nlanguage: fr\n")
    assert origins.read_languages(tmp_path) == codes


@pytest.mark.usefixtures("encoder")
def test_every_command_says_so(shell) -> None:
    table = ["number,question", "1,How do I reset it?", *(f"{c},{t}" for c, t in OTHER.items())]
    (shell.folder / "faq.csv").write_text("\n".join(table), encoding="utf-8")
    columns = "faq.csv", "--column", "question", "--id", "number"
    done = shell("enrol", "faq", "-m", "questions", "--from", *columns, "--json")
    *lines, last = map(json.loads, done.out.splitlines())
    assert {line["status"] for line in lines} == {"enrolled", "failed"}
    assert last["notes"][0].startswith(
        "12 texts seem to be in German, Greek, Spanish, French, Italian, …, but"
    )
    cure = "`siamkit encoders add questions sentence-transformers:MODEL --name NAME`"
    text = "--text", OTHER["it"]
    for command in (
        ["query", "faq", *text],
        ["classify", "faq", *text],
        ["verify", "-m", "questions", *text, "--text", "Where is my invoice?"],
        ["dedupe", *columns, "-m", "questions"],
        ["dedupe", *columns, "-m", "questions"],  # whose vectors are in the cache
        ["dedupe", *columns, "--against", "faq"],
    ):
        done = shell(*command, "--json")
        assert done.out, (command, done.err)
        (note,) = json.loads(done.out)["notes"]
        assert ("12 texts seem" if "dedupe" in command else "seems to be in Italian") in note
        assert cure in note
        assert f"siamkit: {note}" in done.err
    done = shell("query", "faq", "--text", "Where is my invoice?", "--json")
    assert "notes" not in json.loads(done.out)
    assert "seem" not in done.err
