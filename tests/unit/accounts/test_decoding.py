"""What is no command is dead-lettered with its reason, answered if it can be; all else goes on."""

import json

import pytest

from schemas.dead_letters import KEPT_BYTES, MAX_DETAIL_CHARACTERS, DeadLetterReason
from schemas.outcomes import Outcome
from tests.unit.accounts.commands import (
    ALICE,
    FAR_AWAY,
    PARTITION,
    REPLY_TO,
    allocate,
    consume,
    policy,
    publish,
)
from tests.unit.accounts.partition import MIDNIGHT_MS, NewPartition, body
from topics.registry import MAX_COMMANDS_RECORD_BYTES

GOOD = json.loads(consume(5, "good").to_json())
Reason = DeadLetterReason


def said(**fields: object) -> bytes:
    """The good command with other fields."""
    return json.dumps(GOOD | fields).encode()


def with_raw(name: str, value: bytes) -> bytes:
    """The good command with a field whose value is written as it is."""
    return said()[:-1] + b', "' + name.encode() + b'": ' + value + b"}"


REJECTED: dict[str, tuple[bytes | None, DeadLetterReason, str, bool]] = {
    # name: (value, reason, part of the detail, whether the sender can be told)
    "no value": (None, Reason.MALFORMED, "expected a JSON value, got none", False),
    "nothing": (b"", Reason.MALFORMED, "expected JSON: EOF", False),
    "spaces": (b"  \n", Reason.MALFORMED, "expected JSON: EOF", False),
    "text": (b"hello", Reason.MALFORMED, "expected JSON", False),
    "cut off": (said()[:-1], Reason.MALFORMED, "expected JSON: EOF", False),
    "more behind": (said() + b" x", Reason.MALFORMED, "expected JSON: trailing", False),
    "a byte order mark": (b"\xef\xbb\xbf" + said(), Reason.MALFORMED, "expected JSON", False),
    "a number": (b"17", Reason.MALFORMED, "a JSON object with type and version", False),
    "a string": (b'"consume"', Reason.MALFORMED, "a JSON object with type and version", False),
    "null": (b"null", Reason.MALFORMED, "a JSON object with type and version", False),
    "an empty array": (b"[]", Reason.MALFORMED, "at least one command in an array", False),
    "an array cut off": (b"[" + said(), Reason.MALFORMED, "expected JSON: EOF", False),
    "NaN in an array": (b"[NaN]", Reason.MALFORMED, "expected JSON", False),
    "infinity in an array": (
        b"[" + with_raw("x", b"-Infinity") + b"]",
        Reason.MALFORMED,
        "expected JSON",
        False,
    ),
    "deep arrays": (b"[" * 10**5 + b"]" * 10**5, Reason.MALFORMED, "recursion limit", False),
    "a deep field": (
        with_raw("x", b"[" * 10**4 + b"]" * 10**4),
        Reason.MALFORMED,
        "recursion limit",
        False,
    ),
    "bytes that are no UTF-8": (with_raw("x", b'"\xff"'), Reason.NOT_UTF8, "expected UTF-8", True),
    "an array that is no UTF-8": (b'["\xff"]', Reason.NOT_UTF8, "expected UTF-8", False),
    "a lone surrogate": (with_raw("x", rb'"\ud800"'), Reason.MALFORMED, "expected JSON", False),
    "a control character": (with_raw("x", b'"\x01"'), Reason.MALFORMED, "control char", False),
    "a number of 5,000 digits": (
        with_raw("x", b"1" * 5000),
        Reason.MALFORMED,
        "number out of range",
        False,
    ),
    "a leading zero": (with_raw("x", b"01"), Reason.MALFORMED, "invalid number", False),
    "too large": (
        said(x="x" * MAX_COMMANDS_RECORD_BYTES),
        Reason.OVERSIZED,
        f"expected at most {MAX_COMMANDS_RECORD_BYTES} bytes in a commands record, got ",
        True,
    ),
    "an unknown type": (said(type="steal"), Reason.UNKNOWN_TYPE, "got 'steal'", True),
    "no type": (said(type=None), Reason.MALFORMED, "using 'type'", True),
    "a type that is a number": (said(type=5), Reason.MALFORMED, "type", True),
    "another version": (said(version=2), Reason.UNKNOWN_VERSION, "version 1, got 2", True),
    "a version in words": (said(version="1"), Reason.MALFORMED, "version: Input should", True),
    "no account": (said(account=None), Reason.MALFORMED, "account: ", True),
    "an account in capitals": (said(account=ALICE.upper()), Reason.MALFORMED, "account: ", True),
    "no provider": (said(provider=""), Reason.MALFORMED, "provider: ", True),
    "no tokens": (said(tokens=0), Reason.MALFORMED, "tokens: Input should be greater", True),
    "fewer tokens": (said(tokens=-1), Reason.MALFORMED, "tokens: Input should be greater", True),
    "a trillion and one": (said(tokens=10**12 + 1), Reason.MALFORMED, "tokens: ", True),
    "tokens beyond 64 bits": (said(tokens=10**30), Reason.MALFORMED, "tokens: ", True),
    "half a token": (said(tokens=0.5), Reason.MALFORMED, "tokens: Input should be", True),
    "a whole float": (said(tokens=5.0), Reason.MALFORMED, "valid integer", True),
    "tokens in words": (said(tokens="5"), Reason.MALFORMED, "valid integer", True),
    "tokens as truth": (said(tokens=True), Reason.MALFORMED, "valid integer", True),
    "no number at all": (with_raw("tokens", b"NaN"), Reason.MALFORMED, "tokens: ", True),
    "three mistakes and more": (
        said(tokens=0, provider="", account="", model=""),
        Reason.MALFORMED,
        "; and 1 more",
        True,
    ),
    "a label with a long name": (
        said(labels={"l" * 100_000: "x"}),
        Reason.MALFORMED,
        "labels.lll",
        True,
    ),
}


