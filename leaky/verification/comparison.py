"""What a record must have caused, held against what was published: byte for byte, in order."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from leaky.verification.published import PublishedEvent
from pipelines.runtime.processor import OutputRecord

_SHOWN_CHARACTERS = 300


class DifferenceKind(StrEnum):
    """What is wrong with an event; stable codes."""

    ALTERED = "altered"
    MISSING = "missing"
    UNEXPECTED = "unexpected"
    """An event too many: nothing in the log causes it."""
    OUT_OF_ORDER = "out-of-order"
    BROKEN_CHAIN = "broken-chain"
    REPLAY_FAILED = "replay-failed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One event that is not as the log says.

    `offset` and `index` name the causing command's place in `accounts.commands` and the event
    among those of its record; `event_offset` where the published event stands in `accounts.events`.
    """

    kind: DifferenceKind
    partition: int
    offset: int | None
    index: int | None
    event_offset: int | None
    expected: str
    published: str

    def __str__(self) -> str:
        where = f"partition {self.partition}"
        if self.offset is not None:
            where += f", command offset {self.offset}"
        if self.index is not None:
            where += f", event index {self.index}"
        if self.event_offset is not None:
            where += f" (event offset {self.event_offset})"
        return f"{self.kind}: {where}: expected {self.expected}; published {self.published}"


def compare(
    partition: int, offset: int, expected: Sequence[OutputRecord], published: list[PublishedEvent]
) -> Iterator[Difference]:
    """The differences of one record at `offset`; `published` stands in front of the next one's."""
    if len(expected) == len(published) and all(
        must.value == event.value and must.key == event.key
        for must, event in zip(expected, published, strict=True)
    ):
        return
    next_index = 0
    seen: set[int] = set()
    for event in published:
        index = _index_at(event, offset, len(expected))
        if index is None or index in seen:
            yield _unexpected(partition, event)
            continue
        for missed in range(next_index, index):
            if not _comes_later(published, event, offset, missed):
                yield _missing(partition, offset, missed, expected[missed])
                seen.add(missed)
        seen.add(index)
        if index < next_index:
            yield _difference(
                DifferenceKind.OUT_OF_ORDER, partition, (offset, index), event, "it earlier"
            )
        next_index = max(next_index, index + 1)
        must = expected[index]
        if must.value != event.value or must.key != event.key:
            yield _altered(partition, (offset, index), must, event)
    for index in range(len(expected)):
        if index not in seen:
            yield _missing(partition, offset, index, expected[index])


def unexpected(partition: int, event: PublishedEvent) -> Difference:
    """An event behind the last command that names one before it as its cause."""
    return _unexpected(partition, event)


def broken_chain(
    partition: int, event: PublishedEvent, expected: str | None, published: str | None
) -> Difference:
    """An event that does not name its account's event before it."""
    offset, index = event.place or (None, None)
    return Difference(
        DifferenceKind.BROKEN_CHAIN,
        partition,
        offset,
        index,
        event.event_offset,
        f"previousHash {expected or 'absent'}",
        f"previousHash {published or 'absent'}",
    )


def _index_at(event: PublishedEvent, offset: int, events: int) -> int | None:
    """The event's index if its seal names one that the command at `offset` causes."""
    place = event.place
    if place is None or place[0] != offset or not 0 <= place[1] < events:
        return None
    return place[1]


def _comes_later(
    published: list[PublishedEvent], event: PublishedEvent, offset: int, index: int
) -> bool:
    behind = published[published.index(event) + 1 :]
    return any(later.place == (offset, index) for later in behind)


def _difference(
    kind: DifferenceKind,
    partition: int,
    place: tuple[int, int],
    event: PublishedEvent,
    expected: str,
) -> Difference:
    return Difference(kind, partition, *place, event.event_offset, expected, _shown(event.value))


def _missing(partition: int, offset: int, index: int, must: OutputRecord) -> Difference:
    return Difference(
        DifferenceKind.MISSING, partition, offset, index, None, _shown(must.value), "nothing"
    )


def _unexpected(partition: int, event: PublishedEvent) -> Difference:
    offset, index = event.place or (None, None)
    return Difference(
        DifferenceKind.UNEXPECTED,
        partition,
        offset,
        index,
        event.event_offset,
        "no such event" if event.sealed else "a sealed event",
        _shown(event.value),
    )


def _altered(
    partition: int, place: tuple[int, int], must: OutputRecord, event: PublishedEvent
) -> Difference:
    expected, published = _first_difference(must.value, event.value)
    if must.value == event.value:
        expected, published = f"key {must.key!r}", f"key {event.key!r}"
    return Difference(
        DifferenceKind.ALTERED, partition, *place, event.event_offset, expected, published
    )


def _first_difference(expected: bytes, published: bytes) -> tuple[str, str]:
    """The first field that differs, on both sides; the bytes where they are equal as JSON."""
    try:
        path, one, other = _differing("", json.loads(expected), json.loads(published))
    except (ValueError, StopIteration, RecursionError):
        return _shown(expected), _shown(published)
    return f"{path} {_shown(json.dumps(one).encode())}", f"{_shown(json.dumps(other).encode())}"


_ABSENT = "(absent)"


def _differing(path: str, expected: Any, published: Any) -> tuple[str, Any, Any]:  # noqa: ANN401 - any JSON
    """(path, expected, published) of the first field that differs; StopIteration if none does."""
    if isinstance(expected, dict) and isinstance(published, dict):
        names = [*expected, *(name for name in published if name not in expected)]
        name = next(n for n in names if expected.get(n, _ABSENT) != published.get(n, _ABSENT))
        return _differing(
            f"{path}.{name}".lstrip("."),
            expected.get(name, _ABSENT),
            published.get(name, _ABSENT),
        )
    if isinstance(expected, list) and isinstance(published, list):
        if len(expected) == len(published):
            place = next(n for n, one in enumerate(expected) if one != published[n])
            return _differing(f"{path}[{place}]", expected[place], published[place])
    elif expected == published:
        raise StopIteration
    return path, expected, published


def _shown(value: bytes) -> str:
    text = value.decode(errors="replace")
    if len(text) <= _SHOWN_CHARACTERS:
        return text
    return f"{text[:_SHOWN_CHARACTERS]}… ({len(value)} bytes)"
