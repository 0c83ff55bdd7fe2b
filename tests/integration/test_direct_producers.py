"""Whatever a program produces to accounts.commands: it is answered for, and harms nobody else."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pytest

from leaky.asking import Asker
from leaky.dead_letters import newest_letters
from leaky.partition_log import LogReader, Span
from schemas.dead_letters import DeadLetter
from schemas.outcomes import Outcome
from schemas.replies import Reply
from schemas.signing import Issuer, sign
from tests.integration.accounts_system import (
    AccountsSystem,
    accounts_of_partition,
    create_system,
    running_pipeline,
)
from tests.servers import Servers
from topics.registry import ACCOUNTS_COMMANDS, MAX_COMMANDS_RECORD_BYTES

_LETTER_WITHIN_S = 30.0
_POLL_S = 0.1
PARTITION = 1


@pytest.fixture(scope="module")
def system(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AccountsSystem]:
    """A system whose accounts pipeline runs; its whole log is verified at the end."""
    system = create_system(servers.kafka_bootstrap_servers, tmp_path_factory.mktemp("system"))
    with running_pipeline(system):
        yield system
        done = system.leaky("verify")
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def asker(system: AccountsSystem) -> Iterator[Asker]:
    """Who sends, and gets the replies."""
    with Asker(system.settings) as asker:
        yield asker


def _consume(account: str, tokens: int, reply_to: str, **fields: object) -> dict[str, Any]:
    return {
        "type": "consume",
        "commandId": uuid.uuid4().hex,
        "replyTo": reply_to,
        "account": account,
        "provider": "openai",
        "tokens": tokens,
        **fields,
    }


def _encoded(command: object) -> bytes:
    return json.dumps(command).encode()


def _misrouted(reply_to: str) -> bytes:
    (stranger,) = accounts_of_partition(PARTITION - 1, 1)
    return _encoded(_consume(stranger, 5, reply_to))


def _privileged(reply_to: str) -> dict[str, Any]:
    (account,) = accounts_of_partition(PARTITION, 1)
    command = _consume(account, 5, reply_to) | {"type": "set-tier", "tier": "PRO"}
    return {name: command[name] for name in command if name not in {"provider", "tokens"}}


def _forged(reply_to: str) -> bytes:
    forger = Issuer.generate()
    return _encoded(sign(_privileged(reply_to), forger.key_id, forger.private_key))


def _oversized(reply_to: str) -> bytes:
    (account,) = accounts_of_partition(PARTITION, 1)
    return _encoded(_consume(account, 5, reply_to, padding="x" * MAX_COMMANDS_RECORD_BYTES))


def _not_utf8(reply_to: str) -> bytes:
    (account,) = accounts_of_partition(PARTITION, 1)
    command = _encoded(_consume(account, 5, reply_to, model="MODEL"))
    return command.replace(b"MODEL", b"caf\xe9")


@dataclass(frozen=True)
class Bad:
    """A record that is not to be decided. `outcome` None: its sender cannot be told."""

    value: Callable[[str], bytes]
    reason: str
    outcome: Outcome | None


RECORDS = {
    "an empty value": Bad(lambda _: b"", "malformed", None),
    "half an object": Bad(lambda _: b'{"type": "consume", ', "malformed", None),
    "a command without its fields": Bad(
        lambda reply_to: _encoded({"type": "consume", "commandId": "x", "replyTo": reply_to}),
        "malformed",
        Outcome.MALFORMED,
    ),
    "a command whose sender asks for no reply": Bad(
        lambda _: _encoded({"type": "consume"}), "malformed", None
    ),
    "a reply address that is none": Bad(
        lambda _: _encoded(
            _consume(accounts_of_partition(PARTITION, 1)[0], 5, "accounts.commands")
        ),
        "malformed",
        None,
    ),
    "an unknown type": Bad(
        lambda reply_to: _encoded({"type": "transfer", "replyTo": reply_to}),
        "unknown-type",
        Outcome.MALFORMED,
    ),
    "a later version": Bad(
        lambda reply_to: _encoded({"type": "consume", "version": 2, "replyTo": reply_to}),
        "unknown-version",
        Outcome.MALFORMED,
    ),
    "another partition's account": Bad(_misrouted, "misrouted", Outcome.MISROUTED),
    "an unsigned privileged command": Bad(
        lambda reply_to: _encoded(_privileged(reply_to)),
        "unauthorised-command",
        Outcome.UNAUTHORISED_COMMAND,
    ),
    "a privileged command signed by a stranger": Bad(
        _forged, "unauthorised-command", Outcome.UNAUTHORISED_COMMAND
    ),
    "more bytes than a record may have": Bad(_oversized, "oversized", Outcome.MALFORMED),
    "bytes that are no text": Bad(lambda _: b"\xff\xfe\x00", "not-utf8", None),
    "text in another encoding": Bad(_not_utf8, "not-utf8", Outcome.MALFORMED),
    "nesting without end": Bad(lambda _: b"[" * 20_000, "malformed", None),
    "an empty array": Bad(lambda _: b"[]", "malformed", None),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_bad_record_is_buried_and_answered_and_those_around_it_are_decided(
    name: str, system: AccountsSystem, asker: Asker
) -> None:
    bad = RECORDS[name]
    (account,) = accounts_of_partition(PARTITION, 1)
    value = bad.value(asker.reply_to)
    before = asker.send(_encoded(_consume(account, 100, asker.reply_to)), account, answers=1)
    its_own = asker.send(value, None, answers=bad.outcome is not None, partition=PARTITION)
    behind = asker.send(_encoded(_consume(account, 200, asker.reply_to)), account, answers=1)

    replies = dict(asker.replies())
    assert replies[before].outcome is replies[behind].outcome is Outcome.GRANTED
    _assert_charged(replies[behind], 300)
    if bad.outcome is not None:
        assert replies[its_own].outcome is bad.outcome
        assert replies[its_own].detail

    letter = _letter_of(system, value)
    assert letter.reason.value == bad.reason
    assert (letter.origin.topic, letter.origin.partition) == (ACCOUNTS_COMMANDS.name, PARTITION)
    assert _record_at(system, PARTITION, letter.origin.offset) == value


def test_a_bad_member_of_an_array_is_buried_alone(system: AccountsSystem, asker: Asker) -> None:
    (account,) = accounts_of_partition(PARTITION, 1)
    (stranger,) = accounts_of_partition(PARTITION - 1, 1)
    members: list[Any] = [
        _consume(account, 10, asker.reply_to),
        {"type": "transfer", "replyTo": asker.reply_to},
        _consume(account, 20, asker.reply_to),
        {"type": "tick"},
        _consume(stranger, 5, asker.reply_to),
        7,
        _consume(account, 30, asker.reply_to),
    ]
    value = _encoded(members)
    asker.send(value, account, answers=5)
    replies = [reply for _, reply in asker.replies()]
    assert [reply.outcome for reply in replies] == [
        Outcome.GRANTED,
        Outcome.MALFORMED,
        Outcome.GRANTED,
        Outcome.MISROUTED,
        Outcome.GRANTED,
    ]
    _assert_charged(replies[-1], 60)
    assert {reply.at_ms for reply in replies} == {replies[0].at_ms}
    reasons = {
        place: _letter_of(system, _encoded(members[place]), place).reason.value
        for place in (1, 3, 4, 5)
    }
    assert reasons == {
        1: "unknown-type",
        3: "misplaced-command",
        4: "misrouted",
        5: "malformed",
    }


def _assert_charged(reply: Reply, tokens: int) -> None:
    """The account's quota is as if nothing but `tokens` had ever been asked of it."""
    assert reply.quota is not None
    assert reply.quota.remaining_tokens == reply.quota.total_tokens - tokens


def _letter_of(system: AccountsSystem, value: bytes, index: int | None = None) -> DeadLetter:
    """The dead letter of a record, or of the member at `index` of one.

    It becomes visible with the checkpoint, after the reply.
    """
    digest = sha256(value).hexdigest()
    deadline = time.monotonic() + _LETTER_WITHIN_S
    while time.monotonic() < deadline:
        for buried in newest_letters(system.settings, None, None, limit=1_000):
            letter = buried.letter
            kept = letter.value.sha256 if letter.value is not None else None
            if kept == digest and index in (None, letter.origin.index):
                return letter
        time.sleep(_POLL_S)
    raise AssertionError(f"no dead letter has the digest {digest}")


def _record_at(system: AccountsSystem, partition: int, offset: int) -> bytes:
    topic = ACCOUNTS_COMMANDS.name_on_broker(system.prefix)
    with LogReader(system.settings) as reader:
        (message,) = reader.read(Span(topic, partition, offset, offset + 1))
    return message.value() or b""
