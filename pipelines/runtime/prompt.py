"""Records that leave at once: replies, commands to other pipelines, ticks.

A producer of its own, outside the checkpoint's transaction, because readers of a commands or a
reply topic would wait for every transaction that is open on it. What leaves here is a function of
the log, so a crash before the checkpoint sends the same record again.
"""

import logging

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from pipelines.runtime.failures import PromptDeliveryError
from pipelines.runtime.processor import OutputRecord

logger = logging.getLogger(__name__)

_NOBODY_THERE = KafkaError._UNKNOWN_PARTITION  # noqa: SLF001 - librdkafka's own code
"""A reply address is a client's word: one that names no partition loses its reply, not ours."""

FLUSH_TIMEOUT_S = 10.0


class PromptProducer:
    """An idempotent, non-transactional producer; safe to `send` with from several threads."""

    def __init__(self, connection: dict[str, str], client_id: str, topics_prefix: str) -> None:
        self._prefix = topics_prefix
        self._failure: PromptDeliveryError | None = None
        self._undeliverable = 0
        self._producer = Producer(
            {
                **connection,
                "client.id": client_id,
                "enable.idempotence": True,
                # Nothing waits for company, but what comes while a request is under way goes with
                # the next one; more requests at a time make the client's thread spin (ADR 0036).
                "linger.ms": 0,
                "max.in.flight.requests.per.connection": 1,
                "partitioner": "murmur2_random",
                "queue.buffering.max.messages": 1_000_000,
                # Successes need no callback: a reply that arrived is no news.
                "delivery.report.only.error": True,
                "logger": logger,
            }
        )

    @property
    def undeliverable(self) -> int:
        """How many records were dropped because their address named no partition."""
        return self._undeliverable

    def send(self, output: OutputRecord) -> None:
        """Queue one record. Raises `PromptDeliveryError` if it, or an earlier one, cannot go."""
        while True:
            try:
                if output.partition is None:
                    self._producer.produce(
                        self._prefix + output.topic,
                        output.value,
                        output.key,
                        headers=output.headers or None,
                        on_delivery=self._delivered,
                    )
                else:
                    self._producer.produce(
                        self._prefix + output.topic,
                        output.value,
                        output.key,
                        output.partition,
                        self._delivered,
                        headers=output.headers or None,
                    )
                return
            except BufferError:
                self._producer.poll(0.1)
                self.raise_for_failure()
            except KafkaException as error:
                self._failed(output.topic, error.args[0])
                self.raise_for_failure()
                return

    def poll(self) -> None:
        """Serve delivery reports; raises the first permanent failure among them."""
        self._producer.poll(0)
        if self._failure is not None:
            raise self._failure

    def raise_for_failure(self) -> None:
        """Raise the first permanent failure, if there was one."""
        if self._failure is not None:
            raise self._failure

    def flush(self) -> None:
        """Wait until everything queued has been delivered, or raise."""
        left = self._producer.flush(FLUSH_TIMEOUT_S)
        self.raise_for_failure()
        if left:
            raise PromptDeliveryError("any topic", f"{left} records left after the flush")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed(message.topic(), error)

    def _failed(self, topic: str, error: KafkaError) -> None:
        if error.code() == _NOBODY_THERE:
            self._undeliverable += 1
            logger.warning("dropped a record for %s: %s", topic, error.str())
        elif self._failure is None:
            self._failure = PromptDeliveryError(topic, error.str())
