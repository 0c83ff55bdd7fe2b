"""A system of one's own on the tests' broker: topics under a prefix, and the accounts pipeline."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from leaky.settings import CommandLineSettings
from schemas.policies import PolicyDocument
from schemas.signing import Issuer
from tests.service_process import ServiceProcess, free_port, running
from topics.issuer_keys import issuer_trusted_by
from topics.published_policies import read_published_policies

PARTITIONS = 3


@dataclass(frozen=True)
class AccountsSystem:
    """Topics that were created, and where they are."""

    bootstrap_servers: str
    prefix: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead our processes here."""
        return {
            "LEAKY_KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "LEAKY_TOPICS_PREFIX": self.prefix,
            "LEAKY_TOPICS_PARTITIONS": str(PARTITIONS),
            "LEAKY_DATA_DIR": str(self.folder),
        }

    @property
    def settings(self) -> CommandLineSettings:
        """The same for the library."""
        return CommandLineSettings(
            log_level="info",
            data_dir=self.folder,
            kafka_bootstrap_servers=self.bootstrap_servers,
            topics_prefix=self.prefix,
            topics_partitions=PARTITIONS,
            topics_replication_factor=1,
            topics_min_insync_replicas=1,
        )

    def policy(self) -> PolicyDocument:
        """The latest published policy."""
        return read_published_policies(self.settings)[-1].document

    def issuer(self) -> Issuer:
        """Who signs privileged commands here."""
        return issuer_trusted_by(self.policy().issuers, self.folder)

    def run(
        self,
        *arguments: str,
        stdin: str | None = None,
        cwd: Path | None = None,
        environment: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """`python ARGUMENTS…` with this system's settings, to its end."""
        clean = {name: value for name, value in os.environ.items() if name[:6] != "LEAKY_"}
        return subprocess.run(
            [sys.executable, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env={**clean, **self.environment, **(environment or {})},
            cwd=cwd,
            check=False,
            timeout=120,
        )

    def leaky(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """`leaky ARGUMENTS…` on this system."""
        return self.run("-m", "leaky", *arguments, stdin=stdin)


def create_system(bootstrap_servers: str, folder: Path) -> AccountsSystem:
    """Topics and the first policy under a prefix that nobody else has."""
    system = AccountsSystem(bootstrap_servers, f"t{uuid.uuid4().hex[:8]}.", folder)
    done = system.run("-m", "topics", "create")
    assert done.returncode == 0, done.stderr
    return system


@contextmanager
def running_pipeline(system: AccountsSystem) -> Iterator[ServiceProcess]:
    """One process of the accounts pipeline, ready; stopped at the end."""
    port = free_port()
    environment = {**system.environment, "LEAKY_METRICS_PORT": str(port)}
    log = system.folder / "accounts.log"
    with running(
        ["-m", "pipelines.accounts"], port, log, environment, ready_path="/health/ready"
    ) as process:
        yield process


def accounts_of_partition(partition: int, count: int) -> Sequence[str]:
    """New accounts that belong to a partition."""
    from topics.partitioning import partition_of_account

    found: list[str] = []
    while len(found) < count:
        account = f"user:{uuid.uuid4()}"
        if partition_of_account(account, PARTITIONS) == partition:
            found.append(account)
    return found
