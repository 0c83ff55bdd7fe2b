"""Record headers: what belongs to one request and not to the command or its answer."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

REQUEST_ID = "request-id"
"""Fresh for every request that is sent; what a reply is matched by."""
CORRELATION_ID = "correlation-id"
"""Chosen by the client, or for it; what log lines of one cause share."""
TRACEPARENT = "traceparent"
"""W3C trace context."""

MAX_HEADER_CHARACTERS = 200

_FIELDS = {REQUEST_ID: "request_id", CORRELATION_ID: "correlation_id", TRACEPARENT: "traceparent"}
_USABLE = re.compile(rb"[\x20-\x7e]{1,%d}" % MAX_HEADER_CHARACTERS)


@dataclass(frozen=True, slots=True)
class Envelope:
    """The headers of one record, as text; None where a record has none that is usable."""

    request_id: str | None = None
    correlation_id: str | None = None
    traceparent: str | None = None

    def to_headers(self) -> list[tuple[str, bytes]]:
        """The headers to produce a record with."""
        values = (self.request_id, self.correlation_id, self.traceparent)
        return [
            (name, value.encode())
            for name, value in zip(_FIELDS, values, strict=True)
            if value is not None
        ]


def parse_envelope(headers: Sequence[tuple[str, bytes | None]] | None) -> Envelope:
    """The envelope of a consumed record."""
    return Envelope(**{_FIELDS[name]: value.decode() for name, value in reply_headers(headers)})


def reply_headers(
    headers: Iterable[tuple[str, bytes | None]] | None,
) -> list[tuple[str, bytes]]:
    """The headers that a reply copies from its command.

    Headers of other names are left out, and so are values that are not printable ASCII of at most
    `MAX_HEADER_CHARACTERS`: they would travel into logs and answers. Of several headers of one
    name the last counts, as in Kafka's own clients.
    """
    usable = {
        name: value
        for name, value in headers or ()
        if name in _FIELDS and value is not None and _USABLE.fullmatch(value)
    }
    return list(usable.items())
