"""Reading one partition of a topic from one offset to another, in order and in bounded memory."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as Partition
from confluent_kafka.admin import AdminClient, OffsetSpec

from leaky.failures import ExpectedFailureError
from topics.admin import BrokerUnreachableError
from topics.settings import TopicsSettings

_BATCH = 500
_POLL_S = 0.05
_SILENCE_S = 30.0
_REQUEST_TIMEOUT_S = 10.0
_BUFFER_KIB = 16 * 1024
_SILENT = 0


class LogUnreadableError(ExpectedFailureError):
    """A partition does not have what it must have: a topic is missing, cut off, or held up."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a partition: from offset `begin` to just before `end`."""

    topic: str
    partition: int
    begin: int
    end: int

    @property
    def length(self) -> int:
        """How many offsets it has; records are fewer where transactions left marks."""
        return max(0, self.end - self.begin)


def quiet_admin(settings: TopicsSettings) -> AdminClient:
    """An admin client that writes nothing to the terminal: what fails is raised as well."""
    return AdminClient(
        {"bootstrap.servers": settings.kafka_bootstrap_servers, "log_level": _SILENT}
    )


def partitions_of(settings: TopicsSettings, topic: str) -> int:
    """How many partitions `topic` (its name on the broker) has; raises if there is no such one."""
    try:
        found = quiet_admin(settings).list_topics(timeout=_REQUEST_TIMEOUT_S).topics.get(topic)
    except KafkaException as error:
        raise BrokerUnreachableError(settings, error.args[0]) from error
    if found is None or not found.partitions:
        raise LogUnreadableError(
            f"the broker at {settings.kafka_bootstrap_servers} has no topic {topic}; is this the "
            "right broker, and LEAKY_TOPICS_PREFIX the right prefix?"
        )
    return len(found.partitions)


def whole_spans(
    settings: TopicsSettings, topic: str, partitions: Sequence[int], since_ms: int | None = None
) -> dict[int, Span]:
    """What each partition holds now, open transactions included.

    With `since_ms` only from the first record that is not older (epoch milliseconds).
    """
    ends = _offsets(settings, topic, partitions, OffsetSpec.latest())
    first = OffsetSpec.earliest() if since_ms is None else OffsetSpec.for_timestamp(since_ms)
    begins = _offsets(settings, topic, partitions, first)
    return {
        number: Span(
            topic, number, begins[number] if begins[number] >= 0 else ends[number], ends[number]
        )
        for number in partitions
    }


def _offsets(
    settings: TopicsSettings, topic: str, partitions: Sequence[int], spec: OffsetSpec
) -> dict[int, int]:
    client = quiet_admin(settings)  # kept: its answers never come once it is gone
    answers = client.list_offsets(
        {Partition(topic, number): spec for number in partitions},
        isolation_level=IsolationLevel.READ_UNCOMMITTED,
        request_timeout=_REQUEST_TIMEOUT_S,
    )
    try:
        return {place.partition: answer.result().offset for place, answer in answers.items()}
    except KafkaException as error:
        raise BrokerUnreachableError(settings, error.args[0]) from error


class LogReader:
    """Reads committed records; joins no group and commits nothing. Close it, or use `with`."""

    def __init__(self, settings: TopicsSettings) -> None:
        self._settings = settings
        self._consumer = Consumer(
            {
                "bootstrap.servers": settings.kafka_bootstrap_servers,
                # Required by the client, and never joined: assign() takes partitions by hand.
                "group.id": f"{settings.topics_prefix}leaky",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "log_level": _SILENT,
                "isolation.level": "read_committed",
                "queued.max.messages.kbytes": _BUFFER_KIB,
                "fetch.wait.max.ms": 50,  # the end of a quiet partition is known that much sooner
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._consumer.close()

    def read(self, span: Span) -> Iterator[Message]:
        """The span's committed records, in order; one reader reads one span at a time.

        Waits for transactions that were open when the span was asked for. Raises
        `LogUnreadableError` if one of them stays open, or the log ends before the span does.
        """
        if not span.length:
            return
        self._consumer.assign([Partition(span.topic, span.partition, span.begin)])
        deadline = time.monotonic() + _SILENCE_S
        while True:
            for message in self._consumer.consume(_BATCH, _POLL_S):
                reached = _next_offset(message)
                if message.error() is None and message.offset() < span.end:
                    yield message
                    deadline = time.monotonic() + _SILENCE_S
                if reached >= span.end:
                    return
            if time.monotonic() > deadline:
                raise LogUnreadableError(
                    f"{span.topic}[{span.partition}] gave nothing for {_SILENCE_S:.0f} s before "
                    f"offset {span.end}: a transaction stays open on it, the log ends earlier, or "
                    f"the broker at {self._settings.kafka_bootstrap_servers} does not answer"
                )


def _next_offset(message: Message) -> int:
    """The offset that the partition is read up to by this message, which may say "no more"."""
    error = message.error()
    offset: int = message.offset()
    if error is None:
        return offset + 1
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the code has no other name
        return offset
    raise KafkaException(error)
