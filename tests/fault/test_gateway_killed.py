"""The gateway dies by SIGKILL while a provider works: nobody is left to settle or to void."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.e2e.proof import command_types, require_verified, settings_from, wait_for_event
from tests.integration.gateway_system import CONSUME, System, running_gateway, running_system
from tests.servers import Servers
from topics.issuer_keys import issuer_trusted_by
from topics.policy_publication import publish_policy
from topics.published_policies import read_published_policies

HOLD_TTL_MS = 3_000
TOKENS = 700


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway-killed")


@pytest.fixture(scope="module")
def system(servers: Servers, fresh_database: str, folder: Path) -> Iterator[System]:
    """A system whose policy gives holds three seconds in place of a minute."""
    with running_system(servers, fresh_database, folder) as system:
        settings = settings_from(system.env)
        first = read_published_policies(settings)[-1].document
        hasty = first.model_copy(update={"version": 2, "hold_ttl_ms": HOLD_TTL_MS})
        issuer = issuer_trusted_by(first.issuers, Path(system.env["LEAKY_DATA_DIR"]))
        publish_policy(settings, hasty, issuer, timeout_s=60)
        yield system


@pytest.mark.timeout(300)
def test_a_hold_of_a_killed_gateway_expires_by_itself_and_the_balance_is_whole(
    system: System, folder: Path
) -> None:
    settings, user = settings_from(system.env), system.register()
    account = f"user:{user.id}"
    with running_gateway(system.env, folder) as gateway, ThreadPoolExecutor(1) as pool:
        call = pool.submit(
            httpx2.post,
            gateway.url + CONSUME,
            json={"userId": user.id, "provider": "openai", "tokens": TOKENS},
            headers={**user.headers, "X-Stub-Latency-Ms": "60000"},
            timeout=90,
        )
        reserved = wait_for_event(settings, "reserved", account)
        gateway.process.kill()
        assert isinstance(call.exception(), httpx2.TransportError)

    # Nobody asks for the account meanwhile: that alone would let its hold expire.
    expired = wait_for_event(settings, "hold-expired", account)

    assert expired["holdId"] == reserved["holdId"]
    assert expired["heldTokens"] == TOKENS
    assert expired["atMs"] == reserved["deadlineMs"] == reserved["atMs"] + HOLD_TTL_MS
    types = command_types(settings, account)
    assert types[types.index("reserve") :] == ["reserve", "tick"]
    whole = system.quota(user)
    assert (whole["remainingTokens"], whole["heldTokens"]) == (100_000, 0)
    assert whole["limits"][0]["used"] == 0
    require_verified(settings)
