"""Application processes under supervisord: its configuration, its life, and asking it."""

import configparser
import hashlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import Faults, SupervisorTransport

from devstack import processes
from devstack.processes import ProcessRecord
from devstack.server import DevstackError

NEEDS_A_PERSON = 78
"""The exit code after which a process is not started again (EX_CONFIG of sysexits.h)."""

_SUPERVISED_BY = "LEAKY_SUPERVISED_BY"
_ANSWERS_WITHIN_S = 10.0
_POLL_S = 0.05
_MARGIN_S = 5.0


class ProgramState(IntEnum):
    """What supervisord says of a program; the numbers are its protocol's."""

    STOPPED = 0
    STARTING = 10
    RUNNING = 20
    BACKOFF = 30
    STOPPING = 40
    EXITED = 100
    FATAL = 200
    UNKNOWN = 1000


@dataclass(frozen=True)
class Program:
    """One process to keep running."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_within_s: int = 15
    """From SIGTERM to SIGKILL."""


@dataclass(frozen=True)
class ProgramReport:
    """How a program fares."""

    name: str
    state: ProgramState
    pid: int
    exit_code: int
    """Of its last end, 0 if it never ended."""

    @property
    def has_given_up(self) -> bool:
        """Whether it has ended and will not be started again."""
        return self.state in (ProgramState.FATAL, ProgramState.EXITED, ProgramState.STOPPED)


class Supervision:
    """A supervisord of its own for one data folder, and the programs under it."""

    def __init__(self, data_dir: Path, programs: Sequence[Program]) -> None:
        self._folder = data_dir.absolute() / "supervisor"
        self._logs = data_dir.absolute() / "logs"
        self._programs = {program.name: program for program in programs}
        self._configuration = self._folder / "supervisord.conf"
        self._record = self._folder / "supervisord.json"
        self._socket = _socket_path(self._folder)
        self._transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        self._daemon: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """Where supervisord itself reports."""
        return self._logs / "supervisord.log"

    def log_of(self, name: str) -> Path:
        """Where a program's output goes."""
        return self._logs / f"{name}.log"

    def start(self, environment: Mapping[str, str]) -> None:
        """Start supervisord and, through it, every program, each with `environment`.

        Raises DevstackError when supervisord does not come up.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        self._socket.unlink(missing_ok=True)
        with self._configuration.open("w", encoding="utf-8") as file:
            self._written_configuration().write(file)
        command = [sys.executable, "-m", "supervisor.supervisord", "--nodaemon"]
        self._daemon = processes.spawn(
            [*command, "--configuration", str(self._configuration)],
            self._folder,
            self.log,
            {**environment, _SUPERVISED_BY: str(self._configuration)},
        )
        record = ProcessRecord.of(self._daemon.pid, mark=str(self._configuration))
        self._record.write_text(record.model_dump_json(), encoding="utf-8")
        self._wait_until_it_answers(self._daemon)

    def reports(self) -> list[ProgramReport]:
        """Every program's state; raises DevstackError when supervisord does not answer."""
        return [
            ProgramReport(
                name=str(info["name"]),
                state=ProgramState(info["state"]),
                pid=int(info["pid"]),
                exit_code=int(info["exitstatus"]),
            )
            for info in self._ask("getAllProcessInfo")
        ]

    def stop(self, name: str) -> None:
        """SIGTERM, and SIGKILL if it has not left in time; nothing if it does not run."""
        self._ask("stopProcess", name)

    def shut_down(self) -> None:
        """Stop every program that still runs, and supervisord."""
        self._transport.close()
        _stop_daemon(self._record, self._slowest_stop_s())
        if self._daemon is not None:
            self._daemon.wait()
        for orphan in _supervised_by(self._configuration):
            orphan.kill()
        self._socket.unlink(missing_ok=True)

    def stop_survivors(self) -> bool:
        """Stop what a killed run left of this data folder; True if there was something."""
        survived = _stop_daemon(self._record, self._slowest_stop_s())
        for orphan in _supervised_by(self._configuration):
            orphan.kill()
            survived = True
        return survived

    def _slowest_stop_s(self) -> float:
        return max((p.stop_within_s for p in self._programs.values()), default=0) + _MARGIN_S

    def _written_configuration(self) -> configparser.RawConfigParser:
        written = configparser.RawConfigParser()
        written["supervisord"] = {
            "logfile": "/dev/null",  # it also reports on standard output, which goes to `log`
            "logfile_maxbytes": "0",
            "pidfile": _escaped(str(self._folder / "supervisord.pid")),
            "childlogdir": _escaped(str(self._logs)),
        }
        written["unix_http_server"] = {"file": _escaped(str(self._socket)), "chmod": "0700"}
        written["rpcinterface:supervisor"] = {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        }
        for program in self._programs.values():
            written[f"program:{program.name}"] = self._program_section(program)
        return written

    def _program_section(self, program: Program) -> dict[str, str]:
        return {
            "command": _escaped(shlex.join(program.command)),
            "directory": _escaped(str(Path.cwd())),
            "environment": ",".join(
                f'{name}="{_escaped(value)}"' for name, value in program.environment.items()
            ),
            "stdout_logfile": _escaped(str(self.log_of(program.name))),
            "stdout_logfile_maxbytes": "20MB",
            "stdout_logfile_backups": "2",
            "redirect_stderr": "true",
            "startsecs": "1",
            "startretries": "3",
            "autorestart": "unexpected",
            "exitcodes": str(NEEDS_A_PERSON),  # the only end that counts as expected
            "stopsignal": "TERM",
            "stopwaitsecs": str(program.stop_within_s),
            "killasgroup": "true",
        }

    def _wait_until_it_answers(self, daemon: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _ANSWERS_WITHIN_S
        while True:
            try:
                self._ask("getState")
            except DevstackError:
                if daemon.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_S)
            else:
                return

    def _ask(self, method: str, *arguments: str) -> Any:  # noqa: ANN401 - each has its own answer
        daemon = xmlrpc.client.ServerProxy("http://localhost", transport=self._transport)
        try:
            return getattr(daemon.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == Faults.NOT_RUNNING:
                return None
            raise
        except (OSError, xmlrpc.client.ProtocolError) as error:
            self._transport.close()
            raise DevstackError(
                f"supervisord does not answer ({error}). The end of {self.log}:\n"
                f"{processes.last_lines(self.log)}"
            ) from error


def _escaped(value: str) -> str:
    return value.replace("%", "%%")  # supervisord expands %(name)s in every value


def _socket_path(folder: Path) -> Path:
    """A path short enough for a Unix socket (about 100 bytes), the same for the same folder."""
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"leaky-{os.getuid()}-{digest}.sock"


def _stop_daemon(record_file: Path, within_s: float) -> bool:
    """Stop the recorded supervisord, which stops its programs; True if it was running."""
    if not record_file.exists():
        return False
    record = ProcessRecord.model_validate_json(record_file.read_bytes())
    running = record.is_alive()
    processes.stop(record, signal.SIGTERM, within_s)
    record_file.unlink()
    return running


def _supervised_by(configuration: Path) -> Iterator[psutil.Process]:
    """Processes whose environment says that this configuration's supervisord started them."""
    for process in psutil.process_iter():
        try:
            if process.environ().get(_SUPERVISED_BY) == str(configuration):
                yield process
        except psutil.Error:
            continue  # gone meanwhile, or another user's
