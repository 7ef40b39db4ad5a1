"""A graph beside its card: what encoder folders and detector folders share.

A fingerprint is a hash over the graph and every constant that changes what is computed. It is
checked whenever a folder is opened, so that nothing of a damaged graph is ever used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput, MissingWeights
from siamkit.io import foreign

MAX_GRAPH_BYTES = (1 << 31) - 1  # protobuf's limit


def fingerprint(owner: str, graph: bytes, constants: Mapping[str, Any]) -> str:
    """Return 'OWNER:' and 12 hex digits: SHA-256 of the graph and the sorted constants.

    constants: JSON values, in any order.
    """
    return _fingerprint(owner, hashlib.sha256(graph), constants)


def write(graph_path: Path, graph: bytes, card_path: Path, card: Mapping[str, Any]) -> None:
    """Write a graph and its card. The card comes last: it never describes an absent graph."""
    graph_path.write_bytes(graph)
    write_card(card_path, card)


def write_card(path: Path, card: Mapping[str, Any]) -> None:
    """Write a card alone."""
    path.write_text(json.dumps(card, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_checked(
    path: Path, owner: str, constants: Mapping[str, Any], *, stated: str, kind: str
) -> bytes:
    """Read a graph if its fingerprint is the stated one.

    kind: of the folder, for messages: "encoder". Raises MissingWeights if the graph is absent,
    damaged, or exchanged.
    """
    damaged = MissingWeights(
        f"{kind} folder {path.parent} is damaged: its files do not match its fingerprint",
        hint="delete the folder and build or copy it again",
    )
    try:
        with foreign.open_file(path) as (file, size):
            if size > MAX_GRAPH_BYTES:
                raise damaged
            digest = hashlib.file_digest(file, "sha256")  # before a false graph fills the memory
            if _fingerprint(owner, digest, constants) != stated:
                raise damaged
            file.seek(0)
            graph = file.read(size)
    except BadInput as error:
        raise MissingWeights(f"{kind} folder {path.parent} has no {path.name}: {error}") from error
    if fingerprint(owner, graph, constants) != stated:
        raise damaged
    return graph


def _fingerprint(owner: str, digest: Any, constants: Mapping[str, Any]) -> str:
    digest.update(json.dumps(constants, sort_keys=True, separators=(",", ":")).encode())
    return f"{owner}:{digest.hexdigest()[:12]}"
