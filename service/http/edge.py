"""The one middleware of every service: ids, security headers and request metrics.

A plain ASGI callable around the whole application, so that answers which never reach a route
(404, 405) have them too, and so that a request pays for one closure and nothing else.
"""

import time
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from service import correlation
from service.http.problems import INTERNAL_ERROR, PROBLEM_MEDIA_TYPE, ProblemError
from service.logging import get_logger
from service.metric_names import HTTP_REQUEST_SECONDS
from service.metrics import Metrics

logger = get_logger(__name__)

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"geolocation=(), microphone=(), camera=()"),
)
_STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Edge:
    """Wraps an application. Sets the context variables of `service.correlation` per request."""

    def __init__(self, application: ASGIApp, metrics: Metrics) -> None:
        self._application = application
        self._histogram = metrics.histogram(HTTP_REQUEST_SECONDS)
        self._children: dict[tuple[str, str, int], Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._application(scope, receive, send)
            return
        started = time.perf_counter()
        offered_correlation = offered_trace = None
        for name, value in scope["headers"]:
            if name == b"x-correlation-id":
                offered_correlation = value.decode("latin-1")
            elif name == b"traceparent":
                offered_trace = value.decode("latin-1")
        correlation_id = correlation.accepted_correlation_id(offered_correlation)
        traceparent = correlation.continued_traceparent(offered_trace)
        correlation.correlation_id.set(correlation_id)
        correlation.traceparent.set(traceparent)
        added = [
            *SECURITY_HEADERS,
            (b"x-correlation-id", correlation_id.encode()),
            (b"traceparent", traceparent.encode()),
        ]
        if scope["scheme"] == "https":
            added.append(_STRICT_TRANSPORT)
        status = 0

        async def send_framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        # The path is kept: routing replaces the scope's.
        path = scope["path"]
        try:
            await self._application(scope, receive, send_framed)
        except Exception as error:
            logger.error("request failed outside its route", path=path, exc_info=error)
            if status:
                raise
            await _answer_internal_error(send_framed, path)
        finally:
            self._observe(scope, status, time.perf_counter() - started)

    def _observe(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"]  # type: ignore[typeddict-item]  # only HTTP scopes get here
        if method not in _KNOWN_METHODS:
            method = "OTHER"
        route = scope.get("path_template") or "unmatched"
        key = (str(method), str(route), status)
        child = self._children.get(key)
        if child is None:
            child = self._histogram.labels(key[0], key[1], str(status))
            self._children[key] = child
        child.observe(seconds)


async def _answer_internal_error(send: Send, path: str) -> None:
    body = ProblemError(INTERNAL_ERROR).body(path)
    headers = [
        (b"content-type", PROBLEM_MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
