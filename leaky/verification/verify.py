"""Proving a system right: its log decided again, every published event compared.

A live system is verified up to the offsets that its pipeline had committed when the verification
began. A checkpoint commits a command's offset and its events in one transaction, so up to there
both are complete, or will be as soon as the transaction's marks are written.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Message,
)
from confluent_kafka import TopicPartition as Partition
from confluent_kafka.admin import AdminClient

from leaky.failures import ExpectedFailureError
from leaky.partition_log import (
    LogReader,
    LogUnreadableError,
    Span,
    partitions_of,
    quiet_admin,
    whole_spans,
)
from leaky.verification.chains import Chains
from leaky.verification.comparison import (
    Difference,
    DifferenceKind,
    broken_chain,
    compare,
    unexpected,
)
from leaky.verification.published import PublishedEvent, PublishedEvents
from leaky.verification.replay import PartitionReplay, ReplayFailedError
from leaky.verification.report import VerifyReport
from topics.admin import BrokerUnreachableError
from topics.registry import ACCOUNTS_COMMANDS, ACCOUNTS_EVENTS, ACCOUNTS_STATE
from topics.settings import TopicsSettings

_REQUEST_TIMEOUT_S = 30.0
_SETTLED_WITHIN_S = 30.0
_POLL_S = 0.05

Progress = Callable[[int, int], None]
"""Told (records verified so far, records in all), now and then."""

_TELL_EVERY = 500


class NothingToVerifyError(ExpectedFailureError):
    """The pipeline has committed nothing: there is nothing that must be complete."""


@dataclass(frozen=True, slots=True)
class _PartitionSpans:
    """What is read of one partition: its commands, and its events as of the beginning."""

    commands: Span
    events: Span


def verify(
    settings: TopicsSettings,
    *,
    partition: int | None = None,
    whole_log: bool = False,
    progress: Progress | None = None,
) -> VerifyReport:
    """Replay `accounts.commands` and compare `accounts.events` with what it says, byte for byte.

    Ends at the offsets that the accounts pipeline has committed; with `whole_log` at the log's
    end, for topics that no pipeline works on. Only `partition`, if one is named. Raises
    `NothingToVerifyError`, `LogUnreadableError` or `BrokerUnreachableError`.
    """
    began = time.perf_counter()
    topic = ACCOUNTS_COMMANDS.name_on_broker(settings.topics_prefix)
    partitions = partitions_of(settings, topic)
    chosen = range(partitions) if partition is None else [partition]
    if not set(chosen) <= set(range(partitions)):
        raise LogUnreadableError(f"{topic} has partitions 0 to {partitions - 1}, not {partition}")
    spans = _spans(settings, topic, chosen, whole_log=whole_log)
    report = VerifyReport(partitions=len(chosen))
    total = sum(each.commands.length for each in spans)
    with LogReader(settings) as commands, LogReader(settings) as events:
        for each in spans:
            verification = _PartitionVerification(report, each, partitions)
            published = PublishedEvents(events.read(each.events))
            for _ in verification.run(commands.read(each.commands), published):
                if progress is not None and report.records % _TELL_EVERY == 0:
                    progress(report.records, total)
    report.seconds = time.perf_counter() - began
    if progress is not None:
        progress(report.records, total)
    return report


class _PartitionVerification:
    """Decides one partition again beside its events."""

    def __init__(self, report: VerifyReport, spans: _PartitionSpans, partitions: int) -> None:
        self._report = report
        self._partition = spans.commands.partition
        self._end = spans.commands.end
        self._replay = PartitionReplay(self._partition, partitions)
        self._chains = Chains()
        report.ends[self._partition] = self._end

    def run(self, commands: Iterator[Message], published: PublishedEvents) -> Iterator[None]:
        """Do it, one record a turn; what is found goes into the report."""
        for message in commands:
            self._report.records += 1
            if not self._one(message, published.up_to(message.offset())):
                break
            yield
        else:
            for event in published.rest():
                self._behind(event)
        self._report.commands += self._replay.answers
        self._report.chains += len(self._chains)
        self._report.chain_links += self._chains.links
        self._report.reply_digests += self._chains.reply_digests

    def _one(self, message: Message, published: Sequence[PublishedEvent]) -> bool:
        """Whether the record could be decided again."""
        offset: int = message.offset()
        self._report.events += len(published)
        try:
            expected = self._replay.events_of(message, published)
        except ReplayFailedError as error:
            self._report.note(
                Difference(
                    DifferenceKind.REPLAY_FAILED,
                    self._partition,
                    offset,
                    None,
                    None,
                    "that the record can be decided again",
                    f"{len(published)} events, but deciding it raised {error}",
                )
            )
            return False
        for difference in compare(self._partition, offset, expected, list(published)):
            self._report.note(difference)
        for event in published:
            self._follow(event)
        return True

    def _behind(self, event: PublishedEvent) -> None:
        """An event behind those of the last command: of later commands, or of none."""
        if event.place is None or event.place[0] < self._end:
            self._report.events += 1
            self._report.note(unexpected(self._partition, event))
        else:
            self._report.events_behind += 1
        self._follow(event)

    def _follow(self, event: PublishedEvent) -> None:
        broken = self._chains.follow(event)
        if broken is not None:
            self._report.note(broken_chain(self._partition, event, *broken))


def _spans(
    settings: TopicsSettings, topic: str, partitions: Sequence[int], *, whole_log: bool
) -> list[_PartitionSpans]:
    committed = None if whole_log else _committed(settings, topic, partitions)
    # Asked after the committed offsets: what those commands caused stands in front of these ends.
    commands = whole_spans(settings, topic, partitions)
    events = whole_spans(
        settings, ACCOUNTS_EVENTS.name_on_broker(settings.topics_prefix), partitions
    )
    for span in (*commands.values(), *events.values()):
        if span.begin > 0:
            raise LogUnreadableError(
                f"{span.topic}[{span.partition}] begins at offset {span.begin}: its first records "
                "were deleted, and an account's state cannot be proven without them"
            )
    return [
        _PartitionSpans(
            commands=Span(
                topic, number, 0, commands[number].end if committed is None else committed[number]
            ),
            events=events[number],
        )
        for number in partitions
    ]


def _committed(settings: TopicsSettings, topic: str, partitions: Sequence[int]) -> dict[int, int]:
    """The next offset to decide of each partition; 0 where nothing was committed."""
    group = ACCOUNTS_STATE.group_on_broker(settings.topics_prefix)
    client = quiet_admin(settings)  # kept: its answers never come once it is gone
    offsets: dict[int, int] = {}
    deadline = time.monotonic() + _SETTLED_WITHIN_S
    while unsettled := [number for number in partitions if number not in offsets]:
        if time.monotonic() > deadline:
            raise LogUnreadableError(
                f"the group {group} has no stable offset for partitions {unsettled} of {topic}: a "
                f"transaction has been open for {_SETTLED_WITHIN_S:.0f} s"
            )
        places = [Partition(topic, each) for each in unsettled]
        try:
            offsets |= _stable_offsets(client, ConsumerGroupTopicPartitions(group, places))
        except KafkaException as error:
            raise BrokerUnreachableError(settings, error.args[0]) from error
        if len(offsets) < len(partitions):
            time.sleep(_POLL_S)
    if not any(offsets.values()):
        raise NothingToVerifyError(
            f"the consumer group {group} has committed nothing of {topic}: expected an accounts "
            "pipeline that has run. Start it, or give --whole-log to compare up to the log's end."
        )
    return offsets


def _stable_offsets(client: AdminClient, request: ConsumerGroupTopicPartitions) -> dict[int, int]:
    """The committed offsets, but for partitions whose next one is just being committed.

    The broker answers for each partition by itself: without a look at its error, one with a
    commit under way could not be told from one without any.
    """
    answers = client.list_consumer_group_offsets(
        [request], require_stable=True, request_timeout=_REQUEST_TIMEOUT_S
    )
    offsets = {}
    for place in answers[request.group_id].result().topic_partitions:
        if place.error is None:
            offsets[place.partition] = max(0, place.offset)
        elif place.error.code() != KafkaError.UNSTABLE_OFFSET_COMMIT:
            raise KafkaException(place.error)
    return offsets
