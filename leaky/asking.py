"""Asking the accounts pipeline: commands onto the log, replies off the reply topic."""

import json
import secrets
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as Partition

from leaky.failures import ExpectedFailureError
from leaky.partition_log import partitions_of, whole_spans
from schemas.commands import AccountCommand
from schemas.replies import Reply
from schemas.signing import Issuer, sign
from topics.envelope import Envelope, parse_envelope
from topics.partitioning import partition_of_account
from topics.registry import ACCOUNTS_COMMANDS, REPLIES
from topics.sending import durable_producer
from topics.settings import TopicsSettings

_POLL_S = 0.1
_FLUSH_S = 31.0
DEFAULT_TIMEOUT_S = 15.0


class NoReplyError(ExpectedFailureError):
    """A command was sent and no answer came in time; it is in the log and will be decided."""


class Asker:
    """Sends commands and collects their replies. Close it, or use `with`.

    It listens on one partition of the reply topic, from its end on, and knows its replies by
    their `request-id`.
    """

    def __init__(self, settings: TopicsSettings) -> None:
        self._topic = ACCOUNTS_COMMANDS.name_on_broker(settings.topics_prefix)
        self.partitions = partitions_of(settings, self._topic)
        replies = REPLIES.name_on_broker(settings.topics_prefix)
        self._reply_partition = secrets.randbelow(partitions_of(settings, replies))
        self._producer = durable_producer(settings)
        self._consumer = Consumer(
            {
                "bootstrap.servers": settings.kafka_bootstrap_servers,
                # Required by the client; nothing is committed, and assign() joins no group.
                "group.id": f"{settings.topics_prefix}leaky",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 50,
            }
        )
        end = whole_spans(settings, replies, [self._reply_partition])[self._reply_partition].end
        self._consumer.assign([Partition(replies, self._reply_partition, end)])
        self._waiting: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._consumer.close()

    @property
    def reply_to(self) -> str:
        """The reply address that a command must carry to be answered here."""
        return f"{REPLIES.name}/{self._reply_partition}"

    def ask(
        self,
        command: AccountCommand,
        issuer: Issuer | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Reply:
        """Send one command, signed if an issuer is given, and wait for its reply."""
        fields = json.loads(command.to_json()) | {"replyTo": self.reply_to}
        if issuer is not None:
            fields = sign(fields, issuer.key_id, issuer.private_key)
        self.send(json.dumps(fields, ensure_ascii=False).encode(), command.account, answers=1)
        return next(reply for _, reply in self.replies(timeout_s))

    def send(
        self, value: bytes, account: str | None, *, answers: int = 0, partition: int | None = None
    ) -> str:
        """Append a commands record to the account's partition; returns its request id.

        `answers`: how many replies it asks for, which `replies` then waits for. `partition`
        overrides where it goes; without an account or a partition any will do.
        """
        request_id = secrets.token_hex(16)
        if partition is None:
            partition = (
                secrets.randbelow(self.partitions)
                if account is None
                else partition_of_account(account, self.partitions)
            )
        if answers:
            self._waiting[request_id] = answers
        self._producer.produce(
            self._topic,
            key=None if account is None else account.encode(),
            value=value,
            partition=partition,
            headers=Envelope(request_id=request_id, correlation_id=request_id).to_headers(),
        )
        self._producer.poll(0)
        return request_id

    def flush(self) -> None:
        """Wait until everything sent is in the log."""
        if unsent := self._producer.flush(_FLUSH_S):
            raise NoReplyError(f"{self._topic} did not take {unsent} records; is the broker well?")

    def replies(self, timeout_s: float = DEFAULT_TIMEOUT_S) -> Iterator[tuple[str, Reply]]:
        """(request id, reply) of everything that was sent with `answers`, as they come.

        Raises `NoReplyError` when nothing more comes for `timeout_s`.
        """
        self.flush()
        deadline = time.monotonic() + timeout_s
        while self._waiting:
            message = self._consumer.poll(_POLL_S)
            if message is None:
                if time.monotonic() > deadline:
                    raise NoReplyError(self._silence(timeout_s))
                continue
            if error := message.error():
                raise KafkaException(error)
            request_id = parse_envelope(message.headers()).request_id or ""
            if request_id not in self._waiting:
                continue
            self._waiting[request_id] -= 1
            if not self._waiting[request_id]:
                del self._waiting[request_id]
            deadline = time.monotonic() + timeout_s
            yield request_id, Reply.model_validate_json(message.value() or b"")

    def _silence(self, timeout_s: float) -> str:
        return (
            f"no reply came in {timeout_s:g} s, {sum(self._waiting.values())} are outstanding: is "
            f"the accounts pipeline running? The commands are in {self._topic} and will be decided."
        )
