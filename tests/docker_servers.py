"""The servers from official images, for machines with a Docker engine."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from testcontainers.core.container import DockerContainer

from devstack.kafka import SINGLE_BROKER_SETTINGS, Kafka
from devstack.ports import LOOPBACK, free_port
from devstack.postgres import Postgres
from devstack.server import Server
from devstack.settings import DevstackSettings
from devstack.valkey import Valkey
from tests.servers import Servers

_READY_WITHIN_S = 120.0
_POLL_S = 0.2


@contextmanager
def docker_servers() -> Iterator[Servers]:
    """One container a server, each answering; removed at the end."""
    kafka, postgres, valkey = Kafka(DevstackSettings()), Postgres(), Valkey()
    with ExitStack() as running:
        broker = free_port()
        running.enter_context(_kafka_container(broker))
        sql = running.enter_context(
            DockerContainer("postgres:18")
            .with_env("POSTGRES_USER", "leaky")
            .with_env("POSTGRES_HOST_AUTH_METHOD", "trust")
            .with_exposed_ports(5432)
        )
        redis = running.enter_context(DockerContainer("valkey/valkey:9").with_exposed_ports(6379))
        servers = Servers(
            kafka_bootstrap_servers=kafka.address({"broker": broker}),
            postgres_dsn=postgres.address({"sql": int(sql.get_exposed_port(5432))}),
            redis_url=valkey.address({"redis": int(redis.get_exposed_port(6379))}),
        )
        _wait_until_it_answers(kafka, servers.kafka_bootstrap_servers)
        _wait_until_it_answers(postgres, servers.postgres_dsn)
        _wait_until_it_answers(valkey, servers.redis_url)
        yield servers


def _kafka_container(port: int) -> DockerContainer:
    # A broker tells its clients where to connect, so the port outside is the port inside.
    container = DockerContainer("apache/kafka:4.1.1").with_bind_ports(port, port)
    settings = {
        "node.id": "1",
        "process.roles": "broker,controller",
        "controller.quorum.voters": "1@localhost:9093",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://:{port},CONTROLLER://:9093",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    }
    for name, value in {**settings, **SINGLE_BROKER_SETTINGS}.items():
        container.with_env("KAFKA_" + name.replace(".", "_").upper(), value)
    return container


def _wait_until_it_answers(server: Server, address: str) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while True:
        try:
            server.check(address)
        except Exception:  # each client has errors of its own; the last one is the reason
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)
        else:
            return
