"""What is found when published events are not those that the log causes."""

import json
from hashlib import sha256

import pytest

from leaky.verification.chains import Chains
from leaky.verification.comparison import Difference, DifferenceKind, compare
from leaky.verification.published import PublishedEvent, PublishedEvents
from pipelines.runtime.processor import OutputRecord

ACCOUNT = "user:11111111-2222-3333-4444-555555555555"


def _value(offset: int, index: int, **fields: object) -> bytes:
    origin = {"topic": "accounts.commands", "partition": 0, "offset": offset, "index": index}
    seal = {"origin": origin}
    return json.dumps({"seal": seal, "type": "consumed", "account": ACCOUNT, **fields}).encode()


def _must(value: bytes, key: bytes | None = b"k") -> OutputRecord:
    return OutputRecord("accounts.events", key, value, partition=0)


class _Message:
    """As much of a consumed record as an event is made of."""

    def __init__(self, offset: int, value: bytes) -> None:
        self._offset, self._value = offset, value

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes:
        return b"k"

    def value(self) -> bytes:
        return self._value


def _published(*values: bytes) -> list[PublishedEvent]:
    return [PublishedEvent.of(_Message(number, value)) for number, value in enumerate(values)]


def _found(expected: list[bytes], published: list[bytes]) -> list[Difference]:
    return list(compare(0, 5, [_must(value) for value in expected], _published(*published)))


A, B, C = (_value(5, index, tokens=index) for index in range(3))


def test_equal_events_make_no_difference() -> None:
    assert _found([A, B, C], [A, B, C]) == []
    assert _found([], []) == []


@pytest.mark.parametrize(
    ("published", "kinds"),
    [
        ([A, C], [(DifferenceKind.MISSING, 1)]),
        (
            [],
            [(DifferenceKind.MISSING, 0), (DifferenceKind.MISSING, 1), (DifferenceKind.MISSING, 2)],
        ),
        ([A, B, B, C], [(DifferenceKind.UNEXPECTED, 1)]),
        ([A, C, B], [(DifferenceKind.OUT_OF_ORDER, 1)]),
        ([A, B, C, _value(5, 3)], [(DifferenceKind.UNEXPECTED, 3)]),
        ([_value(4, 0), A, B, C], [(DifferenceKind.UNEXPECTED, 0)]),
        ([A, _value(5, 1, tokens=9), C], [(DifferenceKind.ALTERED, 1)]),
        ([A, b"{}", B, C], [(DifferenceKind.UNEXPECTED, None)]),
    ],
)
def test_every_sort_of_difference_is_named_with_its_place(
    published: list[bytes], kinds: list[tuple[DifferenceKind, int | None]]
) -> None:
    found = _found([A, B, C], published)
    assert [(difference.kind, difference.index) for difference in found] == kinds


def test_an_altered_event_names_the_first_field_that_differs() -> None:
    published = _value(5, 0, limits=[{"before": 1, "after": 3}])
    (difference,) = _found([_value(5, 0, limits=[{"before": 1, "after": 2}])], [published])
    assert difference.expected == "limits[0].after 2"
    assert difference.published == "3"
    assert "partition 0, command offset 5, event index 0 (event offset 0)" in str(difference)


def test_an_event_under_another_key_is_altered() -> None:
    (difference,) = compare(0, 5, [_must(A, key=b"other")], _published(A))
    assert (difference.kind, difference.expected) == (DifferenceKind.ALTERED, "key b'other'")


def test_events_are_taken_by_the_command_that_caused_them() -> None:
    values = [_value(1, 0), _value(1, 1), b"no event", _value(4, 0)]
    events = PublishedEvents(_Message(number, value) for number, value in enumerate(values))
    assert events.up_to(0) == []
    assert [event.event_offset for event in events.up_to(1)] == [0, 1, 2]
    assert events.up_to(3) == []
    assert [event.event_offset for event in events.rest()] == [3]


def test_a_failure_on_record_says_which_command_failed_and_how() -> None:
    value = b'{"seal":null,"type":"decision-failed","place":3,"error":"KeyError"}'
    (event,) = _published(value)
    assert event.failure() == (3, "KeyError")
    assert _published(A)[0].failure() is None


def test_a_chain_holds_as_long_as_each_event_names_the_one_before() -> None:
    def link(offset: int, before: bytes | None) -> bytes:
        seal: dict[str, object] = {"origin": {"partition": 0, "offset": offset, "index": 0}}
        if before is not None:
            seal["previousHash"] = sha256(before).hexdigest()
        return json.dumps({"seal": seal, "account": ACCOUNT}).encode()

    first = link(1, None)
    second = link(2, first)
    chains = Chains()
    good = [chains.follow(event) for event in _published(first, second)]
    assert good == [None, None]
    broken = chains.follow(_published(link(3, first))[0])
    assert broken == (sha256(second).hexdigest(), sha256(first).hexdigest())
    assert (len(chains), chains.links) == (1, 2)