@pytest.mark.parametrize("case", REJECTED)
def test_what_is_no_command_is_dead_lettered_with_its_reason(
    new_partition: NewPartition, case: str
) -> None:
    value, reason, detail, told = REJECTED[case]
    partition = new_partition(policy())
    answer = partition.given_bytes(value, key=b"its key")
    (letter,) = answer.dead_letters
    assert letter.reason is reason
    assert detail in letter.detail
    assert (letter.origin.partition, letter.origin.offset) == (PARTITION, 1)
    assert letter.at_ms == MIDNIGHT_MS
    assert letter.value is not None
    assert letter.value.kept() == (value or b"")[:KEPT_BYTES]
    assert letter.key is not None
    assert letter.key.kept() == b"its key"
    assert answer.events == []
    outcomes = [(reply.outcome, reply.command_id) for reply in answer.replies]
    assert outcomes == ([(Outcome.MALFORMED, "good")] if told else [])
    assert all(len(reply.detail or "") <= MAX_DETAIL_CHARACTERS for reply in answer.replies)
    assert partition.when(consume(5)).outcome is Outcome.GRANTED


@pytest.mark.parametrize("reply_to", [None, 5, "elsewhere/3", "replies/", "replies/3x", REPLY_TO])
def test_only_a_reply_address_gets_an_answer(new_partition: NewPartition, reply_to: object) -> None:
    answer = new_partition(policy()).given_bytes(said(type="steal", replyTo=reply_to))
    assert len(answer.replies) == (reply_to == REPLY_TO)


@pytest.mark.parametrize("command_id", [None, 5, "with space", "", "x" * 201, "ümlaut"])
def test_an_answer_names_no_command_id_that_is_none(
    new_partition: NewPartition, command_id: object
) -> None:
    answer = new_partition(policy()).given_bytes(said(commandId=command_id))
    assert (answer.outcome, answer.reply.command_id) == (Outcome.MALFORMED, None)


