"""A pipeline to try the runtime with: it counts the records of each account.

A value is a JSON object, or an array of them. `{"account": …, "id": …, "replyTo": partition}`
counts, publishes an event and replies; `"wakeInMs": n` asks for a tick n milliseconds later;
`{"work": n}` leaves n pieces of work, of which every tick does one; `{"kib": n}` writes a state
value of n KiB; `{"break": true}` raises. A repeated id is answered with its first count.
"""

import os
import sys
from collections.abc import Iterable

import msgspec

from pipelines.runtime.processor import OutputRecord, Outputs, Record
from pipelines.runtime.run import run_pipeline
from pipelines.runtime.settings import RuntimeSettings
from state.store import PartitionStores
from topics.registry import ChangelogTopic, Routing, StateOwner, Topic

ENTRY_TTL_MS = int(os.environ.get("ENTRY_TTL_MS", "2000"))
_WAKE_KEY = b"!wake"
_WORK_KEY = b"!work"


class CountCommand(msgspec.Struct, rename="camel"):
    """What the counting pipeline understands."""

    account: str = ""
    id: str = ""
    reply_to: int | None = None
    wake_in_ms: int = 0
    work: int = 0
    kib: int = 0
    tick: bool = False
    break_: bool = msgspec.field(default=False, name="break")


_DECODE = msgspec.json.Decoder(CountCommand | list[CountCommand]).decode
_ENCODE = msgspec.json.Encoder().encode


def _topic(name: str, config: dict[str, str]) -> Topic:
    return Topic(
        name=name,
        summary="for tests",
        key="account",
        carries=None,
        routing=Routing.BY_KEY,
        config={"cleanup.policy": "delete", "retention.ms": "-1", **config},
        producers=frozenset(),
        consumers=frozenset(),
    )


COMMANDS = _topic("counting.commands", {})
EVENTS = _topic("counting.events", {})
REPLIES = _topic("counting.replies", {})
OWNER = StateOwner(
    package="tests.counting",
    group="counting",
    input=COMMANDS,
    stores=("default", "recent-commands"),
)
CHANGELOGS = tuple(
    ChangelogTopic(
        name=f"changelog__{OWNER.group}--{COMMANDS.name}--{store}",
        summary="for tests",
        key="the store's key",
        config={"cleanup.policy": "compact"},
        producers=frozenset(),
        consumers=frozenset(),
        owner=OWNER,
        store=store,
    )
    for store in OWNER.stores
)
ALL_TOPICS: tuple[Topic, ...] = (COMMANDS, EVENTS, REPLIES, *CHANGELOGS)


class CountingProcessor:
    """A `Processor` whose state is one number an account, and an entry an id."""

    def process(self, record: Record, now_ms: int, stores: PartitionStores) -> Outputs:
        outputs = Outputs()
        decoded = _DECODE(record.value or b"{}")
        commands = decoded if isinstance(decoded, list) else [decoded]
        for index, command in enumerate(commands):
            self._one(record, index, command, now_ms, stores, outputs)
        return outputs

    def next_wakeup_ms(self, partition: int, stores: PartitionStores) -> int | None:  # noqa: ARG002
        wake = stores.durable.get(_WAKE_KEY)
        return int(wake) if wake else None

    def forget(self, partition: int) -> None:
        """It has no caches."""

    def _one(
        self,
        record: Record,
        index: int,
        command: CountCommand,
        now_ms: int,
        stores: PartitionStores,
        outputs: Outputs,
    ) -> None:
        if command.break_:
            raise ZeroDivisionError("the command said so")
        if command.tick:
            self._tick(now_ms, stores, outputs, record)
            return
        if command.wake_in_ms:
            stores.durable.set(_WAKE_KEY, b"%d" % (now_ms + command.wake_in_ms))
        if command.work:
            stores.durable.set(_WORK_KEY, b"%d" % command.work)
            stores.durable.set(_WAKE_KEY, b"%d" % now_ms)
        if command.kib:
            stores.durable.set(b"big", b"x" * (command.kib * 1024))
        key = command.account.encode()
        entry_key = command.id.encode()
        known = stores.expiring.get(entry_key)
        count = int(known) if known else int(stores.durable.get(key) or b"0") + 1
        if not known:
            stores.durable.set(key, b"%d" % count)
            stores.expiring.set(entry_key, b"%d" % count, ENTRY_TTL_MS)
            event = {
                "account": command.account,
                "id": command.id,
                "count": count,
                "partition": record.partition,
                "offset": record.offset,
                "index": index,
            }
            outputs.transactional.append(OutputRecord(EVENTS.name, key, _ENCODE(event)))
        if command.reply_to is not None:
            reply = {"id": command.id, "count": count}
            outputs.prompt.append(
                OutputRecord(REPLIES.name, None, _ENCODE(reply), record.headers, command.reply_to)
            )

    def _tick(self, now_ms: int, stores: PartitionStores, outputs: Outputs, record: Record) -> None:
        wake = stores.durable.get(_WAKE_KEY)
        if wake is None or int(wake) > now_ms:
            return
        work = int(stores.durable.get(_WORK_KEY) or b"0")
        if work > 1:
            stores.durable.set(_WORK_KEY, b"%d" % (work - 1))
        else:
            stores.durable.delete(_WORK_KEY)
            stores.durable.delete(_WAKE_KEY)
        event = {"woke": int(wake), "at": now_ms, "partition": record.partition}
        outputs.transactional.append(OutputRecord(EVENTS.name, None, _ENCODE(event), (), 0))


def tick_record(partition: int) -> OutputRecord:
    """The tick of one partition."""
    return OutputRecord(COMMANDS.name, None, b'{"tick":true}', (), partition)


def main(arguments: Iterable[str]) -> int:
    """Run the pipeline; its settings come from the environment."""
    del arguments
    return run_pipeline(
        OWNER, lambda _: CountingProcessor(), tick_record, RuntimeSettings.load(), ALL_TOPICS
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
