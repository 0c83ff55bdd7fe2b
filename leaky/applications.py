"""The application's own processes: which there are, where they listen, in which order they stop."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field

from devstack.ports import LOOPBACK, choose_ports
from devstack.supervision import Program
from service.settings import ServiceSettings, environment_name

PREPARATION: Sequence[Sequence[str]] = (
    ("topics", "create"),
    ("auth", "migrate"),
)
"""Modules and arguments that are run, one after the other, before the processes start.

Each finds out by itself whether there is anything to do: topics, genesis policy and the
development keys, then the tables of the auth server.
"""

PROVIDERS = ("qwen", "gemini", "openai")


class ApplicationPorts(ServiceSettings):
    """The ports that are tried first; one that is taken is replaced by a free one. 0: any."""

    gateway_port: int = Field(8080, ge=0, le=65_535, description="TCP port of the gateway.")
    gateway_alias_port: int = Field(
        8082, ge=0, le=65_535, description="A second TCP port of the gateway; 0 turns it off."
    )
    auth_port: int = Field(8081, ge=0, le=65_535, description="TCP port of the auth server.")
    qwen_port: int = Field(8091, ge=0, le=65_535, description="TCP port of the Qwen stub.")
    gemini_port: int = Field(8092, ge=0, le=65_535, description="TCP port of the Gemini stub.")
    openai_port: int = Field(8093, ge=0, le=65_535, description="TCP port of the OpenAI stub.")
    metrics_port: int = Field(
        9101,
        ge=0,
        le=65_000,
        description="TCP port of the first accounts process's metrics; the others' follow.",
    )

    def by_variable(self) -> dict[str, int]:
        """The ports to choose for what there is one of, by the variable that tells them to it."""
        not_chosen = {*ServiceSettings.model_fields, "metrics_port"}
        if self.gateway_alias_port == 0:
            not_chosen.add("gateway_alias_port")
        return {
            environment_name(name): getattr(self, name)
            for name in ApplicationPorts.model_fields
            if name not in not_chosen
        }


@dataclass(frozen=True)
class Application:
    """One process of the system."""

    title: str
    program: Program
    port: int
    """Where it answers /health/ready."""
    moved_from: int | None
    """The port that was tried first, if another program has it."""
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


def plan_applications(accounts_processes: int, tried_first: ApplicationPorts) -> ApplicationPlan:
    """Choose ports, those `tried_first` where they are free, and lay out the processes."""
    metrics_names = [f"metrics {slot}" for slot in range(accounts_processes)]
    first_metrics_port = tried_first.metrics_port
    wanted = tried_first.by_variable() | {
        name: first_metrics_port and first_metrics_port + slot
        for slot, name in enumerate(metrics_names)
    }
    ports = choose_ports(wanted)

    def moved_from(name: str) -> int | None:
        return wanted[name] if wanted[name] not in (0, ports[name]) else None

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
    settings = {name: str(ports[name]) for name in tried_first.by_variable()}
    for application, variable in (
        (gateway, "LEAKY_GATEWAY_URL"),
        (auth, "LEAKY_AUTH_URL"),
        *((stub, f"LEAKY_{stub.program.name.upper()}_URL") for stub in providers),
    ):
        settings[variable] = application.url
    return ApplicationPlan([gateway, *accounts, auth, *providers], settings)


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]
