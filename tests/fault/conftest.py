"""Fixtures of the fault tests."""

from pathlib import Path

import pytest

from tests.integration.accounts_system import AccountsSystem, create_system
from tests.servers import Servers


@pytest.fixture
def system(servers: Servers, tmp_path: Path) -> AccountsSystem:
    """Topics and the first policy under a prefix of the test's own."""
    return create_system(servers.kafka_bootstrap_servers, tmp_path)
