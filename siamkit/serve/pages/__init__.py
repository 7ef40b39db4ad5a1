"""The page of `siamkit serve`: rendered on the server, usable without scripts where sensible."""

from siamkit.serve.pages.frame import show_missing
from siamkit.serve.pages.routes import page_routes

__all__ = ["page_routes", "show_missing"]
