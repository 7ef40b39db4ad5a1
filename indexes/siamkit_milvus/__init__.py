"""An index on a Milvus server: a cache of the store that many machines can search.

`server` connects, `collection` keeps one gallery's rows and the record of what they hold,
`changes` holds what was not saved yet, `index` joins the two, `backend` is the entry point.
"""

from __future__ import annotations

from siamkit_milvus.backend import Milvus

__all__ = ["Milvus"]
