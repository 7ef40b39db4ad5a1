"""The default index: FAISS, exact while that is fast, inverted lists above, memory-mapped.

Relations: `structure` chooses and builds what FAISS holds, `snapshot` keeps it on disk, `index`
joins a snapshot with the changes since.
"""

from __future__ import annotations

from siamkit_faiss.backend import Faiss

__all__ = ["Faiss"]
