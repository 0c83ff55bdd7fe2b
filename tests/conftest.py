"""Fixtures for every test: the real servers, a broker of one's own, a fresh database."""

import itertools
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from tests.servers import (
    Servers,
    Source,
    chosen_source,
    devstack_kafka,
    devstack_servers,
    run_folder,
)

_TESTS = Path(__file__).parent

# The cheap ones first: a broken rule shows before a server is started.
_FOLDERS = (
    "unit",
    "property",
    "simulation",
    "contract",
    "architecture",
    "integration",
    "e2e",
    "fault",
    "proof",
)


def pytest_report_header() -> str:
    """Say where the servers come from."""
    return f"servers: from {chosen_source()}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the folders in the order of what they need."""
    items.sort(key=lambda item: _FOLDERS.index(item.path.relative_to(_TESTS).parts[0]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests have recorded by `record_property`: how long things took, mostly."""
    recorded = [
        f"{report.nodeid}: {name} {value}"
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        for name, value in getattr(report, "user_properties", ())
        if getattr(report, "when", None) == "call"
    ]
    if recorded:
        terminalreporter.section("recorded")
        for line in recorded:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """This run's folder for servers; those left by killed runs are stopped first."""
    with run_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def servers(server_folder: Path) -> Iterator[Servers]:
    """Kafka, PostgreSQL and Redis for the whole run, empty at its start."""
    if chosen_source() is Source.DOCKER:
        from tests.docker_servers import docker_servers  # testcontainers is slow to import

        with docker_servers() as found:
            yield found
    else:
        with devstack_servers(server_folder / "shared") as found:
            yield found


@pytest.fixture(scope="module")
def own_kafka(server_folder: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """Starts a broker for this module alone and returns its bootstrap server; once a call."""
    name = Path(request.node.path).stem
    numbers = itertools.count(1)
    with ExitStack() as brokers:
        yield lambda: brokers.enter_context(
            devstack_kafka(server_folder / f"{name}-{next(numbers)}")
        )


@pytest.fixture(scope="module")
def fresh_database(servers: Servers) -> Iterator[str]:
    """The DSN of a database that is new and this module's alone; dropped afterwards."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(servers.postgres_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield urlsplit(servers.postgres_dsn)._replace(path=f"/{name}").geturl()
    with psycopg.connect(servers.postgres_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
