"""The processes under test: broker, accounts pipeline, echo, two gateways, a bare route."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from rich.console import Console

from devstack.kafka import Kafka
from devstack.ports import LOOPBACK, choose_ports
from devstack.settings import DevstackSettings
from devstack.stack import Devstack

_READY_WITHIN_S = 90.0
_STOPPED_WITHIN_S = 30.0

PIPELINE_PREFIX = "pipeline."
ECHO_PREFIX = "echo."


@dataclass(frozen=True, slots=True)
class System:
    """What runs, where it listens, and the pid of each process by its name in the report."""

    bootstrap_servers: str
    gateway_port: int
    gateway_echo_port: int
    instant_port: int
    pids: Mapping[str, int]


@contextmanager
def running_system(folder: Path, auth_url: str, console: Console) -> Iterator[System]:
    """Start everything below `folder`, whose data it may use up; stop it in any case."""
    names = ("gateway", "gateway-echo", "http", "accounts", "echo")
    ports = choose_ports(dict.fromkeys(names, 0))
    with ExitStack() as stack:
        bootstrap_servers = stack.enter_context(_broker(folder, console))
        shared = {
            "LEAKY_KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
            "LEAKY_DATA_DIR": str(folder),
            "LEAKY_AUTH_URL": auth_url,
            "LEAKY_GATEWAY_ALIAS_PORT": "0",
            "LEAKY_LOG_LEVEL": "warning",
        }
        decided = shared | {"LEAKY_TOPICS_PREFIX": PIPELINE_PREFIX}
        echoed = shared | {"LEAKY_TOPICS_PREFIX": ECHO_PREFIX}
        for environment in (decided, echoed):
            _run(["-m", "topics", "create"], environment)
        pids: dict[str, int] = {}

        def start(name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
            console.print(f"starting {name}")
            pids[name] = stack.enter_context(
                _process(arguments, environment, ports[name], folder / f"{name}.log")
            )

        start(
            "accounts",
            ["-m", "pipelines.accounts"],
            decided | {"LEAKY_METRICS_PORT": str(ports["accounts"])},
        )
        start("echo", ["-m", "bench.echo", str(ports["echo"])], echoed)
        start(
            "gateway",
            ["-m", "gateway"],
            decided | {"LEAKY_GATEWAY_PORT": str(ports["gateway"])},
        )
        start(
            "gateway-echo",
            ["-m", "gateway"],
            echoed | {"LEAKY_GATEWAY_PORT": str(ports["gateway-echo"])},
        )
        start("http", ["-m", "bench.instant", str(ports["http"])], shared)
        yield System(
            bootstrap_servers, ports["gateway"], ports["gateway-echo"], ports["http"], pids
        )


@contextmanager
def _broker(folder: Path, console: Console) -> Iterator[str]:
    settings = DevstackSettings(data_dir=folder, kafka_bootstrap_servers=None)
    stack = Devstack(settings, console, conventional_ports=False, servers=[Kafka(settings)])
    try:
        yield stack.up(owned=True)["LEAKY_KAFKA_BOOTSTRAP_SERVERS"]
    finally:
        stack.down()


def _run(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    subprocess.run(
        [sys.executable, *arguments],
        env=_environment(environment),
        check=True,
        stdout=subprocess.DEVNULL,
    )


@contextmanager
def _process(
    arguments: Sequence[str], environment: Mapping[str, str], port: int, log_file: Path
) -> Iterator[int]:
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env=_environment(environment),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_ready(process, port, log_file)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(_STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log_file: Path) -> None:
    deadline_s = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise RuntimeError(f"ended with {process.returncode}:\n{log_file.read_text()}")
        try:
            if httpx2.get(f"http://{LOOPBACK}:{port}/health/ready", timeout=5).is_success:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"not ready after {_READY_WITHIN_S:g} s:\n{log_file.read_text()}")


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LEAKY_")}
    return clean | dict(own)
