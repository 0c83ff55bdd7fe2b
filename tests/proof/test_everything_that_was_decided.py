"""After the whole run: `leaky verify` of every system that the tests have left on their broker.

Runs last. Systems on brokers of their own are gone by then, and their tests verify them.
"""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from leaky.asking import Asker
from leaky.verification.verify import NothingToVerifyError, verify
from schemas.commands import Consume
from tests.integration.accounts_system import AccountsSystem, create_system, running_pipeline
from tests.servers import Servers
from topics.registry import ACCOUNTS_COMMANDS, ACCOUNTS_EVENTS
from topics.settings import TopicsSettings

_REQUEST_TIMEOUT_S = 30.0


@pytest.fixture
def last_system(servers: Servers, tmp_path: Path) -> AccountsSystem:
    """A system that has decided something: there is one even if this test runs alone."""
    system = create_system(servers.kafka_bootstrap_servers, tmp_path)
    with running_pipeline(system) as process, Asker(system.settings) as asker:
        command = Consume(
            command_id="last", account=f"user:{uuid.uuid4()}", provider="openai", tokens=1
        )
        asker.ask(command, timeout_s=60)
        assert process.terminate() == 0
    return system


@pytest.mark.timeout(600)
def test_every_system_of_the_run_decided_what_its_log_says(
    last_system: AccountsSystem, record_property: Callable[[str, object], None]
) -> None:
    verified, differences = {}, {}
    for prefix in _prefixes(last_system.bootstrap_servers):
        settings = TopicsSettings(
            kafka_bootstrap_servers=last_system.bootstrap_servers, topics_prefix=prefix
        )
        try:
            report = verify(settings)
        except NothingToVerifyError:
            continue  # topics alone, or a copied log: no pipeline has decided anything there
        verified[prefix] = report.commands
        if not report.is_clean:
            differences[prefix] = [str(each) for each in report.differences[:3]]
    record_property("systems verified", len(verified))
    record_property("commands verified", sum(verified.values()))
    assert differences == {}
    assert last_system.prefix in verified


def _prefixes(bootstrap_servers: str) -> list[str]:
    """The prefixes under which the broker has both topics of an accounts pipeline."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    names = admin.list_topics(timeout=_REQUEST_TIMEOUT_S).topics.keys()
    return sorted(
        prefix
        for prefix in (name.removesuffix(ACCOUNTS_COMMANDS.name) for name in names)
        if {ACCOUNTS_COMMANDS.name_on_broker(prefix), ACCOUNTS_EVENTS.name_on_broker(prefix)}
        <= names
    )
