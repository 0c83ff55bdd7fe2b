"""State values survive being written and read, and what cannot be read is refused."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.accounts import Account, Answered, Hold, OpenHold, OwnLimit, ProviderState
from state.codec import VERSION, UnknownCodecVersionError, decode, encode
from state.limits import Mark, Meter
from state.quotas import Quota
from state.store import MAX_VALUE_BYTES, MemoryStore, ValueTooLargeError

KEY = b"a:user:1"

numbers = st.integers(0, 2**63)
texts = st.text(max_size=20)
meters = st.builds(
    Meter,
    kind=texts,
    level=numbers,
    updated_ms=numbers,
    capacity_milli=numbers,
    period_ms=numbers,
    remainder=numbers,
    drained=numbers,
    drained_remainder=numbers,
    window_start_ms=numbers,
    generation=numbers,
)
pots = st.tuples(st.none() | numbers, st.none() | numbers, *(numbers for _ in range(12)))
provider_states = st.builds(
    ProviderState,
    quota=pots.map(lambda fields: Quota(*fields)),
    meters=st.dictionaries(texts, meters, max_size=3),
)
own_limits = st.builds(OwnLimit, texts, texts, texts, numbers, numbers, numbers)
accounts = st.builds(
    Account,
    tier=st.none() | texts,
    status=texts,
    updated_ms=st.none() | numbers,
    head=st.binary(max_size=32),
    providers=st.dictionaries(texts, provider_states, max_size=3),
    own_limits=st.dictionaries(texts, st.lists(own_limits, max_size=2).map(tuple), max_size=2),
    open_holds=st.lists(st.builds(OpenHold, numbers, numbers, numbers, texts, numbers), max_size=3),
    wakeups=st.lists(numbers, max_size=3),
)
holds = st.builds(
    Hold,
    provider=texts,
    tokens=numbers,
    deadline_ms=numbers,
    command_id=texts,
    of_allowance=numbers,
    of_purchased=numbers,
    window_start_ms=st.none() | numbers,
    marks=st.dictionaries(texts, st.builds(Mark, numbers, numbers, numbers, numbers), max_size=3),
    state=texts,
    settled_tokens=numbers,
    remembered_until_ms=numbers,
)
answers = st.builds(
    Answered,
    payload_digest=st.binary(max_size=32),
    event=st.binary(max_size=200),
    repeatable_until_ms=st.none() | numbers,
    hold=st.none() | st.tuples(numbers, numbers),
)


@given(accounts | holds | answers)
def test_what_is_read_is_what_was_written(value: Account | Hold | Answered) -> None:
    kind: Any = type(value)
    assert decode(kind, encode(KEY, value)) == value


@given(accounts | holds | answers)
def test_the_first_byte_is_none_that_stores_use_themselves(
    value: Account | Hold | Answered,
) -> None:
    assert encode(KEY, value)[:1] not in {b"\x00", b"\xff"}


@pytest.mark.parametrize("version", [b"", b"\x00", b"\x02", b"\xff"])
def test_a_value_of_an_unknown_version_is_refused(version: bytes) -> None:
    encoded = encode(KEY, Account())
    with pytest.raises(UnknownCodecVersionError, match="this code knows"):
        decode(Account, version + encoded[1:] if version else b"")


def test_bytes_that_are_no_value_of_the_kind_are_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(Hold, encode(KEY, Account()))
    with pytest.raises(msgspec.DecodeError):
        decode(Account, encode(KEY, Account())[:-1])


def test_a_value_written_before_a_field_was_added_reads_with_its_default() -> None:
    hold = Hold("qwen", 5, 9, "c", 5, 0, None, {})
    fields = msgspec.msgpack.decode(encode(KEY, hold)[1:])
    older = VERSION + msgspec.msgpack.encode(fields[:-3])
    assert decode(Hold, older) == hold


def test_a_value_above_the_bound_is_refused_by_its_key_and_one_at_it_is_not() -> None:
    # The record's own fields and the header of a long byte string take this much.
    overhead = len(encode(KEY, Answered(b"", b"x" * 70_000, None))) - 70_000
    largest = Answered(b"", b"x" * (MAX_VALUE_BYTES - overhead), None)
    assert len(encode(KEY, largest)) == MAX_VALUE_BYTES
    with pytest.raises(ValueTooLargeError, match=r"a:user:1.*262145 bytes, at most 262144"):
        encode(KEY, Answered(b"", largest.event + b"x", None))


def test_the_store_in_memory_refuses_the_same_values_as_the_one_on_disk() -> None:
    store = MemoryStore()
    store.set(KEY, b"x" * MAX_VALUE_BYTES)
    with pytest.raises(ValueTooLargeError):
        store.set(KEY, b"x" * (MAX_VALUE_BYTES + 1))
    assert len(store.get(KEY) or b"") == MAX_VALUE_BYTES
    store.delete(KEY)
    store.delete(KEY)
    assert store.get(KEY) is None
