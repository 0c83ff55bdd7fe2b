"""Whatever bytes a record holds, they are taken apart into commands and rejections."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.accounts.decoding import Parsed, Rejected, decode_record
from schemas.commands import COMMAND_ADAPTER
from schemas.dead_letters import MAX_DETAIL_CHARACTERS

CONSUME = {
    "type": "consume",
    "commandId": "c",
    "account": "user:00000000-0000-4000-8000-000000000001",
    "provider": "qwen",
    "tokens": 5,
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)
commands = st.dictionaries(st.sampled_from([*CONSUME, "x"]), json_values, max_size=3).map(
    lambda altered: CONSUME | altered
)
brackets = [b"[", b"]", b"{", b"}", b",", b":", b'"', b"[]", b"null", b" ", b"\n"]
numbers = [b"NaN", b"-Infinity", b"1e999", b"-0", b"01", b"1.", b"1" * 5000]
characters = [b"\xff", b"\xef\xbb\xbf", b"\\ud800", b'"\\u0000"', b"\x00", b'"\x01"']
words = [json.dumps(CONSUME).encode(), b'"type"', b'"tick"']
fragments = st.sampled_from([*brackets, *numbers, *characters, *words])
noise = st.lists(fragments | st.binary(max_size=3), max_size=12).map(b"".join)
arrays = st.lists(
    (commands | json_values).map(lambda value: json.dumps(value).encode()) | noise, max_size=4
).map(lambda members: b"[" + b",".join(members) + b"]")


@given(st.binary(max_size=40) | noise | arrays | commands.map(lambda one: json.dumps(one).encode()))
@example(b"[NaN]")
@example(b"[[1.]]")
@example(b'["\\ud800"]')
def test_any_bytes_are_taken_apart_without_an_error(value: bytes) -> None:
    for item in decode_record(value):
        if isinstance(item, Rejected):
            assert 0 < len(item.detail) <= MAX_DETAIL_CHARACTERS
            item.sender()
        else:
            assert COMMAND_ADAPTER.validate_json(item.raw) == item.command


@given(st.lists(commands | json_values, min_size=1, max_size=5))
def test_a_member_of_an_array_is_what_it_would_be_alone(members: list[object]) -> None:
    texts = [json.dumps(member) for member in members]
    if any("NaN" in text or "Infinity" in text for text in texts):
        return  # no JSON, and so no array
    items = list(decode_record(f"[{', '.join(texts)}]".encode()))
    assert [item.place for item in items] == [*range(len(members))]
    for text, item in zip(texts, items, strict=True):
        assert item.raw == text.encode()
        (alone,) = decode_record(b" " * (text[0] == "[") * 70 + text.encode())
        assert isinstance(alone, Parsed) == isinstance(item, Parsed)
        if isinstance(alone, Parsed) and isinstance(item, Parsed):
            assert alone.command == item.command
