"""The default index: FAISS, exact while that is fast, inverted lists above, memory-mapped.

`structure` chooses and builds the FAISS index, `snapshot` keeps it on disk, `index` joins a
snapshot with the changes since; `mining` and `other_groups` search a whole set at once.
"""

from __future__ import annotations

from siamkit_faiss.backend import Faiss

__all__ = ["Faiss"]
