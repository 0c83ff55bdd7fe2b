"""Command ids and request digests."""

import msgspec
import pytest

from gateway.authentication import Principal
from gateway.idempotency import command_id_for, request_digest
from schemas.base import CommandId
from schemas.http_tokens import ConsumeRequest
from service.http.problems import ProblemError

ALICE = Principal("0a000000-0000-4000-8000-00000000000a", frozenset({"USER"}))
BOB = Principal("0b000000-0000-4000-8000-00000000000b", frozenset({"USER"}))


def digest(text: str) -> str:
    return request_digest(msgspec.json.decode(text, type=ConsumeRequest))


def test_the_same_caller_route_and_key_give_the_same_command() -> None:
    assert command_id_for(ALICE, "/consume", "k") == command_id_for(ALICE, "/consume", "k")


def test_another_caller_route_or_key_gives_another_command() -> None:
    ids = {
        command_id_for(ALICE, "/consume", "k"),
        command_id_for(BOB, "/consume", "k"),
        command_id_for(ALICE, "/reservations", "k"),
        command_id_for(ALICE, "/consume", "K"),
        command_id_for(ALICE, "/consumek", "x"),
    }
    assert len(ids) == 5


def test_the_border_between_route_and_key_counts() -> None:
    assert command_id_for(ALICE, "/a", "bc") != command_id_for(ALICE, "/ab", "c")


def test_without_a_key_every_request_is_a_command_of_its_own() -> None:
    assert command_id_for(ALICE, "/consume", None) != command_id_for(ALICE, "/consume", None)


@pytest.mark.parametrize("key", ["k", "k" * 100, "a key with spaces ~!"])
def test_a_command_id_is_one_that_commands_accept(key: str) -> None:
    from pydantic import TypeAdapter

    TypeAdapter(CommandId).validate_python(command_id_for(ALICE, "/consume", key) + ".settle")


@pytest.mark.parametrize("key", ["", "k" * 101, "tab\there", "schl\u00fcssel", "\x7f"])
def test_a_key_that_is_empty_too_long_or_not_printable_is_refused(key: str) -> None:
    with pytest.raises(ProblemError) as caught:
        command_id_for(ALICE, "/consume", key)
    assert (caught.value.kind.status, caught.value.kind.code) == (400, "invalid-idempotency-key")


def test_a_digest_depends_on_every_field_and_not_on_their_order_or_on_unknown_ones() -> None:
    one = digest('{"tokens": 5, "prompt": "a", "labels": {"x": "1", "y": "2"}}')
    assert one == digest('{"labels":{"y":"2","x":"1"},"prompt":"\\u0061","tokens":5,"later":true}')
    others = [
        '{"tokens": 5, "prompt": "b", "labels": {"x": "1", "y": "2"}}',
        '{"tokens": 6, "prompt": "a", "labels": {"x": "1", "y": "2"}}',
        '{"tokens": 5, "prompt": "a", "labels": {"x": "1", "y": "2"}, "call": false}',
        '{"tokens": 5, "prompt": "a", "labels": {"x": "1", "y": "2"}, "settle": "usage"}',
        '{"tokens": 5, "prompt": "a", "labels": {"x": "1", "y": "2"}, "model": "m"}',
    ]
    assert len({one, *map(digest, others)}) == 6
