"""The truth: one SQLite file. Galleries, identities, samples, templates, and the change log."""

from siamkit.store.database import Store
from siamkit.store.galleries import Gallery

__all__ = ["Gallery", "Store"]
