"""Dead letters keep what they can of any record, within a size that their topic takes."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from schemas.dead_letters import (
    KEPT_BYTES,
    KEPT_HEADER_BYTES,
    MAX_DETAIL_CHARACTERS,
    DeadLetter,
    DeadLetterOrigin,
    DeadLetterReason,
    dead_letter,
)
from topics.registry import DEAD_LETTERS

_ORIGIN = DeadLetterOrigin(topic="accounts.commands", partition=3, offset=17, index=0)


@given(
    key=st.none() | st.binary(max_size=200),
    value=st.none() | st.binary(max_size=200),
    headers=st.lists(st.tuples(st.text(max_size=20), st.none() | st.binary(max_size=50))),
)
def test_any_small_record_is_kept_whole(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    letter = dead_letter(
        DeadLetterReason.MALFORMED, "why", _ORIGIN, 1, key=key, value=value, headers=headers
    )

    read = DeadLetter.model_validate_json(letter.to_json())

    assert read == letter
    assert (read.key and read.key.kept()) == key
    assert (read.value and read.value.kept()) == value
    assert len(read.headers) == len(headers)


def test_of_a_large_value_the_start_is_kept_and_the_digest_is_of_the_whole() -> None:
    value = b"x" * KEPT_BYTES + b"tail"

    letter = dead_letter(DeadLetterReason.OVERSIZED, "too large", _ORIGIN, 1, key=None, value=value)

    assert letter.value is not None
    assert letter.value.kept() == value[:KEPT_BYTES]
    assert letter.value.size_bytes == len(value)
    assert letter.value.sha256 == sha256(value).hexdigest()


def test_the_largest_dead_letter_fits_its_topic() -> None:
    largest = dead_letter(
        DeadLetterReason.OVERSIZED,
        "\u20ac" * (MAX_DETAIL_CHARACTERS + 1),
        _ORIGIN,
        2**53,
        key=b"\xff" * (2 * KEPT_BYTES),
        value=b"\xff" * (2 * KEPT_BYTES),
        headers=[("h", b"\xff")] * KEPT_HEADER_BYTES,
    )

    assert len(largest.to_json()) < int(DEAD_LETTERS.config["max.message.bytes"])


def test_headers_beyond_the_budget_are_counted() -> None:
    headers: list[tuple[str, bytes | None]] = [
        ("first", b"1"),
        ("large", b"x" * KEPT_HEADER_BYTES),
        ("last", b"2"),
    ]

    letter = dead_letter(
        DeadLetterReason.MALFORMED, "why", _ORIGIN, 1, key=None, value=b"", headers=headers
    )

    assert [header.name for header in letter.headers] == ["first"]
    assert letter.headers_left_out == 2
