"""Fixtures of the fault tests, and the times that they recorded, below the results."""

from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter

from tests.integration.accounts_system import AccountsSystem, create_system
from tests.servers import Servers


@pytest.fixture
def system(servers: Servers, tmp_path: Path) -> AccountsSystem:
    """Topics and the first policy under a prefix of the test's own."""
    return create_system(servers.kafka_bootstrap_servers, tmp_path)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
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
