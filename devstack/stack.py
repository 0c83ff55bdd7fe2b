"""The servers together: brought up side by side, found again, shown, taken down."""

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rich.console import Console

from devstack import processes, state
from devstack.kafka import Kafka
from devstack.ports import choose_ports
from devstack.postgres import Postgres
from devstack.processes import ProcessRecord
from devstack.server import DevstackError, Server
from devstack.settings import DevstackSettings
from devstack.state import ServerRun
from devstack.valkey import Valkey

_READY_WITHIN_S = 120.0
_POLL_S = 0.1
_COLLECT_WITHIN_S = 5.0


class Condition(StrEnum):
    """How a server is found."""

    UP = "up"
    DOWN = "down"
    UNANSWERING = "not answering"


@dataclass(frozen=True)
class ServerStatus:
    """One line of `devstack status`."""

    title: str
    condition: Condition
    address: str
    pid: int | None
    """None if it is down or not started here."""
    log: Path | None
    """None if it is not started here."""


class Devstack:
    """The servers of one data folder.

    `conventional_ports=False` takes any free ports, for stacks beside another one. `servers`
    replaces the full set, for a stack of one broker.
    """

    def __init__(
        self,
        settings: DevstackSettings,
        console: Console,
        *,
        conventional_ports: bool = True,
        servers: Sequence[Server] | None = None,
    ) -> None:
        self._settings = settings
        self._console = console
        self._data_dir = settings.data_dir.absolute()
        self._conventional_ports = conventional_ports
        everything: list[Server] = [Postgres(), Valkey(), Kafka(settings)]
        self._servers = everything if servers is None else list(servers)
        self._state = state.StackState()
        self._state_lock = threading.Lock()
        self._abandon = threading.Event()
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def up(self, *, owned: bool) -> dict[str, str]:
        """Make every server answer; the settings that lead to them, by environment variable.

        With `owned` the servers belong to this process: when it has gone, the next `up` on the
        data folder takes them for survivors and stops them. Servers that already run and answer
        stay as they are. Raises DevstackError, having stopped what it started, if one cannot be
        had or if another living process owns the servers.
        """
        with state.one_command_at_a_time(self._data_dir):
            self._state = state.load(self._data_dir)
            self._refuse_if_owned_by_another()
            if self._state.owner is not None and not self._state.owner.is_alive():
                self._stop_survivors()
            embedded = [server for server in self._servers if not self._external(server)]
            missing = [server for server in embedded if not self._is_up(server)]
            if owned and len(missing) == len(embedded):
                self._state.owner = ProcessRecord.of(os.getpid(), mark="")
            self._start_all(missing)
            for server in self._servers:
                if self._external(server):
                    self._say(f"{server.title}: using {server.setting} from the environment")
                elif server not in missing:
                    self._say(f"{server.title}: already up at {self._address(server)}")
            return self.addresses()

    def addresses(self) -> dict[str, str]:
        """Each server's address by its environment variable, after `up`."""
        return {server.setting: self._address(server) for server in self._servers}

    def down(self) -> None:
        """Stop every server of the data folder that this stack may have started."""
        with state.one_command_at_a_time(self._data_dir):
            self._state = state.load(self._data_dir)
            self._stop([server for server in self._servers if server.name in self._state.running])
            if not self._state.running:
                self._state.owner = None
                state.save(self._data_dir, self._state)

    def owner_pid(self) -> int | None:
        """The living process that the running servers belong to, None if there is none."""
        owner = state.load(self._data_dir).owner
        return owner.pid if owner is not None and owner.is_alive() else None

    def status(self) -> list[ServerStatus]:
        """Every server's condition now, found by a real request to each."""
        self._state = state.load(self._data_dir)
        return [self._status_of(server) for server in self._servers]

    def log_of(self, server: Server) -> Path:
        """Where the server's output goes."""
        return self._data_dir / "logs" / f"{server.name}.log"

    def _status_of(self, server: Server) -> ServerStatus:
        external = self._external(server)
        run = self._state.running.get(server.name)
        if external is None and (run is None or not run.process.is_alive()):
            return ServerStatus(server.title, Condition.DOWN, "", None, self.log_of(server))
        address = self._address(server)
        condition = Condition.UP if _answers(server, address) else Condition.UNANSWERING
        if external is not None or run is None:
            return ServerStatus(server.title, condition, address, None, None)
        return ServerStatus(server.title, condition, address, run.process.pid, self.log_of(server))

    def _external(self, server: Server) -> str | None:
        return self._settings.external_address(server.name)

    def _address(self, server: Server) -> str:
        return self._external(server) or server.address(self._state.running[server.name].ports)

    def _is_up(self, server: Server) -> bool:
        run = self._state.running.get(server.name)
        return (
            run is not None
            and run.process.is_alive()
            and _answers(server, server.address(run.ports))
        )

    def _refuse_if_owned_by_another(self) -> None:
        owner = self._state.owner
        if owner is not None and owner.pid != os.getpid() and owner.is_alive():
            raise DevstackError(
                f"the servers of {self._data_dir} belong to process {owner.pid}, which runs: stop "
                "it first, or set LEAKY_DATA_DIR to another folder for a second system"
            )

    def _stop_survivors(self) -> None:
        survivors = [
            server
            for server in self._servers
            if (run := self._state.running.get(server.name)) and run.process.is_alive()
        ]
        if survivors:
            self._say("servers of a run that ended without stopping them are still there")
            self._stop(survivors)
        self._state.owner = None

    def _start_all(self, servers: Sequence[Server]) -> None:
        """Start servers side by side; all of them or, stopped again, none."""
        if not servers:
            state.save(self._data_dir, self._state)
            return
        self._abandon.clear()
        with ThreadPoolExecutor(len(servers)) as pool:
            starts = [pool.submit(self._start, server) for server in servers]
            try:
                for start in starts:
                    start.result()
            except BaseException:
                self._abandon.set()
                pool.shutdown(wait=True)
                self._stop([server for server in servers if server.name in self._state.running])
                raise

    def _start(self, server: Server) -> None:
        began = time.monotonic()
        self._stop([server] if server.name in self._state.running else [])
        folder = self._data_dir / "servers" / server.name
        folder.mkdir(parents=True, exist_ok=True)
        ports = self._choose_ports(server)
        server.prepare(folder, ports, self._console)
        if self._abandon.is_set():
            return
        child = processes.spawn(server.command(folder, ports), folder, self.log_of(server))
        run = ServerRun(process=ProcessRecord.of(child.pid, mark=str(folder)), ports=ports)
        with self._state_lock:
            self._children[server.name] = child
            self._state.running[server.name] = run
            self._state.last_ports[server.name] = ports
            state.save(self._data_dir, self._state)
        self._wait_until_it_answers(server, child, server.address(ports))
        self._say(
            f"{server.title}: up at {server.address(ports)} "
            f"after {time.monotonic() - began:.1f} s{self._moved(server, ports)}"
        )

    def _choose_ports(self, server: Server) -> dict[str, int]:
        last = self._state.last_ports.get(server.name, {})
        wanted = {
            name: conventional if self._conventional_ports else last.get(name, 0)
            for name, conventional in server.conventional_ports.items()
        }
        return choose_ports(wanted)

    def _moved(self, server: Server, ports: dict[str, int]) -> str:
        """A note on conventional ports that were taken, for the line about the start."""
        if not self._conventional_ports:
            return ""
        taken = [
            str(port) for name, port in server.conventional_ports.items() if ports[name] != port
        ]
        return f" ({', '.join(taken)} taken by another program)" if taken else ""

    def _wait_until_it_answers(
        self, server: Server, child: subprocess.Popen[bytes], address: str
    ) -> None:
        deadline = time.monotonic() + _READY_WITHIN_S
        while not self._abandon.is_set():
            if _answers(server, address):
                return
            log = self.log_of(server)
            if child.poll() is not None:
                raise DevstackError(
                    f"{server.title} ended with code {child.returncode} while starting. "
                    f"The end of {log}:\n{processes.last_lines(log)}"
                )
            if time.monotonic() > deadline:
                raise DevstackError(
                    f"{server.title} did not answer at {address} within {_READY_WITHIN_S:.0f} s. "
                    f"The end of {log}:\n{processes.last_lines(log)}"
                )
            time.sleep(_POLL_S)

    def _stop(self, servers: Sequence[Server]) -> None:
        """Stop the recorded processes of `servers` side by side and forget them."""
        if not servers:
            return
        with ThreadPoolExecutor(len(servers)) as pool:
            list(pool.map(self._stop_one, servers))

    def _stop_one(self, server: Server) -> None:
        process = self._state.running[server.name].process
        if process.is_alive():
            by_itself = processes.stop(process, server.stop_signal, server.stop_grace_s)
            self._say(f"{server.title}: {'stopped' if by_itself else 'killed, it did not stop'}")
        with self._state_lock:
            child = self._children.pop(server.name, None)
            del self._state.running[server.name]
            state.save(self._data_dir, self._state)
        if child is not None:
            with suppress(subprocess.TimeoutExpired):
                child.wait(_COLLECT_WITHIN_S)  # it has ended; this collects its exit code

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def _answers(server: Server, address: str) -> bool:
    try:
        server.check(address)
    except Exception:  # noqa: BLE001 - each client has errors of its own, all say "no answer"
        return False
    return True
