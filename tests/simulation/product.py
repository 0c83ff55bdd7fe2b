"""The product as the simulation drives it: one partition of the accounts pipeline in memory.

Commands go in as JSON records and come out as events and replies, as they would on Kafka.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipelines.accounts.processor import AccountsProcessor
from pipelines.runtime.position import run_record
from pipelines.runtime.processor import OutputRecord, Record
from schemas.base import Message
from schemas.commands import Allocate, PublishPolicy, Revoke, SetLimits, SetStatus, SetTier
from schemas.events import EVENT_ADAPTER, Event
from schemas.replies import Reply
from schemas.signing import Issuer, sign
from state.store import MemoryStore, PartitionStores
from topics.partitioning import partition_for

PARTITIONS = 12
PARTITION = 7
COMMANDS = "accounts.commands"
EVENTS = "accounts.events"
ISSUER = Issuer.of(Ed25519PrivateKey.from_private_bytes(b"simulation's issuer of commands."))

SIGNED = (Allocate, Revoke, SetTier, SetStatus, SetLimits, PublishPolicy)


def accounts_of_the_partition(sort: str, count: int) -> list[str]:
    """The first `count` accounts of a sort (`user`, `org`) that belong to `PARTITION`."""
    numbers = (f"{sort}:00000000-0000-4000-8000-{number:012x}" for number in range(10_000))
    ours = (name for name in numbers if partition_for(name.encode(), PARTITIONS) == PARTITION)
    return [next(ours) for _ in range(count)]


@dataclass(frozen=True)
class Decided:
    """What one record caused, in order."""

    replies: list[Reply]
    events: list[Event]


@dataclass
class ProductPartition:
    """A partition's stores and the records applied to them so far."""

    durable: dict[bytes, bytes] = field(default_factory=dict)
    expiring: dict[bytes, bytes] = field(default_factory=dict)
    log: list[Record] = field(default_factory=list)
    """Every record applied, so that it can be applied again."""
    published: list[bytes] = field(default_factory=list)
    """Every event, as it was published."""
    next_offset: int = 0
    chain: dict[str, str] = field(default_factory=dict)
    """The SHA-256 of each account's latest event."""

    def __post_init__(self) -> None:
        self.stores = PartitionStores(MemoryStore(self.durable), MemoryStore(self.expiring))
        self.processor = AccountsProcessor(partitions=PARTITIONS)

    def copied(self) -> Self:
        """The partition as after a restart: another processor on the same state, no history."""
        return type(self)(
            durable=dict(self.durable),
            expiring=dict(self.expiring),
            next_offset=self.next_offset,
            chain=dict(self.chain),
        )

    def next_wakeup_ms(self) -> int | None:
        """When the partition wants its next tick."""
        return self.processor.next_wakeup_ms(PARTITION, self.stores)

    def is_due(self, now_ms: int) -> bool:
        """Whether the partition wants a tick by now."""
        wakeup_ms = self.next_wakeup_ms()
        return wakeup_ms is not None and wakeup_ms <= now_ms

    def decide(self, commands: Sequence[Message], at_ms: int) -> Decided:
        """Apply one record that holds the command, or the array if there are several."""
        bodies = [_body(command) for command in commands]
        value = json.dumps(bodies[0] if len(bodies) == 1 else bodies).encode()
        account = bodies[0].get("account")
        key = str(account).encode() if account else None
        return self.apply(
            Record(COMMANDS, PARTITION, self.next_offset, at_ms, key=key, value=value)
        )

    def apply(self, record: Record) -> Decided:
        """Apply one record, and check what every event and reply must keep to."""
        self.log.append(record)
        self.next_offset = record.offset + 1
        outputs = run_record(self.processor, record, self.stores)
        assert outputs is not None
        assert [output.topic for output in outputs.transactional if output.topic != EVENTS] == []
        replies = [Reply.model_validate_json(output.value) for output in outputs.prompt]
        events = [self._published(output) for output in outputs.transactional]
        self._check_digests(outputs.prompt, events)
        return Decided(replies, events)

    def _published(self, output: OutputRecord) -> Event:
        self.published.append(output.value)
        event = EVENT_ADAPTER.validate_json(output.value)
        assert event.seal is not None
        assert event.seal.origin.offset == self.next_offset - 1
        if event.account is not None:
            assert event.seal.previous_hash == self.chain.get(event.account)
            self.chain[event.account] = sha256(output.value).hexdigest()
        return event

    def _check_digests(self, replies: list[OutputRecord], events: list[Event]) -> None:
        digests = {sha256(reply.value).hexdigest() for reply in replies}
        proven = [event.seal.reply_digest for event in events if event.seal is not None]
        assert {digest for digest in proven if digest is not None} <= digests


def _body(command: Message) -> dict[str, object]:
    body: dict[str, object] = json.loads(command.to_json())
    if isinstance(command, SIGNED):
        return sign(body, ISSUER.key_id, ISSUER.private_key)
    return body