@pytest.mark.parametrize("ignored", ["x", "requestID", "TOKENS"])
def test_unknown_fields_are_ignored(new_partition: NewPartition, ignored: str) -> None:
    answer = new_partition(policy()).given_bytes(said(**{ignored: {"deep": [1.5, None]}}))
    assert answer.outcome is Outcome.GRANTED


def test_bad_members_of_an_array_are_dead_lettered_alone(new_partition: NewPartition) -> None:
    partition = new_partition(policy())
    members = [
        body(consume(5)),
        GOOD | {"type": "steal"},
        17,
        body(publish(policy(version=2))),
        {"type": "tick"},
        [body(consume(5))],
        GOOD | {"tokens": -5},
        body(consume(6)),
        body(allocate(7), None),
        body(consume(8, account=FAR_AWAY)),
        body(consume(9)),
    ]
    answer = partition.given_bytes(json.dumps(members).encode())
    assert [(letter.origin.index, letter.reason) for letter in answer.dead_letters] == [
        (1, Reason.UNKNOWN_TYPE),
        (2, Reason.MALFORMED),
        (3, Reason.MISPLACED_COMMAND),
        (4, Reason.MISPLACED_COMMAND),
        (5, Reason.MALFORMED),
        (6, Reason.MALFORMED),
        (8, Reason.UNAUTHORISED_COMMAND),
        (9, Reason.MISROUTED),
    ]
    assert [reply.outcome for reply in answer.replies] == [
        Outcome.GRANTED,
        Outcome.MALFORMED,
        Outcome.MALFORMED,
        Outcome.MALFORMED,
        Outcome.GRANTED,
        Outcome.UNAUTHORISED_COMMAND,
        Outcome.MISROUTED,
        Outcome.GRANTED,
    ]
    assert partition.pots(ALICE).charged == 20


def test_an_array_may_be_written_with_any_white_space(new_partition: NewPartition) -> None:
    value = b" \r\n\t[ " + said(commandId="a") + b" ,\n" + said(commandId="b") + b"\t] "
    answer = new_partition(policy()).given_bytes(value)
    assert [reply.outcome for reply in answer.replies] == [Outcome.GRANTED] * 2


def test_a_command_in_another_accounts_partition_is_misrouted(new_partition: NewPartition) -> None:
    partition = new_partition(policy())
    answer = partition.when(consume(5, account=FAR_AWAY))
    assert answer.outcome is Outcome.MISROUTED
    assert answer.reply.detail == f"{FAR_AWAY} belongs to partition 6, not to 5"
    assert [letter.reason for letter in answer.dead_letters] == [Reason.MISROUTED]
    assert answer.events == []


def test_the_bodys_account_decides_and_not_the_records_key(new_partition: NewPartition) -> None:
    partition = new_partition(policy())
    answer = partition.given_bytes(said(), key=FAR_AWAY.encode())
    assert answer.outcome is Outcome.GRANTED
    assert partition.pots(ALICE).charged == 5


@pytest.mark.parametrize("known", [True, False])
def test_misrouted_comes_before_not_ready_and_unauthorised(
    new_partition: NewPartition, known: bool
) -> None:
    partition = new_partition(policy() if known else None)
    value = json.dumps(body(allocate(5, account=FAR_AWAY), None)).encode()
    assert partition.given_bytes(value).outcome is Outcome.MISROUTED


def test_a_reply_copies_the_headers_of_its_request_and_no_others(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy())
    wanted = [("request-id", b"r1"), ("correlation-id", b"c1"), ("traceparent", b"00-1-2-3")]
    partition.given_bytes(said(), headers=[("other", b"x"), *wanted, ("request-id", b"r2")])
    (reply,) = partition.caused[-1].prompt
    assert (reply.topic, reply.partition, reply.key) == ("replies", 3, None)
    assert dict(reply.headers) == dict(wanted) | {"request-id": b"r2"}


def test_who_names_no_reply_address_gets_none_and_is_decided_all_the_same(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy())
    partition.given_bytes(json.dumps({k: v for k, v in GOOD.items() if k != "replyTo"}).encode())
    assert partition.caused[-1].prompt == []
    assert partition.pots(ALICE).charged == 5
