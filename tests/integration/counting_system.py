"""The counting pipeline with its own topics on a broker, as tests drive it."""

import json
import signal
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from tests.integration.counting_pipeline import ALL_TOPICS, COMMANDS, EVENTS, OWNER, REPLIES
from tests.service_process import ServiceProcess, free_port, running
from topics.admin import create_topics
from topics.registry import Topic
from topics.settings import TopicsSettings

PARTITIONS = 4
WAIT_S = 60.0


def wait_for(condition: Callable[[], bool], what: str, timeout_s: float = WAIT_S) -> None:
    """Return when the condition holds; fail with `what` when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} within {timeout_s:g} s"
        time.sleep(0.05)


@dataclass
class CountingSystem:
    """One set of topics; `slot` processes of the pipeline are started on it."""

    bootstrap_servers: str
    folder: Path
    prefix: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:8]}.")
    entry_ttl_ms: int = 3_600_000

    def __post_init__(self) -> None:
        self.producer = Producer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "partitioner": "murmur2_random",
                "linger.ms": 1,
            }
        )

    @property
    def group(self) -> str:
        return OWNER.group_on_broker(self.prefix)

    def environment(self, slot: int = 0) -> dict[str, str]:
        return {
            "LEAKY_KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "LEAKY_TOPICS_PREFIX": self.prefix,
            "LEAKY_TOPICS_PARTITIONS": str(PARTITIONS),
            "LEAKY_DATA_DIR": str(self.folder),
            "LEAKY_SLOT": str(slot),
            "ENTRY_TTL_MS": str(self.entry_ttl_ms),
        }

    def state_folder(self, slot: int = 0) -> Path:
        return self.folder / "state" / f"{self.group}-{slot}"

    def create_topics(self, topics: Sequence[Topic] = ALL_TOPICS) -> None:
        settings = TopicsSettings(
            kafka_bootstrap_servers=self.bootstrap_servers,
            topics_prefix=self.prefix,
            topics_partitions=PARTITIONS,
        )
        create_topics(settings, topics)

    @contextmanager
    def process(self, slot: int = 0, ready_path: str = "/health/ready") -> Iterator[ServiceProcess]:
        """The pipeline's process, from the moment that its partitions are restored."""
        port = free_port()
        log_file = self.folder / f"slot-{slot}-{port}.log"
        with running(
            ["-m", "tests.integration.counting_pipeline"],
            port,
            log_file,
            {**self.environment(slot), "LEAKY_METRICS_PORT": str(port)},
            ready_path,
        ) as process:
            try:
                yield process
            finally:
                # A stopped process would not notice that it is asked to end.
                if process.process.poll() is None:
                    process.process.send_signal(signal.SIGCONT)

    def send(self, *commands: dict[str, Any], partition: int | None = None) -> None:
        """Send each command as a record of its own, keyed by its account."""
        for command in commands:
            self._produce(command, command.get("account", "").encode(), partition)
        self.producer.flush(WAIT_S)

    def send_array(self, commands: list[dict[str, Any]]) -> None:
        """Send all commands in one record."""
        self._produce(commands, commands[0]["account"].encode(), None)
        self.producer.flush(WAIT_S)

    def produce_soon(self, command: dict[str, Any]) -> None:
        """Queue a command without waiting for the broker."""
        self._produce(command, command["account"].encode(), None)
        self.producer.poll(0)

    def events(self) -> list[dict[str, Any]]:
        """Every committed event."""
        return self._read(EVENTS)

    def replies(self) -> list[dict[str, Any]]:
        """Every reply."""
        return self._read(REPLIES)

    def commands(self) -> list[dict[str, Any]]:
        """Every record of the input that is one command."""
        return self._read(COMMANDS)

    def wait_for_events(self, count: int) -> list[dict[str, Any]]:
        """The committed events, once there are `count` of them."""
        found: list[dict[str, Any]] = []

        def enough() -> bool:
            found[:] = self.events()
            return len(found) >= count

        wait_for(enough, f"{count} events")
        return found

    def _produce(self, value: object, key: bytes, partition: int | None) -> None:
        topic, encoded = COMMANDS.name_on_broker(self.prefix), json.dumps(value).encode()
        if partition is None:
            self.producer.produce(topic, encoded, key)
        else:
            self.producer.produce(topic, encoded, None, partition)

    def _read(self, topic: Topic) -> list[dict[str, Any]]:
        name = topic.name_on_broker(self.prefix)
        reader = Consumer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "group.id": "reader",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 10,
            }
        )
        reader.assign([TopicPartition(name, number, 0) for number in range(PARTITIONS)])
        values: list[dict[str, Any]] = []
        ended: set[int] = set()
        while len(ended) < PARTITIONS:
            for message in reader.consume(1_000, 0.1):
                error = message.error()
                if error is None:
                    values.append(json.loads(message.value()))
                else:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    ended.add(message.partition())
        reader.close()
        return values
