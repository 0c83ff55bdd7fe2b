"""Server processes: started apart from the terminal, recognised later, stopped within a bound."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
from pydantic import BaseModel

_POLL_S = 0.05
_KILLED_WITHIN_S = 5.0
# psutil derives start times from the machine's boot time, which moves when the clock is set.
_START_TIME_TOLERANCE_S = 2.0
_PREVIOUS_LOG = ".previous"


class ProcessRecord(BaseModel, frozen=True):
    """What is kept of a process, enough to tell it from a later one that got the same pid."""

    pid: int
    started_at: float
    """Seconds since the epoch."""
    mark: str
    """Text that its command line contains; a path of its own for a server."""

    @classmethod
    def of(cls, pid: int, mark: str) -> "ProcessRecord":
        """Record the living process `pid`; raises psutil.NoSuchProcess when there is none."""
        return cls(pid=pid, started_at=psutil.Process(pid).create_time(), mark=mark)

    def is_alive(self) -> bool:
        """Whether this very process runs; one that ended and waits for its parent does not."""
        try:
            process = psutil.Process(self.pid)
            if (
                process.status() == psutil.STATUS_ZOMBIE
                or abs(process.create_time() - self.started_at) > _START_TIME_TOLERANCE_S
            ):
                return False
            command_line = process.cmdline()
            # A process that is just ending has lost its command line already.
            return not command_line or any(self.mark in argument for argument in command_line)
        except (psutil.NoSuchProcess, psutil.AccessDenied):  # another user's is not ours
            return False


def spawn(
    command: Sequence[str], folder: Path, log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own, its output in `log`, the log before kept beside it.

    Its own session, because Ctrl-C reaches every process of the terminal at once, and servers
    must outlive the applications that are using them.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_name(log.name + _PREVIOUS_LOG))
    with log.open("wb") as output:
        return subprocess.Popen(
            list(command),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )


def stop(record: ProcessRecord, stop_signal: signal.Signals, grace_s: float) -> bool:
    """End a process: `stop_signal`, then SIGKILL to its session after `grace_s` seconds.

    True if it left by itself. Does nothing to a process that has gone or is another one.
    """
    if not record.is_alive():
        return True
    os.kill(record.pid, stop_signal)
    if _gone_within(record, grace_s):
        return True
    try:
        os.killpg(record.pid, signal.SIGKILL)  # `spawn` made it the leader of its group
    except ProcessLookupError:
        return True
    _gone_within(record, _KILLED_WITHIN_S)
    return False


def _gone_within(record: ProcessRecord, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while record.is_alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log file, for a message about a process that failed."""
    if not log.exists():
        return f"({log} was never written)"
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])
