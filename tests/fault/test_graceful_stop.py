"""Processes that are asked to end under load: what was accepted is answered, and goes on."""

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.proof import committed_events, require_verified, settings_from
from tests.fault.accounts_process import accounts_process
from tests.fault.command_load import CommandLoad
from tests.fault.outcomes import require_one_outcome_each
from tests.integration.accounts_system import AccountsSystem
from tests.integration.gateway_system import (
    CONSUME,
    System,
    User,
    running_gateway,
    running_system,
)
from tests.servers import Servers
from tests.service_process import ServiceProcess

CLIENTS = 8
MOST_REQUESTS = 500
"""Of each client, should the gateway not end."""

COMMANDS = 6_000
RATE_PER_S = 500


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("graceful-stop")


@pytest.fixture(scope="module")
def whole_system(servers: Servers, fresh_database: str, folder: Path) -> Iterator[System]:
    with running_system(servers, fresh_database, folder) as system:
        yield system


class Client:
    """Spends a user's tokens, every other time with a provider's call, until the gateway is gone.

    `answers` has the body of every answer by its command id.
    """

    def __init__(self, gateway: ServiceProcess, user: User) -> None:
        self._gateway = gateway
        self._user = user
        self.answers: dict[str, tuple[int, dict[str, Any]]] = {}

    def spend_until_the_gateway_is_gone(self) -> None:
        headers = {**self._user.headers, "X-Stub-Latency-Ms": "300"}
        body = {"userId": self._user.id, "provider": "openai", "tokens": 1}
        with httpx2.Client(base_url=self._gateway.url, headers=headers, timeout=90) as http:
            for number in itertools.count():
                assert number < MOST_REQUESTS, "the gateway did not end"
                try:
                    answer = http.post(CONSUME, json={**body, "call": number % 2 == 0})
                except httpx2.TransportError:
                    return
                self.answers[answer.json()["commandId"]] = answer.status_code, answer.json()


@pytest.mark.timeout(300)
def test_a_gateway_that_stops_under_load_answers_all_that_it_asked_for(
    whole_system: System, folder: Path
) -> None:
    settings = settings_from(whole_system.env)
    users = [whole_system.register() for _ in range(CLIENTS)]
    with (
        running_gateway(
            whole_system.env, folder, LEAKY_GATEWAY_REPLY_DEADLINE_MS="30000"
        ) as gateway,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        clients = [Client(gateway, user) for user in users]
        work = [pool.submit(client.spend_until_the_gateway_is_gone) for client in clients]
        while any(len(client.answers) < 10 for client in clients):
            assert not any(each.done() for each in work)
            time.sleep(0.05)
        code = gateway.terminate()
        for each in work:
            each.result()
    assert code == 0, gateway.log()

    answers = {
        command_id: answer for client in clients for command_id, answer in client.answers.items()
    }
    asked = {
        event["commandId"].partition(".")[0]
        for event in committed_events(settings)
        if event.get("account") and "commandId" in event
    }
    assert asked - answers.keys() == set()
    assert {status for status, _ in answers.values()} == {200}
    for user, client in zip(users, clients, strict=True):
        quota = whole_system.quota(user)
        assert (quota["heldTokens"], 100_000 - quota["remainingTokens"]) == (0, len(client.answers))
    with running_gateway(whole_system.env, folder) as again:
        body = {"userId": users[0].id, "provider": "openai", "tokens": 1}
        answer = httpx2.post(again.url + CONSUME, json=body, headers=users[0].headers, timeout=60)
        assert answer.status_code == 200
    require_verified(settings)


@pytest.mark.timeout(300)
def test_an_accounts_process_that_stops_under_load_leaves_nothing_undone(
    system: AccountsSystem,
) -> None:
    with accounts_process(system) as first, CommandLoad(system, COMMANDS, RATE_PER_S) as load:
        load.wait_for_answers(1_000)
        assert first.terminate() == 0, first.log()
        with accounts_process(system):
            load.wait_for_answers(500)
            load.finish()
            require_one_outcome_each(system, load)
