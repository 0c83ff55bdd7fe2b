"""The producers of commands, and the thread that serves them."""

import threading
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from service.logging import get_logger
from topics.partitioning import PARTITIONER

logger = get_logger(__name__)

Headers = list[tuple[str, bytes]]
OnDelivery = Callable[[KafkaError | None, Message], None]

_SERVE_INTERVAL_S = 0.02
_PROBE_TIMEOUT_S = 1.0
_DURABLE_FOR_MS = 60_000


class QueueFullError(Exception):
    """The producer holds as many records as it may."""


class Publisher:
    """Sends commands with all replicas' acknowledgement, each record once.

    Two producers: what waits for an answer is dropped when it could not leave within the
    answer's deadline; what must not be lost (settle, void) is tried for a minute. The first
    reports no deliveries, since a reply says more and each report costs the event loop a switch
    of threads.
    """

    def __init__(
        self, connection: dict[str, Any], topic: str, linger_ms: float, deadline_ms: int
    ) -> None:
        self._topic = topic
        shared = {
            **connection,
            "acks": "all",
            "enable.idempotence": True,
            "partitioner": PARTITIONER,
            "linger.ms": linger_ms,
            "queue.buffering.max.messages": 100_000,
            "queue.buffering.max.kbytes": 65_536,
            "error_cb": self._on_error,
        }
        self._prompt = Producer({**shared, "message.timeout.ms": deadline_ms})
        self._durable = Producer({**shared, "message.timeout.ms": _DURABLE_FOR_MS})
        self._suspect = threading.Event()
        self._trouble: str | None = None
        self._fatal: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="publisher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        """Why nothing can be sent at the moment; None when all is well."""
        return self._fatal or self._trouble

    def send(self, key: bytes, value: bytes, headers: Headers) -> None:
        """Queue a command that is worth nothing after its deadline. Raises `QueueFullError`."""
        self._produce(self._prompt, key, value, headers)

    def send_durably(
        self, key: bytes, value: bytes, headers: Headers, on_delivery: OnDelivery
    ) -> None:
        """Queue a command that must arrive; `on_delivery` is called from another thread."""
        self._produce(self._durable, key, value, headers, on_delivery)

    def close(self, timeout_s: float) -> int:
        """Send what is queued, then stop. Returns how many records were left unsent."""
        left: int = self._durable.flush(timeout_s) + self._prompt.flush(min(timeout_s, 1.0))
        self._stopping.set()
        self._thread.join()
        return left

    def _produce(
        self,
        producer: Producer,
        key: bytes,
        value: bytes,
        headers: Headers,
        on_delivery: OnDelivery | None = None,
    ) -> None:
        try:
            if on_delivery is None:
                producer.produce(self._topic, value, key, headers=headers)
            else:
                producer.produce(self._topic, value, key, headers=headers, on_delivery=on_delivery)
        except BufferError as error:
            raise QueueFullError(str(error)) from None
        except KafkaException as error:
            raise QueueFullError(error.args[0].str()) from None

    def _serve(self) -> None:
        # At intervals, not blocking: a blocking poll returns for every few acknowledgements and
        # competes with the event loop for the interpreter thousands of times a second.
        while not self._stopping.wait(_SERVE_INTERVAL_S):
            self._prompt.poll(0)
            self._durable.poll(0)
            if self._suspect.is_set():
                self._probe()

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._fatal = f"the producer cannot go on: {error.str()}"
            logger.critical("the producer cannot go on", error=error.str())
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - its public name
            # Also said when a broker closes an idle connection: ask before believing it.
            self._suspect.set()

    def _probe(self) -> None:
        try:
            self._prompt.list_topics(self._topic, timeout=_PROBE_TIMEOUT_S)
        except KafkaException as error:
            if self._trouble is None:
                logger.error("no broker can be reached", error=str(error))
            self._trouble = "no broker can be reached"
        else:
            if self._trouble is not None:
                logger.info("a broker can be reached again")
            self._trouble = None
            self._suspect.clear()
