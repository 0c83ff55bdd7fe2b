"""The application's own processes: which there are, where they listen, in which order they stop."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devstack.ports import LOOPBACK, choose_ports
from devstack.supervision import Program

PREPARATION: Sequence[Sequence[str]] = (
    ("topics", "create"),
    ("auth", "migrate"),
)
"""Modules and arguments that are run, one after the other, before the processes start.

Each finds out by itself whether there is anything to do: topics, genesis policy and the
development keys, then the tables of the auth server.
"""

PROVIDERS = ("qwen", "gemini", "openai")

_CONVENTIONAL_PORTS: Mapping[str, int] = {
    "LEAKY_GATEWAY_PORT": 8080,
    "LEAKY_GATEWAY_ALIAS_PORT": 8082,
    "LEAKY_AUTH_PORT": 8081,
    "LEAKY_QWEN_PORT": 8091,
    "LEAKY_GEMINI_PORT": 8092,
    "LEAKY_OPENAI_PORT": 8093,
}
_FIRST_METRICS_PORT = 9101


@dataclass(frozen=True)
class Application:
    """One process of the system."""

    title: str
    program: Program
    port: int
    """Where it answers /health/ready."""
    moved_from: int | None
    """The conventional port, if another program has it."""
    listens_for: str
    """What is asked of it there, for the start-up lines."""

    @property
    def url(self) -> str:
        """Base URL of its HTTP interface."""
        return f"http://{LOOPBACK}:{self.port}"


@dataclass(frozen=True)
class ApplicationPlan:
    """Every process on the ports chosen for this run."""

    in_stopping_order: Sequence[Application]
    """Those that take requests in first, those that they wait for last."""
    settings: Mapping[str, str]
    """What all processes, and other terminals, must know: ports and URLs by variable."""


def plan_applications(accounts_processes: int) -> ApplicationPlan:
    """Choose ports, the conventional ones where they are free, and lay out the processes."""
    metrics_names = [f"metrics {slot}" for slot in range(accounts_processes)]
    conventional = dict(_CONVENTIONAL_PORTS) | {
        name: _FIRST_METRICS_PORT + slot for slot, name in enumerate(metrics_names)
    }
    ports = choose_ports(conventional)

    def moved_from(name: str) -> int | None:
        return conventional[name] if ports[name] != conventional[name] else None

    gateway = Application(
        title="gateway",
        program=Program("gateway", _module("gateway"), stop_within_s=25),
        port=ports["LEAKY_GATEWAY_PORT"],
        moved_from=moved_from("LEAKY_GATEWAY_PORT"),
        listens_for="tokens, reservations, everything public",
    )
    auth = Application(
        title="auth server",
        program=Program("auth", _module("auth")),
        port=ports["LEAKY_AUTH_PORT"],
        moved_from=moved_from("LEAKY_AUTH_PORT"),
        listens_for="register, login, keys",
    )
    accounts = [
        Application(
            title=f"accounts pipeline {slot}",
            program=Program(
                f"accounts-{slot}",
                _module("pipelines.accounts"),
                {"LEAKY_SLOT": str(slot), "LEAKY_METRICS_PORT": str(ports[name])},
            ),
            port=ports[name],
            moved_from=moved_from(name),
            listens_for="metrics and health",
        )
        for slot, name in enumerate(metrics_names)
    ]
    providers = [
        Application(
            title=f"{name} stub",
            program=Program(name, _module("providers", "--name", name)),
            port=ports[f"LEAKY_{name.upper()}_PORT"],
            moved_from=moved_from(f"LEAKY_{name.upper()}_PORT"),
            listens_for="a provider that costs nothing",
        )
        for name in PROVIDERS
    ]
    settings = {name: str(ports[name]) for name in _CONVENTIONAL_PORTS}
    for application, variable in (
        (gateway, "LEAKY_GATEWAY_URL"),
        (auth, "LEAKY_AUTH_URL"),
        *((stub, f"LEAKY_{stub.program.name.upper()}_URL") for stub in providers),
    ):
        settings[variable] = application.url
    return ApplicationPlan([gateway, *accounts, auth, *providers], settings)


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]
