"""An event as it stands on the topic: its bytes, and what its seal says of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import msgspec
from confluent_kafka import Message

_FAILED = b'"type":"decision-failed"'


class _Origin(msgspec.Struct):
    partition: int
    offset: int
    index: int


class _Seal(msgspec.Struct, rename="camel"):
    origin: _Origin
    previous_hash: str | None = None
    reply_digest: str | None = None


class _SealedEvent(msgspec.Struct):
    seal: _Seal
    account: str | None = None


class _FailedEvent(msgspec.Struct):
    place: int
    error: str


_decode = msgspec.json.Decoder(_SealedEvent).decode
_decode_failed = msgspec.json.Decoder(_FailedEvent).decode


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    """A record of `accounts.events`. `sealed` is None when its value is no sealed event."""

    event_offset: int
    key: bytes | None
    value: bytes
    sealed: _SealedEvent | None

    @classmethod
    def of(cls, message: Message) -> Self:
        """The event in a consumed record."""
        value = message.value() or b""
        try:
            sealed = _decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            sealed = None
        return cls(message.offset(), message.key(), value, sealed)

    @property
    def place(self) -> tuple[int, int] | None:
        """(offset, index) of the cause that its seal names; None without a readable seal."""
        if self.sealed is None:
            return None
        return self.sealed.seal.origin.offset, self.sealed.seal.origin.index

    def failure(self) -> tuple[int, str] | None:
        """(place in the record, sort of the error) if it says that deciding a command raised."""
        if _FAILED not in self.value:
            return None
        try:
            failed = _decode_failed(self.value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return failed.place, failed.error


class PublishedEvents:
    """A partition's events in order, taken by the command that caused them."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self._events: Iterator[PublishedEvent] = map(PublishedEvent.of, messages)
        self._next = next(self._events, None)

    def up_to(self, offset: int) -> list[PublishedEvent]:
        """Take the events of the command at `offset`, and what stands in front of its last one.

        An event without a readable seal comes with the one that it stands behind.
        """
        taken: list[PublishedEvent] = []
        while self._next is not None and _stands_at_most_at(self._next, offset):
            taken.append(self._next)
            self._next = next(self._events, None)
        return taken

    def rest(self) -> Iterator[PublishedEvent]:
        """Take all that is left."""
        while self._next is not None:
            yield self._next
            self._next = next(self._events, None)


def _stands_at_most_at(event: PublishedEvent, offset: int) -> bool:
    return event.place is None or event.place[0] <= offset
