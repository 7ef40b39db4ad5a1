"""Forms with files: multipart/form-data, read as it arrives and held in memory."""

from __future__ import annotations

from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from siamkit.serve.failures import RequestError
from siamkit.serve.fields import Upload, name_file

MAX_TEXTS = 10_000  # fields of a form beside its files
MAX_HEADER_BYTES = 8 << 10  # of one part


class Form:
    """The parts of a form, by name.

    Starlette's own parser takes what is not UTF-8 for Latin-1, and a form without an end for a
    whole one.
    """

    def __init__(self, content_type: str, *, max_files: int) -> None:
        """Begin a form. Raises RequestError if its content type names no boundary."""
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if not boundary:
            raise _malformed("the content type names no boundary")
        self._values: dict[str, list[Any]] = {}
        self._files_left, self._texts_left = max_files, MAX_TEXTS
        self._max_files = max_files
        self._is_complete = False
        self._begin_part()
        try:
            self._parser = MultipartParser(boundary, callbacks=self._callbacks())
        except FormParserError:
            raise _malformed("the boundary is too long") from None

    def _callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._add_header_name,
            "on_header_value": self._add_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_content,
            "on_part_data": self._add_content,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def add(self, chunk: bytes) -> None:
        """Read on. Raises RequestError for what is not a form."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _malformed(str(error)) from None

    def finish(self) -> dict[str, list[Any]]:
        """Return texts and files by name. Raises RequestError if the form has no end."""
        if not self._is_complete:
            raise _malformed("it has no end")
        return self._values

    def _begin_part(self) -> None:
        self._headers: dict[str, bytes] = {}
        self._header_name, self._header_value = b"", b""
        self._content = bytearray()

    def _add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]
        if len(self._header_value) > MAX_HEADER_BYTES:
            raise _malformed("the header of a part is too long")

    def _end_header(self) -> None:
        self._headers[self._header_name.decode("latin-1").lower()] = self._header_value
        self._header_name, self._header_value = b"", b""

    def _begin_content(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        if b"name" not in options:
            raise _malformed("a part has no name")
        self._name = _decode(options[b"name"], "the name of a part")
        file_name = options.get(b"filename")
        self._file_name = None if file_name is None else _decode(file_name, "the name of a file")
        if self._file_name is None:
            self._texts_left -= 1
        else:
            self._files_left -= 1
        if self._files_left < 0:
            message = f"more than {self._max_files} files, the limit of this server"
            raise RequestError(413, "too_large", message, hint="send fewer files at a time")
        if self._texts_left < 0:
            raise RequestError(413, "too_large", f"more than {MAX_TEXTS:,} fields")

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        self._content += data[start:end]

    def _end_part(self) -> None:
        value: Any
        if self._file_name is None:
            value = _decode(bytes(self._content), f"the field {self._name!r}")
        else:
            value = Upload(bytes(self._content), name_file(self._file_name) or self._name)
        self._values.setdefault(self._name, []).append(value)
        self._content = bytearray()

    def _end(self) -> None:
        self._is_complete = True


def _decode(raw: bytes, what: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise _malformed(f"{what} is not UTF-8") from None


def _malformed(reason: str) -> RequestError:
    return RequestError(400, "malformed_body", f"the body is not a form: {reason}")
