"""Runs one of our services as the process it is, for as long as a test needs it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

# Generous: on a busy machine an interpreter with our libraries takes long to start.
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class ServiceProcess:
    """A started process, the address it answers at, and the file its stderr goes to."""

    process: subprocess.Popen[bytes]
    port: int
    log_file: Path

    @property
    def url(self) -> str:
        """Base address without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def log(self) -> str:
        """Everything written to stdout and stderr so far."""
        return self.log_file.read_text()

    def terminate(self) -> int:
        """Send SIGTERM, wait for the end, return the exit code."""
        self.process.terminate()
        return self.process.wait(STOP_TIMEOUT_S)


def free_port() -> int:
    """A port nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    arguments: Sequence[str],
    port: int,
    log_file: Path,
    env: Mapping[str, str] | None = None,
    ready_path: str = "/health/live",
) -> Iterator[ServiceProcess]:
    """`python ARGUMENTS…` once it answers 200 at `ready_path`; stopped at the end in any case."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LEAKY_")}
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment | dict(env or {}),
        )
    service = ServiceProcess(process, port, log_file)
    try:
        _wait_until_ready(service, ready_path)
        yield service
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(service: ServiceProcess, ready_path: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if service.process.poll() is not None:
            raise RuntimeError(f"ended with {service.process.returncode}:\n{service.log()}")
        try:
            if httpx2.get(service.url + ready_path, timeout=10).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"not ready after {START_TIMEOUT_S:g} s:\n{service.log()}")
