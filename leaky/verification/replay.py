"""Deciding a partition's commands again, by the code that decided them, into an empty state."""

from collections.abc import Iterable

from confluent_kafka import Message

from leaky.verification.expiring_store import ForgettingStore
from leaky.verification.published import PublishedEvent
from pipelines.accounts.processor import AccountsProcessor
from pipelines.runtime.position import run_record
from pipelines.runtime.processor import OutputRecord, Record
from schemas.dead_letters import DeadLetterReason
from schemas.outcomes import Outcome
from state.store import MemoryStore, PartitionStores
from topics.registry import ACCOUNTS_COMMANDS, ACCOUNTS_EVENTS


class ReplayFailedError(RuntimeError):
    """Deciding a record again ended the replay, where the running pipeline went on."""


class AnswerCount:
    """Counts the commands that got an answer; a `pipelines.accounts.tally.Tally`."""

    def __init__(self) -> None:
        self.answers = 0

    def answered(self, command: str, outcome: Outcome, *, replayed: bool) -> None:  # noqa: ARG002 - all count alike
        self.answers += 1

    def buried(self, reason: DeadLetterReason) -> None:
        """Dead letters have answers of their own, or none."""


class PartitionReplay:
    """Decides one partition's records in order. `partitions`: how many the topic has."""

    def __init__(self, partition: int, partitions: int) -> None:
        self._partition = partition
        self._count = AnswerCount()
        self._failures: dict[tuple[int, int, int], str] = {}
        self._expiring = ForgettingStore()
        self._stores = PartitionStores(durable=MemoryStore(), expiring=self._expiring)
        self._processor = AccountsProcessor(partitions, self._count, self._failures)

    @property
    def answers(self) -> int:
        """How many commands got an answer so far, whether or not they asked for it."""
        return self._count.answers

    def events_of(
        self, message: Message, published: Iterable[PublishedEvent]
    ) -> list[OutputRecord]:
        """Apply a commands record; the events that it causes.

        Where `published` records that deciding a command raised, it is not decided, so that the
        replay meets the same gap. Raises `ReplayFailedError`.
        """
        self._failures.clear()
        offset = message.offset()
        for event in published:
            failure = event.failure()
            if failure is not None and event.place is not None and event.place[0] == offset:
                place, sort = failure
                self._failures[self._partition, offset, place] = sort
        timestamp_ms = message.timestamp()[1]
        self._expiring.at(timestamp_ms)
        record = Record(
            ACCOUNTS_COMMANDS.name,
            self._partition,
            offset,
            timestamp_ms,
            message.key(),
            message.value(),
            message.headers() or (),
        )
        try:
            outputs = run_record(self._processor, record, self._stores)
        except Exception as error:
            raise ReplayFailedError(f"{type(error).__name__}: {error}") from error
        if outputs is None:
            return []
        return [each for each in outputs.transactional if each.topic == ACCOUNTS_EVENTS.name]
