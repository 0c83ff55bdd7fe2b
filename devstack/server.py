"""What the stack must know of a server to run it; each server is one module beside this one."""

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console


class DevstackError(Exception):
    """A server cannot be had; the message says which, why, and what to do."""


class Server(Protocol):
    """One embedded server: how it is laid out, started, asked and stopped.

    `folder` is the server's own data folder, an absolute path that exists and stays the same
    between starts. `ports` maps the names of `conventional_ports` to the ports chosen this time.
    """

    name: str
    title: str
    conventional_ports: Mapping[str, int]
    setting: str
    """The environment variable that names the server's address."""
    stop_signal: signal.Signals
    """The signal that makes it finish its work and leave without waiting for its clients."""
    stop_grace_s: float
    """Seconds it may take to stop before it is killed."""

    def prepare(self, folder: Path, ports: Mapping[str, int], console: Console) -> None:
        """Fetch what it runs on, write its configuration, lay out its data the first time.

        Raises DevstackError when something cannot be fetched or laid out.
        """

    def command(self, folder: Path, ports: Mapping[str, int]) -> Sequence[str]:
        """The argument list that runs it in the foreground; some argument contains `folder`."""

    def address(self, ports: Mapping[str, int]) -> str:
        """What its clients connect to, as `setting` has it."""

    def check(self, address: str) -> None:
        """Make one real request of it; raises whatever its client raises if it does not answer."""
