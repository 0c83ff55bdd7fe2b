"""One partition of the accounts pipeline on dictionaries, as a test talks to it.

Whatever a test does, every output is held to what outputs promise: the bytes are those of the
parsed message, events are numbered and chained, each command's last event has its reply's digest,
every quota adds up, and the records applied once more give the same bytes.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeVar

from pipelines.accounts.processor import AccountsProcessor, Failures
from pipelines.runtime.position import run_record
from pipelines.runtime.processor import OutputRecord, Outputs, Record
from schemas.base import Message
from schemas.commands import (
    Allocate,
    PublishPolicy,
    Revoke,
    SetLimits,
    SetStatus,
    SetTier,
    Tick,
)
from schemas.dead_letters import DeadLetter
from schemas.events import EVENT_ADAPTER, DecisionFailed, Event
from schemas.outcomes import Outcome
from schemas.policies import PolicyDocument
from schemas.quotas import QuotaReading
from schemas.replies import Reply
from schemas.signing import Issuer, sign
from state.accounts import Account
from state.codec import decode
from state.quotas import Quota, check
from state.store import MemoryStore, PartitionStores
from tests.unit.accounts.commands import ISSUER, PARTITION, PARTITIONS, publish

MIDNIGHT_MS = 20_000 * 86_400_000
"""The moment 0 of every test: the start of a day, and so of any window that divides one."""

SIGNED = (Allocate, Revoke, SetTier, SetStatus, SetLimits, PublishPolicy)

E = TypeVar("E")


def body(command: Message, issuer: Issuer | None = ISSUER) -> dict[str, object]:
    """The command as it travels; privileged ones signed, unless `issuer` is None."""
    fields: dict[str, object] = json.loads(command.to_json())
    if issuer is not None and isinstance(command, SIGNED):
        return sign(fields, issuer.key_id, issuer.private_key)
    return fields


@dataclass(frozen=True)
class Answer:
    """What one record caused."""

    replies: list[Reply]
    events: list[Event]
    dead_letters: list[DeadLetter]

    @property
    def reply(self) -> Reply:
        """The one reply."""
        assert len(self.replies) == 1
        return self.replies[0]

    @property
    def outcome(self) -> Outcome:
        return self.reply.outcome

    @property
    def hold_id(self) -> str:
        """The id of the hold that was made."""
        assert self.reply.outcome is Outcome.GRANTED
        assert self.reply.hold is not None
        return self.reply.hold.id

    @property
    def quota(self) -> QuotaReading:
        assert self.reply.quota is not None
        return self.reply.quota

    def used(self, limit: str) -> int:
        """What is used of a limit, in whole units rounded up."""
        return next(each.used for each in self.reply.limits if each.name == limit)

    def event(self, sort: type[E]) -> E:
        """The one event of this sort."""
        found = [event for event in self.events if isinstance(event, sort)]
        assert len(found) == 1
        return found[0]

    @property
    def types(self) -> list[str]:
        """What happened, in order."""
        return [event.type for event in self.events]

    @property
    def retry_ms(self) -> int | None:
        return self.reply.retry_after_ms

    @property
    def violated(self) -> list[str]:
        """The limits that refused."""
        return [violation.name for violation in self.reply.violations]


@dataclass
class Partition:
    """A partition's state, the records applied to it, and what they caused."""

    policy: PolicyDocument | None = None
    processor: AccountsProcessor = field(default_factory=lambda: AccountsProcessor(PARTITIONS))
    now_ms: int = 0
    """Since `MIDNIGHT_MS`."""
    durable: dict[bytes, bytes] = field(default_factory=dict)
    expiring: dict[bytes, bytes] = field(default_factory=dict)
    log: list[Record] = field(default_factory=list)
    caused: list[Outputs] = field(default_factory=list)
    failures: dict[tuple[int, int, int], str] = field(default_factory=dict)
    heads: dict[str | None, str] = field(default_factory=dict)
    """The SHA-256 of each account's latest event; of the partition's own under None."""

    def __post_init__(self) -> None:
        self.stores = PartitionStores(MemoryStore(self.durable), MemoryStore(self.expiring))
        if self.policy is not None:
            assert self.when(publish(self.policy)).outcome is Outcome.APPLIED

    def at(self, now_ms: int) -> "Partition":
        """Let time go on to `now_ms` since midnight."""
        assert now_ms >= self.now_ms
        self.now_ms = now_ms
        return self

    def after(self, elapsed_ms: int) -> "Partition":
        """Let `elapsed_ms` pass."""
        return self.at(self.now_ms + elapsed_ms)

    def when(self, *commands: Message) -> Answer:
        """Apply one record: the command, or the array if there are several."""
        bodies = [body(command) for command in commands]
        return self.given_bytes(json.dumps(bodies[0] if len(bodies) == 1 else bodies).encode())

    def given(self, *commands: Message) -> "Partition":
        """Apply commands that have to take effect, each in a record of its own."""
        for command in commands:
            outcome = self.when(command).outcome
            assert outcome in {Outcome.GRANTED, Outcome.SETTLED, Outcome.VOIDED, Outcome.APPLIED}
        return self

    def tick(self) -> Answer:
        return self.when(Tick())

    def given_bytes(
        self, value: bytes | None, headers: Sequence[tuple[str, bytes]] = (), key: bytes = b"any"
    ) -> Answer:
        """Apply one record of these bytes."""
        record = Record(
            "accounts.commands",
            PARTITION,
            len(self.log),
            MIDNIGHT_MS + self.now_ms,
            key,
            value,
            headers,
        )
        outputs = run_record(self.processor, record, self.stores)
        assert outputs is not None
        self.log.append(record)
        self.caused.append(outputs)
        return self._read(outputs)

    @property
    def next_wakeup_ms(self) -> int | None:
        """When the partition wants a tick, since midnight."""
        wakeup_ms = self.processor.next_wakeup_ms(PARTITION, self.stores)
        return None if wakeup_ms is None else wakeup_ms - MIDNIGHT_MS

    def account(self, account_id: str) -> Account:
        """What the state has of an account."""
        return decode(Account, self.durable[b"a:" + account_id.encode()])

    def pots(self, account_id: str, provider: str = "qwen") -> Quota:
        """The pots of an account's quota."""
        return self.account(account_id).providers[provider].quota

    def check_replay(self) -> None:
        """Apply every record once more, to nothing: bytes and state must be the same."""
        processor = AccountsProcessor(PARTITIONS, failures=self.failures)
        again = PartitionStores(MemoryStore(), MemoryStore())
        for record, caused in zip(self.log, self.caused, strict=True):
            repeated = run_record(processor, record, again)
            assert repeated is not None
            assert repeated.prompt == caused.prompt
            assert _events(repeated) == _events(caused)
        assert again == self.stores

    def _read(self, outputs: Outputs) -> Answer:
        replies = [
            _same_bytes(Reply.model_validate_json(each.value), each) for each in outputs.prompt
        ]
        events = [self._next_in_chain(each) for each in _events(outputs)]
        dead_letters = [
            _same_bytes(DeadLetter.model_validate_json(each.value), each)
            for each in outputs.transactional
            if each.topic == "dead-letters"
        ]
        assert len(events) + len(dead_letters) == len(outputs.transactional)
        assert [event.seal and event.seal.origin.index for event in events] == [*range(len(events))]
        self._check_digests(outputs, events)
        self._note_failures(events)
        self._check_quotas()
        return Answer(replies, events, dead_letters)

    def _next_in_chain(self, output: OutputRecord) -> Event:
        event = _same_bytes(EVENT_ADAPTER.validate_json(output.value), output)
        assert output.partition == PARTITION
        assert output.key == (None if event.account is None else event.account.encode())
        assert event.seal is not None
        assert event.seal.origin.offset == len(self.log) - 1
        assert event.seal.previous_hash == self.heads.get(event.account)
        self.heads[event.account] = sha256(output.value).hexdigest()
        return event

    def _check_digests(self, outputs: Outputs, events: list[Event]) -> None:
        """A command's last event, and no other, carries the digest of its reply."""
        replied = {Reply.model_validate_json(each.value).command_id for each in outputs.prompt}
        digests = {sha256(each.value).hexdigest() for each in outputs.prompt}
        last = {event.command_id: event for event in events if event.command_id is not None}
        for event in events:
            assert event.seal is not None
            answers = event is last.get(event.command_id or "")
            assert (event.seal.reply_digest is not None) is answers
            if answers and event.command_id in replied:
                assert event.seal.reply_digest in digests

    def _note_failures(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, DecisionFailed):
                self.failures[PARTITION, len(self.log) - 1, event.place] = event.error

    def _check_quotas(self) -> None:
        for key, value in self.durable.items():
            if key.startswith(b"a:"):
                for provider in decode(Account, value).providers.values():
                    check(provider.quota)


NewPartition = Callable[[PolicyDocument | None], Partition]
"""The fixture `new_partition`."""


def replayed(partition: Partition, failures: Failures) -> list[Mapping[str, object]]:
    """The events of the partition's records applied once more, under other known failures."""
    processor = AccountsProcessor(PARTITIONS, failures=failures)
    stores = PartitionStores(MemoryStore(), MemoryStore())
    events: list[Mapping[str, object]] = []
    for record in partition.log:
        outputs = run_record(processor, record, stores)
        assert outputs is not None
        events += [json.loads(each.value) for each in _events(outputs)]
    return events


def _events(outputs: Outputs) -> list[OutputRecord]:
    return [each for each in outputs.transactional if each.topic == "accounts.events"]


M = TypeVar("M", bound=Message)


def _same_bytes(parsed: M, output: OutputRecord) -> M:
    assert parsed.to_json() == output.value
    return parsed
