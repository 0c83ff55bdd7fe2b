"""Two hundred clients race for one account's bucket, through two workers of the gateway."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from leaky.asking import Asker
from schemas.commands import SetLimits
from schemas.limits import LeakyBucketRule
from schemas.outcomes import Outcome
from tests.e2e.proof import Event, committed_events, require_verified, settings_from
from tests.integration.gateway_system import CONSUME, System, User, running_system
from tests.servers import Servers
from topics.issuer_keys import issuer_trusted_by
from topics.published_policies import read_published_policies

CLIENTS = 200
REQUESTS = 3
TOKENS = 5
CAPACITY = 1_000
LEAK_PER_S = 10


@pytest.fixture(scope="module")
def system(
    servers: Servers, fresh_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("exactness")
    with running_system(
        servers,
        fresh_database,
        folder,
        LEAKY_GATEWAY_WORKERS="2",
        LEAKY_GATEWAY_REPLY_DEADLINE_MS="60000",
    ) as system:
        yield system


@dataclass(frozen=True)
class Race:
    """How all requests were answered, and how long they took from first to last."""

    statuses: list[int]
    seconds: float

    @property
    def granted_tokens(self) -> int:
        """What the clients were told that they may spend."""
        assert set(self.statuses) == {200, 429}
        return TOKENS * self.statuses.count(200)


def race(system: System, user: User) -> Race:
    """Each client has a connection of its own, and asks again as soon as it is answered."""

    async def client(http: httpx2.AsyncClient) -> list[int]:
        body = {"userId": user.id, "provider": "openai", "tokens": TOKENS, "call": False}
        return [(await http.post(CONSUME, json=body)).status_code for _ in range(REQUESTS)]

    async def clients() -> list[list[int]]:
        limits = httpx2.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
        async with httpx2.AsyncClient(
            base_url=system.gateway.url, headers=user.headers, limits=limits, timeout=90
        ) as http:
            return await asyncio.gather(*(client(http) for _ in range(CLIENTS)))

    began = time.monotonic()
    answers = asyncio.run(clients())
    return Race([status for each in answers for status in each], time.monotonic() - began)


def grants(system: System, user: User) -> list[Event]:
    """The account's committed grants."""
    return [
        event
        for event in committed_events(settings_from(system.env))
        if event["type"] == "consumed" and event["account"] == f"user:{user.id}"
    ]


@pytest.mark.timeout(300)
def test_a_bucket_of_1000_that_does_not_leak_grants_exactly_1000_tokens(system: System) -> None:
    user = system.register()
    settings = settings_from(system.env)
    bucket = LeakyBucketRule(name="tokens", capacity=CAPACITY, amount=0)
    issuers = read_published_policies(settings)[-1].document.issuers
    with Asker(settings) as asker:
        reply = asker.ask(
            SetLimits(
                command_id=f"no-leak-{user.id}",
                account=f"user:{user.id}",
                provider="openai",
                limits=(bucket,),
            ),
            issuer_trusted_by(issuers, Path(system.env["LEAKY_DATA_DIR"])),
            timeout_s=60,
        )
    assert reply.outcome is Outcome.APPLIED

    assert race(system, user).granted_tokens == CAPACITY

    assert sum(event["tokens"] for event in grants(system, user)) == CAPACITY
    after = system.quota(user)
    assert (after["remainingTokens"], after["limits"][0]["remaining"]) == (100_000 - CAPACITY, 0)
    require_verified(settings)


@pytest.mark.timeout(300)
def test_a_bucket_that_leaks_never_grants_more_than_it_holds_and_has_leaked(
    system: System,
) -> None:
    user = system.register()

    finished = race(system, user)

    granted = finished.granted_tokens
    assert CAPACITY <= granted <= CAPACITY + LEAK_PER_S * finished.seconds
    events = grants(system, user)
    assert sum(event["tokens"] for event in events) == granted
    # By the broker's times it holds at every grant: tokens a second are millitokens a millisecond.
    granted_millitokens = 0
    for event in events:
        granted_millitokens += event["tokens"] * 1_000
        leaked_millitokens = (event["atMs"] - events[0]["atMs"]) * LEAK_PER_S
        assert granted_millitokens <= CAPACITY * 1_000 + leaked_millitokens
    require_verified(settings_from(system.env))
