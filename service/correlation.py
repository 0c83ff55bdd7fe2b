"""Which request or command the running code works for, carried by context variables.

The HTTP frame and the pipelines set these; every log line and every Kafka header written in the
same context takes them from here.
"""

import random
import re
from contextvars import ContextVar
from uuid import UUID

correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)
traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
command_id: ContextVar[str | None] = ContextVar("command_id", default=None)

MAX_CORRELATION_ID_CHARACTERS = 128

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16

# Ids, not secrets: the operating system's generator would cost each request three system calls.
_random_bits = random.Random().getrandbits  # noqa: S311 - see above


def accepted_correlation_id(offered: str | None) -> str:
    """The offered id if it is usable, else a new UUID.

    Not usable: blank, longer than 128 characters or with characters a log line cannot carry.
    """
    if offered:
        offered = offered.strip()
        if (
            offered
            and len(offered) <= MAX_CORRELATION_ID_CHARACTERS
            and offered.isascii()
            and offered.isprintable()
        ):
            return offered
    return str(UUID(int=_random_bits(128), version=4))


def continued_traceparent(offered: str | None) -> str:
    """A W3C traceparent with a span id of our own, in the offered trace if that one is valid."""
    match = _TRACEPARENT.fullmatch(offered) if offered else None
    if match is None or match[1] == _NO_TRACE or match[2] == _NO_SPAN:
        return f"00-{_random_bits(128):032x}-{_random_bits(64):016x}-01"
    return f"00-{match[1]}-{_random_bits(64):016x}-{match[3]}"
