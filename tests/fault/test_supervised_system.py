"""The whole system as `leaky run` starts it: a killed process comes back, Ctrl-C leaves nothing."""

import os
import shlex
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from leaky.run import RUN_ENVIRONMENT
from tests.e2e.proof import require_verified, settings_from
from tests.integration.gateway_system import CONSUME, PASSWORD
from tests.servers import Servers

_WITHIN_S = 180.0
_POLL_S = 0.1
_PORTS = ("GATEWAY", "GATEWAY_ALIAS", "AUTH", "QWEN", "GEMINI", "OPENAI", "METRICS")


@pytest.fixture
def system(servers: Servers, fresh_database: str, tmp_path: Path) -> Iterator["RunningSystem"]:
    environment = {
        **servers.environment(),
        "LEAKY_POSTGRES_DSN": fresh_database,
        "LEAKY_TOPICS_PREFIX": f"run{uuid.uuid4().hex[:8]}.",
        "LEAKY_DATA_DIR": str(tmp_path / "data"),
        **{f"LEAKY_{name}_PORT": "0" for name in _PORTS},
    }
    inherited = {name: value for name, value in os.environ.items() if name[:6] != "LEAKY_"}
    with (tmp_path / "run.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "leaky", "run"],
            env={**inherited, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    system = RunningSystem(process, environment, tmp_path)
    try:
        system.wait_until_it_runs()
        yield system
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(_WITHIN_S)


class RunningSystem:
    """A `leaky run` on the tests' servers, with topics and a database of its own."""

    def __init__(
        self, process: subprocess.Popen[bytes], environment: dict[str, str], folder: Path
    ) -> None:
        self.process = process
        self.environment = environment
        self._folder = folder

    def log(self) -> str:
        """What it has printed so far."""
        return (self._folder / "run.log").read_text()

    def wait_until_it_runs(self) -> None:
        """Return when it has left its settings for other terminals; they are kept here."""
        self.wait(lambda: "ready after" in self.log(), "the system to run")
        for line in (self._folder / "data" / RUN_ENVIRONMENT).read_text().splitlines():
            name, _, quoted = line.partition("=")
            (self.environment[name],) = shlex.split(quoted)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _WITHIN_S
        while not condition():
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, f"waited for {what}:\n{self.log()}"
            time.sleep(_POLL_S)

    def processes(self) -> list[psutil.Process]:
        """Everything that it has started."""
        return list(psutil.Process(self.process.pid).children(recursive=True))

    def accounts_process(self) -> psutil.Process | None:
        """The process that decides, if one runs."""
        for process in self.processes():
            try:
                if "pipelines.accounts" in process.cmdline():
                    return process
            except psutil.NoSuchProcess:
                continue
        return None


@pytest.mark.timeout(600)
def test_a_killed_accounts_process_is_started_again_and_an_interrupt_leaves_no_process(
    system: RunningSystem, record_property: Callable[[str, object], None]
) -> None:
    gateway = system.environment["LEAKY_GATEWAY_URL"]
    ada = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}
    registered = httpx2.post(
        f"{system.environment['LEAKY_AUTH_URL']}/api/v1/auth/register", json=ada, timeout=60
    ).json()

    def is_granted() -> bool:
        answer = httpx2.post(
            gateway + CONSUME,
            json={"userId": registered["userId"], "provider": "openai", "tokens": 1},
            headers={"Authorization": f"Bearer {registered['token']}"},
            timeout=60,
        )
        return answer.status_code == 200

    system.wait(is_granted, "the first grant")
    killed = system.accounts_process()
    assert killed is not None
    killed.kill()
    killed_at = time.monotonic()
    system.wait(is_granted, "a grant after the kill")
    record_property("granting again after seconds", round(time.monotonic() - killed_at, 1))
    again = system.accounts_process()
    assert again is not None
    assert again.pid != killed.pid

    started = system.processes()
    system.process.send_signal(signal.SIGINT)
    assert system.process.wait(_WITHIN_S) == 0, system.log()
    assert [process for process in started if process.is_running()] == []
    require_verified(settings_from(system.environment))
