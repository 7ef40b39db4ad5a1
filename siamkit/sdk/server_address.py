"""Addresses of the servers that index backends save to, which may carry a password.

An address is read from the environment or from a file of the store that its owner alone can read,
and shown without its password.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from siamkit.errors import BadInput, IndexUnavailable
from siamkit.io.atomic import replacing
from siamkit.io.sources import to_text

log = logging.getLogger("siamkit")
MOST_CHARACTERS = 4096  # of an address: connection strings are far shorter
HIDDEN = "***"
# The name ends at the first colon, the password at the last @: one may be in it, unescaped.
_URL_PASSWORD = re.compile(r"(?P<start>\w+://[^:/?#@]*):.*@", re.DOTALL)
_FIELD = re.compile(  # of a connection string, or of a URL's query: password=…, 'in quotes' or not
    r"(?P<start>\b(?:ssl)?(?:password|passwd|pwd|token)\s*=\s*)(?:'(?:[^'\\]|\\.)*'?|[^\s&']+)",
    re.IGNORECASE | re.DOTALL,
)


def variable_of(name: str) -> str:
    """Return the environment variable that holds the address of a backend's server."""
    return f"SIAMKIT_{name.upper()}"


def address_file(name: str, root: Path) -> Path:
    """Return the file that holds the address. root: the folder of the store's indexes."""
    return root.parent / f"{name}.address"


def read_address(name: str, root: Path) -> str:
    """Read the address of a backend's server: from the environment, else from the store's file.

    name: the backend's, "pgvector". Raises IndexUnavailable if there is none.
    """
    if address := os.environ.get(variable_of(name), "").strip():
        return address
    path = address_file(name, root)
    try:
        with path.open(encoding="utf-8") as file:
            address = file.read(MOST_CHARACTERS).strip()
    except FileNotFoundError:
        address = ""
    except (OSError, UnicodeDecodeError) as error:
        raise IndexUnavailable(f"{to_text(path)} cannot be read: {error}") from error
    if not address:
        raise IndexUnavailable(
            f"the address of the {name} server is not known",
            hint=f"set {variable_of(name)}, or give `--index-address ADDRESS` once, to"
            " `siamkit galleries create` or `siamkit index rebuild GALLERY`",
        )
    return address


@contextmanager
def writing_address(name: str, root: Path, address: str) -> Iterator[None]:
    """Write the address of a backend's server to the store; take it back if the block raises.

    Raises BadInput if it cannot be an address, or the environment has another one.
    """
    address = address.strip()
    if not address or len(address) >= MOST_CHARACTERS or "\n" in address:
        raise BadInput("the address of an index's server is one line, and not empty")
    if os.environ.get(variable_of(name), "").strip() not in ("", address):
        hint = f"unset {variable_of(name)}, or leave the option out"
        raise BadInput(f"{variable_of(name)} is set, and has another address", hint=hint)
    path = address_file(name, root)
    before = path.read_bytes() if path.exists() else None
    if before not in (None, address.encode()):
        old = hide_password(before.decode("utf-8", "replace"))
        log.warning(f"what galleries have saved at {old} stays there; delete it by hand")
    _write(path, address.encode())
    try:
        yield
    except BaseException:
        if before is None:
            path.unlink(missing_ok=True)
        else:
            _write(path, before)
        raise


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def hide_password(address: str) -> str:
    """Return an address as it may be shown: passwords and tokens are replaced by ***.

    Examples:
        >>> hide_password("postgresql://anna:secret@db.example.org/faces")
        'postgresql://anna:***@db.example.org/faces'
    """
    shown = _URL_PASSWORD.sub(rf"\g<start>:{HIDDEN}@", address)
    return _FIELD.sub(rf"\g<start>{HIDDEN}", shown)
