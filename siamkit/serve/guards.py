"""Middleware before the routes, from the outside in: see each module for its reason."""

from __future__ import annotations

from starlette.middleware import Middleware

from siamkit.serve.audit_log import Audited, AuditLog
from siamkit.serve.limits import BodyLimits, RateLimit
from siamkit.serve.metrics import Measured, Metrics
from siamkit.serve.refusals import RequestIds
from siamkit.serve.security import SameSite, SecureHeaders
from siamkit.serve.settings import Settings
from siamkit.serve.tokens import TokenFile, Tokens

# What a probe asks, and what the page needs before somebody has typed a token.
OPEN_PATHS = ("/healthz", "/readyz", "/login", "/static/")


def guards(settings: Settings, metrics: Metrics, tokens: TokenFile | None) -> list[Middleware]:
    """Return the middleware of a server, the outermost first."""
    outer = [
        Middleware(RequestIds),
        Middleware(Measured, metrics=metrics),
        Middleware(SecureHeaders),
        Middleware(SameSite, names=settings.allowed_hosts),
    ]
    if tokens:
        outer.append(Middleware(Tokens, tokens=tokens, open_paths=OPEN_PATHS))
    if settings.per_minute:
        outer.append(Middleware(RateLimit, per_minute=settings.per_minute))
    return [
        *outer,
        Middleware(Audited, log=AuditLog(settings.private / "audit.jsonl")),
        Middleware(BodyLimits, most=settings.max_body_bytes),
    ]
