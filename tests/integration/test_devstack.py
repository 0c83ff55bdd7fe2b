"""The devstack on real servers: up, again, crashed, shown, down, and a download that fails."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psycopg
import pytest
import redis
from confluent_kafka.admin import AdminClient
from rich.console import Console

from devstack import state
from devstack.kafka import Kafka
from devstack.ports import LOOPBACK, free_port
from devstack.postgres import Postgres
from devstack.server import DevstackError, Server
from devstack.settings import DevstackSettings
from devstack.stack import Condition, Devstack
from devstack.valkey import Valkey
from tests.servers import Servers

_UP_UNTIL_KILLED = """
import sys
from pathlib import Path
from rich.console import Console
from devstack.settings import DevstackSettings
from devstack.stack import Devstack
settings = DevstackSettings(data_dir=Path(sys.argv[1]))
Devstack(settings, Console(file=sys.stderr), conventional_ports=False).up(owned=True)
print("up", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def embedded_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server from the environment: these tests are about the embedded ones."""
    for server in (Kafka, Postgres, Valkey):
        monkeypatch.delenv(server.setting, raising=False)


@pytest.fixture
def data_dir(tmp_path: Path, embedded_only: None) -> Iterator[Path]:
    """A data folder whose servers are stopped with the test, whoever started them."""
    del embedded_only
    yield tmp_path
    _stack(tmp_path, None).down()


def _stack(data_dir: Path, servers: Sequence[Server] | None) -> Devstack:
    settings = DevstackSettings(data_dir=data_dir)
    console = Console(file=io.StringIO())
    return Devstack(settings, console, conventional_ports=False, servers=servers)


def _pids(data_dir: Path) -> dict[str, int]:
    return {name: run.process.pid for name, run in state.load(data_dir).running.items()}


def _command(name: str, data_dir: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "devstack", name],
        env={**os.environ, "LEAKY_DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_servers_of_the_tests_answer(servers: Servers) -> None:
    metadata = AdminClient({"bootstrap.servers": servers.kafka_bootstrap_servers}).list_topics(
        timeout=10
    )
    assert len(metadata.brokers) >= 1
    with psycopg.connect(servers.postgres_dsn) as connection:
        row = connection.execute("show server_version").fetchone()
        assert row is not None
        assert row[0].startswith("18")
    with redis.Redis.from_url(servers.redis_url) as client:
        assert client.eval("return 40 + 2", 0) == 42


def test_a_fresh_database_is_empty_and_apart(fresh_database: str, servers: Servers) -> None:
    assert fresh_database != servers.postgres_dsn
    with psycopg.connect(fresh_database) as connection:
        tables = connection.execute(
            "select count(*) from information_schema.tables where table_schema = 'public'"
        ).fetchone()
        assert tables == (0,)


def test_a_broker_of_ones_own_is_another_one(
    own_kafka: Callable[[], str], servers: Servers
) -> None:
    mine = own_kafka()
    assert mine != servers.kafka_bootstrap_servers
    assert AdminClient({"bootstrap.servers": mine}).list_topics(timeout=10).topics == {}


def test_servers_of_a_killed_run_are_stopped_by_the_next_up(data_dir: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _UP_UNTIL_KILLED, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == b"up\n"
        killed.send_signal(signal.SIGKILL)
    survivors = {name: run.process for name, run in state.load(data_dir).running.items()}
    assert set(survivors) == {"kafka", "postgres", "valkey"}
    assert all(process.is_alive() for process in survivors.values())

    stack = _stack(data_dir, None)
    stack.up(owned=True)

    assert not any(process.is_alive() for process in survivors.values())
    assert [server.condition for server in stack.status()] == [Condition.UP] * 3
    shown = _command("status", data_dir)
    assert shown.returncode == 0, shown.stdout
    refused = _command("down", data_dir)
    assert refused.returncode == 1
    assert f"belong to process {os.getpid()}" in refused.stderr
    stack.down()


def test_status_of_servers_that_are_down_exits_with_1(data_dir: Path) -> None:
    shown = _command("status", data_dir)
    assert shown.returncode == 1
    assert shown.stdout.count(" down ") == 3


def test_a_second_up_leaves_the_servers_as_they_are(data_dir: Path) -> None:
    first = _stack(data_dir, [Valkey()])
    addresses = first.up(owned=False)
    pids = _pids(data_dir)
    assert _stack(data_dir, [Valkey()]).up(owned=False) == addresses
    assert _pids(data_dir) == pids
    first.down()


def test_an_up_starts_the_server_that_died(data_dir: Path) -> None:
    stack = _stack(data_dir, [Valkey(), Postgres()])
    stack.up(owned=True)
    before = _pids(data_dir)
    os.kill(before["valkey"], signal.SIGKILL)
    os.waitpid(before["valkey"], 0)
    assert [server.condition for server in stack.status()] == [Condition.DOWN, Condition.UP]

    stack.up(owned=True)

    after = _pids(data_dir)
    assert after["valkey"] != before["valkey"]
    assert after["postgres"] == before["postgres"]
    stack.down()


def test_down_leaves_no_process_and_keeps_the_data(data_dir: Path) -> None:
    stack = _stack(data_dir, [Postgres()])
    dsn = stack.up(owned=True)["LEAKY_POSTGRES_DSN"]
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("create table kept (n int)")
    process = state.load(data_dir).running["postgres"].process
    stack.down()
    assert not process.is_alive()
    assert _pids(data_dir) == {}

    dsn = stack.up(owned=True)["LEAKY_POSTGRES_DSN"]
    with psycopg.connect(dsn) as connection:
        connection.execute("select n from kept")
    stack.down()


def test_a_server_named_by_the_environment_is_not_started(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAKY_REDIS_URL", "redis://127.0.0.1:1/0")
    stack = _stack(data_dir, [Valkey()])
    assert stack.up(owned=True) == {"LEAKY_REDIS_URL": "redis://127.0.0.1:1/0"}
    assert _pids(data_dir) == {}
    assert [server.condition for server in stack.status()] == [Condition.UNANSWERING]


def test_a_download_that_fails_names_the_package_and_leaves_nothing(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAKY_MAVEN_REPOSITORY", f"http://{LOOPBACK}:{free_port()}")
    monkeypatch.setenv("LEAKY_CACHE_DIR", str(tmp_path / "cache"))
    settings = DevstackSettings(data_dir=data_dir)
    stack = _stack(data_dir, [Valkey(), Kafka(settings)])
    with pytest.raises(DevstackError, match=r"could not fetch the package org\.apache\.kafka"):
        stack.up(owned=True)
    assert _pids(data_dir) == {}
    assert [path.name for path in (tmp_path / "cache" / "jars").iterdir()] == [".lock"]


def test_a_server_that_ends_while_starting_is_reported_with_its_last_lines(data_dir: Path) -> None:
    class Refusing(Valkey):
        def command(self, folder: Path, ports: object) -> Sequence[str]:
            del ports
            return [sys.executable, "-c", "print('no room'); exit(3)", str(folder)]

    with pytest.raises(DevstackError, match=r"ended with code 3(.|\n)*no room"):
        _stack(data_dir, [Refusing()]).up(owned=True)
    assert _pids(data_dir) == {}
