"""The thread that reads this worker's partition of the reply topic."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, KafkaException, Message, TopicPartition

from service.logging import get_logger
from topics.envelope import REQUEST_ID

logger = get_logger(__name__)

Replies = list[tuple[str, bytes]]
"""Request ids and the bodies of their replies."""

_POLL_S = 0.1
_BATCH = 500
_LOOK_UP_S = 5.0
_RETRY_S = 0.5


class ReplyInbox:
    """Consumes one partition from its end, by assignment: no group, no offsets, no rebalances.

    Hands over those replies whose request id starts with `prefix`, a batch at a time, from its
    own thread. Replies to other workers that share the partition are passed over.
    """

    def __init__(
        self,
        connection: dict[str, Any],
        address: tuple[str, int],
        prefix: str,
        hand_over: Callable[[Replies], None],
    ) -> None:
        self._connection = connection
        self._topic, self._partition = address
        self._prefix = prefix.encode()
        self._hand_over = hand_over
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reply-inbox", daemon=True)

    def start(self) -> None:
        """Start reading; `ready` says when no later reply can be missed."""
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether the place to read from is fixed and the thread reads."""
        return self._ready.is_set() and self._thread.is_alive()

    def close(self) -> None:
        """Stop reading and wait for the thread."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        consumer = Consumer(
            {
                **self._connection,
                "group.id": "gateway-replies",  # demanded by the client, used by nothing
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "latest",
                "isolation.level": "read_uncommitted",
                "fetch.wait.max.ms": 500,
                "fetch.error.backoff.ms": 50,
                "queued.max.messages.kbytes": 8192,
            }
        )
        try:
            if self._assign(consumer):
                self._ready.set()
                while not self._stopping.is_set():
                    self._read(consumer)
        except Exception:
            logger.exception("the reply inbox stopped reading")
        finally:
            consumer.close()

    def _assign(self, consumer: Consumer) -> bool:
        """Fix the offset to read from before any command leaves; False when stopped before."""
        place = TopicPartition(self._topic, self._partition)
        while not self._stopping.is_set():
            try:
                _, end = consumer.get_watermark_offsets(place, timeout=_LOOK_UP_S)
            except KafkaException as error:
                logger.warning("the reply topic does not answer", error=str(error))
                self._stopping.wait(_RETRY_S)
                continue
            place.offset = end if end >= 0 else OFFSET_END
            consumer.assign([place])
            return True
        return False

    def _read(self, consumer: Consumer) -> None:
        # consume() would wait for a full batch: wait for one record, then take what is there.
        first = consumer.poll(_POLL_S)
        if first is None:
            return
        replies = self._mine((first, *consumer.consume(_BATCH, 0)))
        if replies:
            self._hand_over(replies)

    def _mine(self, messages: Sequence[Message]) -> Replies:
        replies = []
        for message in messages:
            error = message.error()
            if error is not None:
                logger.warning("reading replies failed for now", error=error.str())
                continue
            for name, value in message.headers() or ():
                if name == REQUEST_ID and value is not None and value.startswith(self._prefix):
                    replies.append((value.decode(), message.value() or b""))
        return replies
