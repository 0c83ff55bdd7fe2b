"""The examples, as a stranger would run them, against a running accounts pipeline."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.accounts_system import AccountsSystem, create_system, running_pipeline
from tests.servers import Servers

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def system(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AccountsSystem]:
    """A system whose accounts pipeline runs."""
    system = create_system(servers.kafka_bootstrap_servers, tmp_path_factory.mktemp("system"))
    with running_pipeline(system):
        yield system


def _run(system: AccountsSystem, *command: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name[:6] != "LEAKY_"}
    where = {"KAFKA": system.bootstrap_servers, "TOPICS_PREFIX": system.prefix}
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**clean, **where, "PYTHON": sys.executable},
        check=False,
        timeout=120,
    )


PROGRAMS = {
    "Python": (sys.executable, str(EXAMPLES / "consume.py")),
    "shell": ("sh", str(EXAMPLES / "consume.sh")),
}


@pytest.mark.parametrize("language", PROGRAMS)
def test_an_example_gets_its_tokens_and_then_is_told_that_there_are_none(
    language: str, system: AccountsSystem
) -> None:
    account = f"user:{uuid.uuid4()}"
    granted = _run(system, *PROGRAMS[language], account, "openai", "120")
    assert granted.returncode == 0, granted.stdout + granted.stderr
    reply = json.loads(granted.stdout)
    assert (reply["outcome"], reply["account"], reply["tokens"]) == ("granted", account, 120)
    refused = _run(system, *PROGRAMS[language], account, "openai", "1001")
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert json.loads(refused.stdout)["outcome"] == "exceeds-capacity"


def test_no_example_imports_anything_of_ours() -> None:
    source = (EXAMPLES / "consume.py").read_text()
    imported = {line.split()[1].split(".")[0] for line in source.splitlines() if "import " in line}
    ours = {"schemas", "topics", "state", "pipelines", "gateway", "leaky", "service", "devstack"}
    assert not imported & ours
