"""Where the tests' Kafka, PostgreSQL and Redis come from: environment, Docker or the devstack."""

import fcntl
import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from rich.console import Console

from devstack.kafka import Kafka
from devstack.settings import DevstackSettings
from devstack.stack import Devstack

_SLOTS = Path(__file__).parent.parent / ".leaky" / "tests"
_DOCKER_SOCKET = Path("/var/run/docker.sock")
_DOCKER_ANSWERS_WITHIN_S = 3


@dataclass(frozen=True)
class Servers:
    """Addresses of servers that answer."""

    kafka_bootstrap_servers: str
    postgres_dsn: str
    redis_url: str

    def environment(self) -> dict[str, str]:
        """The settings that lead our processes to these servers."""
        return {
            "LEAKY_KAFKA_BOOTSTRAP_SERVERS": self.kafka_bootstrap_servers,
            "LEAKY_POSTGRES_DSN": self.postgres_dsn,
            "LEAKY_REDIS_URL": self.redis_url,
        }


class Source(StrEnum):
    """Who provides the servers of a test run."""

    ENVIRONMENT = "the environment, what it leaves out from the devstack"
    DOCKER = "Docker (testcontainers)"
    DEVSTACK = "the devstack"


@cache
def chosen_source() -> Source:
    """The environment if it names a server, else Docker if it answers, else the devstack."""
    settings = DevstackSettings()
    if settings.kafka_bootstrap_servers or settings.postgres_dsn or settings.redis_url:
        return Source.ENVIRONMENT
    return Source.DOCKER if _docker_answers() else Source.DEVSTACK


def _docker_answers() -> bool:
    if "DOCKER_HOST" not in os.environ and not _DOCKER_SOCKET.exists():
        return False
    import docker  # comes with testcontainers; slow to import

    try:
        client = docker.from_env(timeout=_DOCKER_ANSWERS_WITHIN_S)
    except docker.errors.DockerException:
        return False
    client.close()  # it asked the engine for its version, so the engine answers
    return True


@contextmanager
def run_folder() -> Iterator[Path]:
    """A folder for this run's servers, having stopped those that killed runs left behind.

    Runs beside each other get a folder each. A folder is taken as long as a living process holds
    its lock, so that of a killed run is free at once, and the servers in it are survivors.
    """
    for number in itertools.count():
        with _locked(_SLOTS / str(number)) as mine:
            if mine is None:
                continue
            _stop_survivors(mine)
            for other in _SLOTS.iterdir():
                if other != mine:
                    with _locked(other) as free:
                        if free is not None:
                            _stop_survivors(free)
            yield mine
            return


@contextmanager
def _locked(slot: Path) -> Iterator[Path | None]:
    slot.mkdir(parents=True, exist_ok=True)
    with (slot / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield slot


def _stop_survivors(slot: Path) -> None:
    for state_file in slot.glob("*/devstack.json"):
        with _quiet(state_file.parent) as console:
            Devstack(DevstackSettings(data_dir=state_file.parent), console).down()
        shutil.rmtree(state_file.parent)


@contextmanager
def devstack_servers(data_dir: Path) -> Iterator[Servers]:
    """Every server that the environment does not name, embedded, on free ports."""
    with _quiet(data_dir) as console:
        settings = DevstackSettings(data_dir=data_dir)
        stack = Devstack(settings, console, conventional_ports=False)
        try:
            addresses = stack.up(owned=True)
            yield Servers(
                kafka_bootstrap_servers=addresses["LEAKY_KAFKA_BOOTSTRAP_SERVERS"],
                postgres_dsn=addresses["LEAKY_POSTGRES_DSN"],
                redis_url=addresses["LEAKY_REDIS_URL"],
            )
        finally:
            stack.down()


@contextmanager
def devstack_kafka(data_dir: Path) -> Iterator[str]:
    """One embedded broker more, whatever the environment names; its bootstrap server."""
    with _quiet(data_dir) as console:
        settings = DevstackSettings(data_dir=data_dir, kafka_bootstrap_servers=None)
        stack = Devstack(settings, console, conventional_ports=False, servers=[Kafka(settings)])
        try:
            yield stack.up(owned=True)["LEAKY_KAFKA_BOOTSTRAP_SERVERS"]
        finally:
            stack.down()


@contextmanager
def _quiet(data_dir: Path) -> Iterator[Console]:
    """A console that writes to `devstack.log` in the data folder."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "devstack.log").open("a", encoding="utf-8") as log:
        yield Console(file=log, width=160)
