"""Dead letters, version 1: a record, or one member of it, that was not decided, and why."""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints

from schemas.base import EpochMs, Message
from schemas.commands import Sha256

KEPT_BYTES = 64 * 1024
"""How much of a key or value is kept; digest and size are of the whole."""

KEPT_HEADER_BYTES = 16 * 1024
"""How much is kept of all headers together: whole headers, from the first on."""

MAX_DETAIL_CHARACTERS = 1000

_MAX_BASE64 = 4 * ((KEPT_BYTES + 2) // 3)
Base64 = Annotated[
    str,
    StringConstraints(
        pattern=r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
        max_length=_MAX_BASE64,
    ),
]


class DeadLetterReason(StrEnum):
    """Why a record was not decided; stable codes."""

    NOT_UTF8 = "not-utf8"
    """The bytes are not UTF-8."""
    OVERSIZED = "oversized"
    """The record is larger than a commands record may be, or a policy than a state value."""
    MALFORMED = "malformed"
    """Not JSON, or not a command as its type is declared."""
    UNKNOWN_TYPE = "unknown-type"
    """A `type` that is no command's."""
    UNKNOWN_VERSION = "unknown-version"
    """A `version` that this release does not know."""
    MISROUTED = "misrouted"
    """The record is not in the partition of the account that its body names."""
    MISPLACED_COMMAND = "misplaced-command"
    """A partition command (policy, tick) inside an array."""
    UNAUTHORISED_COMMAND = "unauthorised-command"
    """A privileged command that no issuer of the policy has signed."""
    DECISION_FAILED = "decision-failed"
    """Deciding raised: a bug of ours, and worth an alert."""


class KeptBytes(Message):
    """A key's or value's first `KEPT_BYTES` bytes, and what identifies the whole."""

    base64: Base64
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Sha256

    @classmethod
    def of(cls, whole: bytes) -> Self:
        """What is kept of `whole`."""
        return cls(
            base64=b64encode(whole[:KEPT_BYTES]).decode(),
            size_bytes=len(whole),
            sha256=sha256(whole).hexdigest(),
        )

    def kept(self) -> bytes:
        """The bytes that were kept: all of them if they are `size_bytes` many."""
        return b64decode(self.base64)


class DeadLetterHeader(Message):
    """A record header; its value need not be text."""

    name: str
    value_base64: str | None = None


class DeadLetterOrigin(Message):
    """Where the record stands; `index` says which command of it, None when it has no parts."""

    topic: str
    partition: Annotated[int, Field(ge=0)]
    offset: Annotated[int, Field(ge=0)]
    index: Annotated[int, Field(ge=0)] | None = None


class DeadLetter(Message):
    """What was not decided: a record, or the command at `origin.index` of it alone."""

    type: Literal["dead-letter"] = "dead-letter"
    version: Literal[1] = 1
    reason: DeadLetterReason
    detail: Annotated[str, StringConstraints(min_length=1, max_length=MAX_DETAIL_CHARACTERS)]
    """A sentence: what was expected and what came."""
    origin: DeadLetterOrigin
    at_ms: EpochMs
    key: KeptBytes | None = None
    value: KeptBytes | None = None
    headers: tuple[DeadLetterHeader, ...] = ()
    headers_left_out: Annotated[int, Field(ge=0)] = 0


def dead_letter(
    reason: DeadLetterReason,
    detail: str,
    origin: DeadLetterOrigin,
    at_ms: int,
    *,
    key: bytes | None,
    value: bytes | None,
    headers: Iterable[tuple[str, bytes | None]] = (),
) -> DeadLetter:
    """The dead letter of a record as it was consumed, within a size that its topic takes."""
    all_headers = list(headers)
    kept_headers = _within_budget(all_headers)
    return DeadLetter(
        reason=reason,
        detail=detail[:MAX_DETAIL_CHARACTERS] or reason.value,
        origin=origin,
        at_ms=at_ms,
        key=None if key is None else KeptBytes.of(key),
        value=None if value is None else KeptBytes.of(value),
        headers=kept_headers,
        headers_left_out=len(all_headers) - len(kept_headers),
    )


def _within_budget(headers: list[tuple[str, bytes | None]]) -> tuple[DeadLetterHeader, ...]:
    kept: list[DeadLetterHeader] = []
    left_bytes = KEPT_HEADER_BYTES
    for name, value in headers:
        left_bytes -= len(name.encode()) + len(value or b"")
        if left_bytes < 0:
            break
        encoded = None if value is None else b64encode(value).decode()
        kept.append(DeadLetterHeader(name=name, value_base64=encoded))
    return tuple(kept)
