"""The gateway as a process: workers, stopping, dying, and servers that do not answer."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.integration.gateway_system import (
    CONSUME,
    RESERVATIONS,
    System,
    User,
    run_module,
    running_gateway,
    running_system,
)
from tests.servers import Servers
from tests.service_process import ServiceProcess, free_port

CLIENTS = 200
CAPACITY = 1000
LEAK_PER_S = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway")


@pytest.fixture(scope="module")
def system(servers: Servers, fresh_database: str, folder: Path) -> Iterator[System]:
    with running_system(servers, fresh_database, folder) as system:
        yield system


def spend(gateway: ServiceProcess, user: User, **headers: str) -> httpx2.Response:
    """Consume 10 tokens of the user through that gateway; `headers` steer the stub."""
    return httpx2.post(
        gateway.url + CONSUME,
        json={"userId": user.id, "provider": "openai", "tokens": 10, "call": bool(headers)},
        headers={
            **user.headers,
            **{name.replace("_", "-"): text for name, text in headers.items()},
        },
        timeout=60,
    )


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"


def test_two_workers_and_200_clients_are_never_granted_more_than_the_bucket_passes(
    system: System, folder: Path
) -> None:
    user = system.register()
    # What is asked here is how much is granted, not how soon.
    settings = {"LEAKY_GATEWAY_WORKERS": "2", "LEAKY_GATEWAY_REPLY_DEADLINE_MS": "30000"}
    with running_gateway(system.env, folder, **settings) as gateway:

        def client(_: int) -> list[int]:
            with httpx2.Client(base_url=gateway.url, timeout=60, headers=user.headers) as http:
                body = {"userId": user.id, "provider": "openai", "tokens": 10, "call": False}
                return [http.post(CONSUME, json=body).status_code for _ in range(3)]

        began = time.monotonic()
        with ThreadPoolExecutor(CLIENTS) as pool:
            answers = pool.map(client, range(CLIENTS))
            statuses = [status for of_one in answers for status in of_one]
        seconds = time.monotonic() - began
        scraped = httpx2.get(f"{gateway.url}/metrics", timeout=10).text
    granted = 10 * statuses.count(200)
    assert set(statuses) == {200, 429}
    assert CAPACITY <= granted <= CAPACITY + LEAK_PER_S * (seconds + 1)
    assert system.quota(user)["remainingTokens"] == 100_000 - granted
    allowed = [line for line in scraped.splitlines() if "token_consume_total" in line]
    assert any(line.endswith(f" {float(statuses.count(200))}") for line in allowed)


def test_a_stop_finishes_accepted_requests_and_ends_with_0(system: System, folder: Path) -> None:
    user = system.register()
    with (
        running_gateway(system.env, folder) as gateway,
        ThreadPoolExecutor(4) as pool,
    ):
        slow = [pool.submit(spend, gateway, user, X_Stub_Latency_Ms="2000") for _ in range(4)]
        wait_until(lambda: system.quota(user)["heldTokens"] == 40)
        assert gateway.terminate() == 0
        assert [answer.result().status_code for answer in slow] == [200] * 4
    after = system.quota(user)
    assert (after["heldTokens"], after["remainingTokens"]) == (0, 99_960)


def test_a_gateway_killed_between_hold_and_settle_leaves_the_balance_whole(
    system: System, folder: Path
) -> None:
    user = system.register()
    with running_gateway(system.env, folder) as gateway, ThreadPoolExecutor(1) as pool:
        reserve = {"userId": user.id, "provider": "openai", "tokens": 10, "holdTtlMs": 2000}
        held = httpx2.post(
            gateway.url + RESERVATIONS, json=reserve, headers=user.headers, timeout=60
        )
        assert held.status_code == 201
        call = pool.submit(spend, gateway, user, X_Stub_Latency_Ms="20000")
        wait_until(lambda: system.quota(user)["heldTokens"] == 20)
        gateway.process.kill()
        assert isinstance(call.exception(), httpx2.TransportError)
    # The hold of the call has the policy's minute; the other one shows that holds expire.
    wait_until(lambda: system.quota(user)["heldTokens"] == 10)
    whole = system.quota(user)
    assert whole["remainingTokens"] + whole["heldTokens"] == 100_000


def test_a_dead_broker_is_a_quick_503_and_a_gateway_that_is_not_ready(
    system: System, own_kafka: Callable[[], str], folder: Path
) -> None:
    bootstrap = own_kafka()
    env = system.env | {"LEAKY_KAFKA_BOOTSTRAP_SERVERS": bootstrap}
    run_module(["topics", "create"], env)
    user = system.register()
    with running_gateway(env, folder) as gateway:
        _kill_listener(int(bootstrap.rpartition(":")[2]))

        def refused() -> bool:
            answer = spend(gateway, user)
            return (answer.status_code, answer.json()["code"]) == (503, "no-decision")

        wait_until(refused)
        began = time.monotonic()
        assert refused()
        assert time.monotonic() - began < 1
        ready = httpx2.get(f"{gateway.url}/health/ready", timeout=10)
        assert (ready.status_code, list(ready.json()["checks"])) == (503, ["accounts"])


def test_topics_that_are_not_as_declared_end_the_start_with_78(system: System) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway"],
        env=os.environ
        | system.env
        | {"LEAKY_TOPICS_PREFIX": "absent-", "LEAKY_GATEWAY_PORT": str(free_port())},
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 78
    assert "absent-accounts.commands: topic is missing" in done.stderr


def test_a_gateway_without_its_auth_server_lives_and_is_not_ready(
    system: System, folder: Path
) -> None:
    nobody = {"LEAKY_AUTH_URL": f"http://127.0.0.1:{free_port()}"}
    with running_gateway(system.env, folder, "/health/live", **nobody) as gateway:
        ready = httpx2.get(f"{gateway.url}/health/ready", timeout=10)
        assert (ready.status_code, "auth" in ready.json()["checks"]) == (503, True)
        answer = spend(gateway, system.register())
        assert (answer.status_code, answer.json()["code"]) == (503, "keys-unavailable")


def test_a_stopped_pipeline_is_504_and_its_late_reply_is_counted(
    system: System, folder: Path
) -> None:
    user = system.register()
    with running_gateway(system.env, folder, LEAKY_GATEWAY_REPLY_DEADLINE_MS="300") as gateway:
        os.kill(system.accounts.process.pid, signal.SIGSTOP)
        try:
            body = {"userId": user.id, "provider": "openai", "tokens": 10, "call": False}
            headers = {**user.headers, "Idempotency-Key": "again"}
            first = httpx2.post(gateway.url + CONSUME, json=body, headers=headers, timeout=10)
            assert (first.status_code, first.json()["code"]) == (504, "no-reply")
        finally:
            os.kill(system.accounts.process.pid, signal.SIGCONT)

        def late_replies() -> bool:
            lines = httpx2.get(f"{gateway.url}/metrics", timeout=10).text.splitlines()
            (line,) = [one for one in lines if one.startswith("gateway_replies_late_total{")]
            return not line.endswith(" 0.0")

        wait_until(late_replies)
        # A repeat of the key is safe: the first one counted, once.
        again = httpx2.post(gateway.url + CONSUME, json=body, headers=headers, timeout=10)
        assert again.json()["replayed"] is True
    assert system.quota(user)["remainingTokens"] == 99_990


def test_beyond_its_bound_of_commands_under_way_a_worker_refuses_at_once(
    system: System, folder: Path
) -> None:
    user = system.register()
    with (
        running_gateway(system.env, folder, LEAKY_GATEWAY_MAX_IN_FLIGHT="1") as gateway,
        ThreadPoolExecutor(1) as pool,
    ):
        os.kill(system.accounts.process.pid, signal.SIGSTOP)
        try:
            waiting = pool.submit(spend, gateway, user)
            answers = []
            while not waiting.done():
                answers.append(spend(gateway, user).json()["code"])
        finally:
            os.kill(system.accounts.process.pid, signal.SIGCONT)
    assert "overloaded" in answers


def _kill_listener(port: int) -> None:
    for connection in psutil.net_connections("tcp"):
        listens = connection.status == psutil.CONN_LISTEN
        if listens and connection.laddr and connection.laddr.port == port and connection.pid:
            os.kill(connection.pid, signal.SIGKILL)
            return
    raise AssertionError(f"nothing listens on {port}")
