"""Processes of the accounts pipeline, each in a slot of its own, that may be killed and stopped."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.accounts_system import AccountsSystem
from tests.service_process import ServiceProcess, free_port, running
from topics.registry import ACCOUNTS_STATE


@contextmanager
def accounts_process(system: AccountsSystem, slot: int = 0) -> Iterator[ServiceProcess]:
    """The process of a slot, from the moment that its partitions are restored."""
    port = free_port()
    with running(
        ["-m", "pipelines.accounts"],
        port,
        system.folder / f"accounts-{slot}-{port}.log",
        {**system.environment, "LEAKY_SLOT": str(slot), "LEAKY_METRICS_PORT": str(port)},
        ready_path="/health/ready",
    ) as process:
        try:
            yield process
        finally:
            if process.process.poll() is None:
                # A stopped process would not notice that it is asked to end.
                process.process.send_signal(signal.SIGCONT)


def state_folder(system: AccountsSystem, slot: int = 0) -> Path:
    """Where the process of a slot keeps its stores."""
    return system.folder / "state" / f"{ACCOUNTS_STATE.group_on_broker(system.prefix)}-{slot}"
