"""Drives a topic of commands and waits for the replies, as a direct producer would."""

import time
from collections import deque
from collections.abc import Sequence
from itertools import count, cycle

from confluent_kafka import Consumer, Producer, TopicPartition

from bench.measure import Load, Stopwatch
from schemas.commands import Consume
from topics.envelope import REQUEST_ID
from topics.partitioning import PARTITIONER

_REPLY_PARTITION = 0
_ANSWERED_WITHIN_S = 20.0


class KafkaDriver:
    """Sends `consume` commands of one token, for one account after the other."""

    def __init__(
        self, bootstrap_servers: str, topics_prefix: str, accounts: Sequence[str], name: str
    ) -> None:
        self._commands = f"{topics_prefix}accounts.commands"
        self._name = name
        self._accounts = cycle(accounts)
        self._ids = count()
        self._due: dict[bytes, float] = {}
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "enable.idempotence": True,
                "linger.ms": 0,
                "max.in.flight.requests.per.connection": 1,
                "partitioner": PARTITIONER,
                "delivery.report.only.error": True,
            }
        )
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": "bench",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 100,
            }
        )
        replies = TopicPartition(f"{topics_prefix}replies", _REPLY_PARTITION)
        _, replies.offset = self._consumer.get_watermark_offsets(replies, timeout=10)
        self._consumer.assign([replies])

    def run(self, load: Load) -> list[float]:
        watch = Stopwatch()
        if load.in_flight:
            self._closed_loop(watch, load.in_flight)
        else:
            self._open_loop(watch, load.rate_per_s or 0)
        self._drain(watch)
        return watch.latencies_s

    def close(self) -> None:
        self._producer.flush(10)
        self._consumer.close()

    def _closed_loop(self, watch: Stopwatch, in_flight: int) -> None:
        for _ in range(in_flight):
            self._send(time.perf_counter())
        while (now_s := time.perf_counter()) < watch.ends_s:
            for _ in range(self._receive(watch, 0.1)):
                self._send(now_s)
                now_s = time.perf_counter()

    def _open_loop(self, watch: Stopwatch, rate_per_s: int) -> None:
        due = deque(watch.began_s + n / rate_per_s for n in range(int(10 * rate_per_s)))
        while (now_s := time.perf_counter()) < watch.ends_s:
            while due and due[0] <= now_s:
                self._send(due.popleft())
            self._receive(watch, max(0.0, due[0] - time.perf_counter()) if due else 0.1)

    def _drain(self, watch: Stopwatch) -> None:
        """Wait for what is under way, so that it is not counted as another run's."""
        deadline_s = time.perf_counter() + _ANSWERED_WITHIN_S
        while self._due and time.perf_counter() < deadline_s:
            self._receive(watch, 0.1)
        if self._due:
            raise RuntimeError(f"{len(self._due)} commands were not answered")

    def _send(self, due_s: float) -> None:
        number = next(self._ids)
        request_id = b"%s-%d" % (self._name.encode(), number)
        account = next(self._accounts)
        command = (
            f'{{"type":"{_TYPE}","version":1,"commandId":"{self._name}-{number}",'
            f'"replyTo":"replies/{_REPLY_PARTITION}","account":"{account}",'
            f'"provider":"openai","tokens":1}}'
        )
        self._due[request_id] = due_s
        self._producer.produce(
            self._commands, command.encode(), account.encode(), headers=[(REQUEST_ID, request_id)]
        )
        self._producer.poll(0)

    def _receive(self, watch: Stopwatch, timeout_s: float) -> int:
        """Take in what has come, waiting at most `timeout_s` for the first; how many it was."""
        received = 0
        message = self._consumer.poll(timeout_s)
        while message is not None:
            if message.error():
                raise RuntimeError(str(message.error()))
            now_s = time.perf_counter()
            for name, value in message.headers() or ():
                if name == REQUEST_ID and isinstance(value, bytes):
                    due_s = self._due.pop(value, None)
                    if due_s is not None:
                        watch.answered(due_s, now_s)
                        received += 1
            message = self._consumer.poll(0)
        return received


_TYPE = Consume.model_fields["type"].default
