"""Record headers: what a command brings, and what its reply copies."""

import pytest

from topics.envelope import (
    CORRELATION_ID,
    MAX_HEADER_CHARACTERS,
    REQUEST_ID,
    TRACEPARENT,
    Envelope,
    parse_envelope,
    reply_headers,
)


def test_an_envelope_comes_back_from_its_headers() -> None:
    envelope = Envelope(request_id="r-1", correlation_id="c-1", traceparent="00-a-b-01")

    assert parse_envelope(envelope.to_headers()) == envelope


def test_absent_values_make_no_headers() -> None:
    assert Envelope(correlation_id="c-1").to_headers() == [(CORRELATION_ID, b"c-1")]


def test_a_record_without_headers_has_an_empty_envelope() -> None:
    assert parse_envelope(None) == Envelope()
    assert parse_envelope([]) == Envelope()


def test_a_reply_copies_the_headers_of_its_request_and_no_others() -> None:
    headers = [(REQUEST_ID, b"r-1"), ("x-secret", b"no"), (TRACEPARENT, b"00-a-b-01")]

    assert reply_headers(headers) == [(REQUEST_ID, b"r-1"), (TRACEPARENT, b"00-a-b-01")]


@pytest.mark.parametrize(
    "value",
    [None, b"", b"\xff", b"two\nlines", "ü".encode(), b"x" * (MAX_HEADER_CHARACTERS + 1)],
    ids=repr,
)
def test_a_value_that_a_log_line_cannot_carry_is_left_out(value: bytes | None) -> None:
    assert reply_headers([(CORRELATION_ID, value)]) == []


def test_of_several_headers_of_one_name_the_last_counts() -> None:
    headers = [(REQUEST_ID, b"first"), (REQUEST_ID, b"last")]

    assert parse_envelope(headers).request_id == "last"
