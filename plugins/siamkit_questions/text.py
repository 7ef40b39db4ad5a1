"""Decode texts, and normalise them to the form in which they are embedded and compared."""

from __future__ import annotations

import codecs
import unicodedata

from siamkit.errors import UnreadableSample

NORMALISATION = 1  # version of `normalise`, in every fingerprint: raise it with every change
MAX_CHARACTERS = 100_000  # about 200 times what an encoder reads of a text
MAX_BYTES = 4 * MAX_CHARACTERS + 4  # the most that UTF-8 or UTF-16 needs, with byte order mark

# Invisible characters are removed, so that texts that look equal become equal: controls other than
# whitespace, soft hyphens, zero-width spaces, marks that only set the writing direction, and byte
# order marks. U+200C and U+200D stay: they separate or join letters in Persian and in the scripts
# of India, where they change the word, and join emoji. Format characters that are drawn (U+0600)
# stay too.
_CONTROLS = {point for point in (*range(0x20), *range(0x7F, 0xA0)) if not chr(point).isspace()}
_SINGLE = {0xAD, 0x61C, 0x180E, 0x200B, 0x200E, 0x200F, 0xFEFF}
_RANGES = {*range(0x202A, 0x202F), *range(0x2060, 0x2070), *range(0xFFF9, 0xFFFC)}
_REMOVED = dict.fromkeys(_CONTROLS | _SINGLE | _RANGES)


def decode(content: bytes) -> str:
    """Decode UTF-8, with or without a byte order mark, or UTF-16 with one.

    No other encoding is guessed: nobody would notice a wrong guess. Raises UnreadableSample.
    """
    if len(content) > MAX_BYTES:
        raise _too_long(f"{len(content):,} bytes")
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        name = "UTF-16" if marked else "UTF-8"
        raise UnreadableSample(
            f"it is not {name} text: byte 0x{content[error.start]:02x} at {error.start}",
            hint="save it as UTF-8",
        ) from None


def normalise(text: str) -> str:
    """Convert to NFC, remove invisible characters, collapse whitespace, and strip. Idempotent.

    Upper case, accents and punctuation stay: folding them is up to each model's tokenizer.
    Raises UnreadableSample if the text is empty, binary, or longer than MAX_CHARACTERS.
    """
    if len(text) > MAX_CHARACTERS:
        raise _too_long(f"{len(text):,} characters")
    if "\0" in text:
        raise UnreadableSample(
            "it holds NUL characters: a binary file, or UTF-16 without a byte order mark",
            hint="save it as UTF-8",
        )
    _refuse_surrogates(text)
    # Remove first: an invisible character may stand between a letter and its accent.
    clean = " ".join(unicodedata.normalize("NFC", text.translate(_REMOVED)).split())
    if not clean:
        raise UnreadableSample(
            "the text is empty" if not text else "the text has only blanks or invisible characters"
        )
    return clean


def _refuse_surrogates(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UnreadableSample(
            f"it is not valid Unicode: a lone surrogate U+{ord(text[error.start]):04X}"
            f" at {error.start}",
            hint="save it as UTF-8",
        ) from None


def _too_long(size: str) -> UnreadableSample:
    return UnreadableSample(
        f"it has {size}; at most {MAX_CHARACTERS:,} characters are read",
        hint="split it into shorter texts",
    )
