"""An index in PostgreSQL, on its extension pgvector: a cache of the store that lives on a server.

`server` connects, `records` says what stands there of each key, `tables` holds the rows, `changes`
what was not saved yet; `index` joins them, `spool` fills a large table, `building` makes its graph,
`removal` deletes, `backend` is the entry point.
"""

from __future__ import annotations

from siamkit_pgvector.backend import PgVector

__all__ = ["PgVector"]
