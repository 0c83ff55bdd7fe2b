"""A provider that fails, is gone, and comes back: nobody pays for what they did not get."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.e2e.proof import committed_events, require_verified, settings_from
from tests.integration.gateway_system import (
    CONSUME,
    System,
    User,
    running_gateway,
    running_system,
)
from tests.servers import Servers
from tests.service_process import ServiceProcess, free_port, running

TOKENS = 600
BREAKER_OPEN_MS = 3_000
_WITHIN_S = 90.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("provider-failures")


@pytest.fixture(scope="module")
def system(servers: Servers, fresh_database: str, folder: Path) -> Iterator[System]:
    with running_system(servers, fresh_database, folder) as system:
        yield system


@contextmanager
def openai_stub(system: System, port: int, folder: Path) -> Iterator[ServiceProcess]:
    """A stub of openai on that port, which the test may stop."""
    arguments = ["-m", "providers", "--name", "openai"]
    env = system.env | {"LEAKY_OPENAI_PORT": str(port)}
    log = folder / f"openai-{time.monotonic_ns()}.log"
    with running(arguments, port, log, env, "/health/ready") as stub:
        yield stub


def spend(gateway: ServiceProcess, user: User, **headers: str) -> httpx2.Response:
    """Consume with a provider's call; `headers` steer the stub."""
    return httpx2.post(
        gateway.url + CONSUME,
        json={"userId": user.id, "provider": "openai", "tokens": TOKENS},
        headers={**user.headers, **headers},
        timeout=60,
    )


def circuit_is_open(gateway: ServiceProcess) -> bool:
    lines = httpx2.get(f"{gateway.url}/metrics", timeout=30).text.splitlines()
    (line,) = [
        each
        for each in lines
        if each.startswith("provider_circuit_open{") and 'provider="openai"' in each
    ]
    return line.endswith(" 1.0")


def require_whole(system: System, user: User) -> None:
    """Nothing charged, nothing held, an empty bucket."""
    quota = system.quota(user)
    assert (quota["remainingTokens"], quota["heldTokens"]) == (100_000, 0)
    assert quota["limits"][0]["used"] == 0


@pytest.mark.timeout(300)
def test_a_provider_that_answers_with_errors_costs_nothing(system: System) -> None:
    user = system.register()
    answer = system.consume(user, tokens=TOKENS, headers={"X-Stub-Error-Rate": "1"})
    body = answer.json()
    assert (answer.status_code, body["message"]) == (502, "provider call failed")
    assert (body["allowed"], body["used"], body["providerResponse"]) == (False, 0, {})
    require_whole(system, user)
    voided = [
        event["heldTokens"]
        for event in committed_events(settings_from(system.env))
        if event["type"] == "voided" and event["account"] == f"user:{user.id}"
    ]
    assert voided == [TOKENS]


@pytest.mark.timeout(300)
def test_a_provider_that_is_gone_is_502_until_its_circuit_opens_and_it_is_back(
    system: System, folder: Path
) -> None:
    user, port = system.register(), free_port()
    settings = {
        "LEAKY_OPENAI_URL": f"http://127.0.0.1:{port}",
        "LEAKY_BREAKER_OPEN_MS": str(BREAKER_OPEN_MS),
        "LEAKY_BREAKER_MINIMUM_CALLS": "4",
        "LEAKY_BREAKER_WINDOW_CALLS": "4",
        "LEAKY_GATEWAY_REPLY_DEADLINE_MS": "30000",
    }
    with running_gateway(system.env, folder, **settings) as gateway:
        with openai_stub(system, port, folder) as stub:
            assert spend(gateway, user, **{"X-Stub-Usage-Tokens": "1"}).status_code == 200
            assert not circuit_is_open(gateway)
            assert stub.terminate() == 0

        other = system.register()
        deadline = time.monotonic() + _WITHIN_S
        while not circuit_is_open(gateway):
            assert spend(gateway, other).status_code == 502
            assert time.monotonic() < deadline
        refused = spend(gateway, other)
        assert (refused.status_code, refused.json()["code"]) == (502, "provider-call-failed")
        require_whole(system, other)

        with openai_stub(system, port, folder):
            deadline = time.monotonic() + _WITHIN_S
            while (answer := spend(gateway, other)).status_code == 502:
                assert time.monotonic() < deadline
            assert answer.status_code == 200
            assert not circuit_is_open(gateway)
            assert system.quota(other)["remainingTokens"] == 100_000 - TOKENS
    require_verified(settings_from(system.env))
