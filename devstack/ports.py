"""Choosing TCP ports on the loopback address."""

import random
import socket
from collections.abc import Mapping

LOOPBACK = "127.0.0.1"

# Below the ranges from which systems take the ports of outgoing connections (Linux: 32768 up),
# so that a port found free is not taken by a client before its server binds it.
_FREE_RANGE = range(20_000, 32_000)
_ATTEMPTS = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port(exclude: frozenset[int] = frozenset()) -> int:
    """A free port outside `exclude`; raises OSError when none was found."""
    for port in random.sample(_FREE_RANGE, _ATTEMPTS):
        if port not in exclude and is_free(port):
            return port
    raise OSError(f"no free port among {_ATTEMPTS} tried from {_FREE_RANGE}")


def choose_ports(wanted: Mapping[str, int]) -> dict[str, int]:
    """For each name its wanted port if that is free, else another free one; 0 wants any."""
    chosen: dict[str, int] = {}
    for name, port in wanted.items():
        if port and port not in chosen.values() and is_free(port):
            chosen[name] = port
        else:
            chosen[name] = free_port(exclude=frozenset(chosen.values()))
    return chosen
