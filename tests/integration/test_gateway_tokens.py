"""The token routes end to end: gateway, accounts pipeline, auth server and a provider's stub."""

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.integration.gateway_system import (
    CONSUME,
    QUOTA,
    RESERVATIONS,
    System,
    User,
    running_system,
)
from tests.servers import Servers


@pytest.fixture(scope="module")
def system(
    servers: Servers, fresh_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    with running_system(servers, fresh_database, tmp_path_factory.mktemp("gateway")) as system:
        yield system


@pytest.fixture
def user(system: System) -> User:
    return system.register()


def test_a_new_user_has_its_full_allowance_and_no_reset_time(system: System, user: User) -> None:
    body = system.quota(user)
    assert body["userId"] == user.id
    assert (body["totalTokens"], body["remainingTokens"]) == (100_000, 100_000)
    assert (body["allowanceTokens"], body["purchasedTokens"]) == (100_000, 0)
    assert (body["tier"], body["resetTime"], body["updatedAt"]) == ("FREE", None, None)
    assert body["limits"] == [
        {
            "name": "tokens",
            "unit": "tokens",
            "limit": 1000,
            "used": 0,
            "remaining": 1000,
            "resetMs": 0,
        }
    ]


def test_a_consume_charges_calls_the_provider_and_answers_in_the_older_shape(
    system: System, user: User
) -> None:
    answer = system.consume(user, tokens=300, prompt="hello")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["allowed"] is True
    assert (body["capacity"], body["waitSeconds"], body["replayed"]) == (1000, 0, False)
    assert 290 <= body["used"] <= 300
    assert body["used"] + body["remaining"] == 1000
    assert body["timestamp"].endswith("Z")
    assert body["providerResponse"]["choices"][0]["message"]["content"]
    assert body["quota"]["remainingTokens"] == 99_700
    assert body["quota"]["heldTokens"] == 0
    assert system.quota(user)["remainingTokens"] == 99_700


def test_limits_are_reported_in_the_customary_and_in_the_ietf_headers(
    system: System, user: User
) -> None:
    answer = system.decide(user, tokens=400)
    body = answer.json()
    assert answer.headers["x-ratelimit-limit"] == "1000"
    assert answer.headers["x-ratelimit-used"] == str(body["used"]) == "400"
    assert answer.headers["x-ratelimit-remaining"] == str(body["remaining"]) == "600"
    assert answer.headers["x-ratelimit-reset"] == "40"
    assert '"tokens";q=1000;qu="tokens"' in answer.headers["ratelimit-policy"]
    assert '"tokens";r=600;t=40, "quota";r=99600' in answer.headers["ratelimit"]


def test_deciding_only_charges_and_calls_nobody(system: System, user: User) -> None:
    body = system.decide(user).json()
    assert body["providerResponse"] == {}
    assert system.quota(user)["remainingTokens"] == 99_990


def test_settling_by_usage_charges_what_the_provider_reports(system: System, user: User) -> None:
    answer = system.consume(
        user, tokens=500, settle="usage", headers={"X-Stub-Usage-Tokens": "123"}
    )
    assert answer.json()["providerResponse"]["usage"]["total_tokens"] == 123
    assert system.quota(user)["remainingTokens"] == 100_000 - 123


def test_a_bucket_that_is_too_full_answers_429_with_the_time_to_wait(
    system: System, user: User
) -> None:
    assert system.decide(user, tokens=900).status_code == 200
    answer = system.decide(user, tokens=300)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (429, "rate-limited")
    assert answer.headers["content-type"] == "application/problem+json"
    assert 15 <= int(answer.headers["retry-after"]) <= 20
    assert body["waitSeconds"] == int(answer.headers["retry-after"])
    assert body["violatedPolicies"] == ["tokens"]
    assert (body["allowed"], body["capacity"], body["providerResponse"]) == (False, 1000, {})
    assert answer.headers["x-ratelimit-used"] == str(body["used"])
    assert system.quota(user)["remainingTokens"] == 99_100


def test_more_than_a_bucket_can_ever_hold_is_429_without_a_time_to_wait(
    system: System, user: User
) -> None:
    answer = system.decide(user, tokens=1001)
    assert (answer.status_code, answer.json()["code"]) == (429, "exceeds-capacity")
    assert answer.json()["waitSeconds"] == 0
    assert "retry-after" not in answer.headers


def test_more_than_the_quota_is_402_before_any_rate_limit(system: System, user: User) -> None:
    answer = system.decide(user, tokens=100_001)
    assert (answer.status_code, answer.json()["message"]) == (402, "insufficient token quota")
    assert answer.headers["x-ratelimit-limit"] == "1000"
    assert answer.json()["quota"]["remainingTokens"] == 100_000


def test_a_failed_provider_call_is_502_with_everything_given_back(
    system: System, user: User
) -> None:
    answer = system.consume(
        user, tokens=700, headers={"X-Stub-Error-Rate": "1", "X-Stub-Error-Status": "400"}
    )
    body = answer.json()
    assert (answer.status_code, body["message"]) == (502, "provider call failed")
    assert (body["used"], body["remaining"]) == (0, 1000)
    assert body["quota"]["remainingTokens"] == 100_000
    assert answer.headers["x-ratelimit-remaining"] == "1000"
    after = system.quota(user)
    assert (after["remainingTokens"], after["limits"][0]["used"]) == (100_000, 0)


def test_the_same_key_and_request_gets_the_first_decision_again_without_a_second_call(
    system: System, user: User
) -> None:
    key = {"Idempotency-Key": f"key {uuid.uuid4()}"}
    first = system.consume(user, prompt="hello", headers=key).json()
    again = system.consume(user, prompt="hello", headers=key)
    assert again.status_code == 200
    assert again.json()["replayed"] is True
    assert again.json()["providerResponse"] == {}
    assert again.json()["commandId"] == first["commandId"]
    assert system.quota(user)["remainingTokens"] == 99_990


def test_the_same_key_with_another_prompt_is_a_conflict(system: System, user: User) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    assert system.consume(user, prompt="hello", headers=key).status_code == 200
    answer = system.consume(user, prompt="goodbye", headers=key)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency-conflict")


def test_the_key_of_one_caller_means_nothing_for_another(system: System) -> None:
    key = {"Idempotency-Key": "the same"}
    for caller in (system.register(), system.register()):
        assert system.decide(caller, headers=key).json()["replayed"] is False


def test_a_repeat_while_the_first_is_with_the_provider_is_told_to_wait(
    system: System, user: User
) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    slow = {**key, "X-Stub-Latency-Ms": "1500"}
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(system.consume, user, headers=slow)
        while system.quota(user)["heldTokens"] == 0:
            assert not first.done()
        meanwhile = system.consume(user, headers=key)
        assert (meanwhile.status_code, meanwhile.json()["code"]) == (409, "request-in-progress")
        assert first.result().status_code == 200


def test_after_a_failed_call_the_key_is_free_again(system: System, user: User) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    failing = {**key, "X-Stub-Error-Rate": "1", "X-Stub-Error-Status": "400"}
    assert system.consume(user, headers=failing).status_code == 502
    answer = system.consume(user, headers=key)
    assert answer.status_code == 200
    assert answer.json()["replayed"] is False
    assert system.quota(user)["remainingTokens"] == 99_990


def test_a_client_that_goes_away_during_the_call_is_charged_and_nothing_stays_held(
    system: System, user: User
) -> None:
    with pytest.raises(httpx2.TimeoutException):
        httpx2.post(
            system.gateway.url + CONSUME,
            json={"userId": user.id, "provider": "openai", "tokens": 10},
            headers={**user.headers, "X-Stub-Latency-Ms": "1500"},
            timeout=httpx2.Timeout(10, read=0.7),
        )
    assert system.quota(user)["heldTokens"] == 10
    while system.quota(user)["heldTokens"]:
        pass
    assert system.quota(user)["remainingTokens"] == 99_990


def test_users_are_kept_apart_and_admins_may_act_for_anyone(system: System, user: User) -> None:
    other, admin = system.register(), system.administrator()
    foreign = {"userId": user.id, "provider": "openai", "tokens": 10, "call": False}
    assert system.code("POST", CONSUME, other, json=foreign) == (403, "forbidden")
    params = {"userId": user.id, "provider": "openai"}
    assert system.code("GET", QUOTA, other, params=params) == (403, "forbidden")
    answer = system.client.post(CONSUME, json=foreign, headers=admin.headers)
    assert answer.status_code == 200, answer.text


def test_organizations_have_no_accounts_yet(system: System, user: User) -> None:
    assert system.decide(user, orgId=str(uuid.uuid4())).status_code == 403
    assert system.decide(user, orgId=" ").status_code == 200
    params = {"orgId": str(uuid.uuid4()), "provider": "openai"}
    assert system.code("GET", f"{QUOTA}/org", user, params=params) == (403, "forbidden")


def test_mistakes_are_reported_one_at_a_time_in_the_documented_order(
    system: System, user: User
) -> None:
    assert system.decide(user, userId="").json()["message"] == "userId is required"
    assert system.decide(user, provider=None).json()["message"] == "provider is required"
    assert system.decide(user, tokens=0).json()["message"] == "tokens must be positive"
    assert system.decide(user, userId="me").json()["message"] == "invalid userId"
    assert system.decide(user, orgId="us").json()["message"] == "invalid orgId"
    for provider in ("nobody", "no body"):
        for call in (True, False):
            answer = system.consume(user, provider=provider, call=call)
            assert (answer.status_code, answer.json()["message"]) == (400, "unknown provider")
    too_long = system.decide(user, headers={"Idempotency-Key": "k" * 101})
    assert (too_long.status_code, too_long.json()["code"]) == (400, "invalid-idempotency-key")


def test_a_quota_that_does_not_exist_is_404(system: System, user: User) -> None:
    params = {"userId": user.id, "provider": "nobody"}
    assert system.code("GET", QUOTA, user, params=params) == (404, "quota-not-found")
    assert system.code("GET", QUOTA, user, params={"userId": user.id})[0] == 400


def test_a_body_that_is_no_json_object_is_400_and_one_over_a_mebibyte_413(
    system: System, user: User
) -> None:
    for content in (b"{", b"", b"[]", b'{"tokens": "many"}', b'{"userId": 5}', b"\xff"):
        answer = system.client.post(CONSUME, content=content, headers=user.headers)
        assert answer.status_code == 400, content
        assert answer.headers["content-type"] == "application/problem+json"
    large = json.dumps({"prompt": "x" * 1024 * 1024}).encode()
    assert system.client.post(CONSUME, content=large, headers=user.headers).status_code == 413


def test_without_a_valid_token_there_is_nothing_but_the_status(system: System) -> None:
    status = system.client.get("/api/v1/tokens/status")
    assert status.status_code == 200
    assert (status.json()["service"], status.json()["status"]) == ("token-service", "ok")
    for headers in ({}, {"Authorization": "Bearer x.y.z"}):
        # Not even the mistakes of the body are reported.
        answer = system.client.post(CONSUME, content=b"{", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_prompt_may_hold_any_text_that_json_can(system: System, user: User) -> None:
    body = json.dumps(
        {"userId": user.id, "provider": "openai", "tokens": 10, "prompt": "\ud800 \u0000 ü 漢"}
    )
    for _ in range(2):
        answer = system.client.post(
            CONSUME,
            content=body.encode(),
            headers={**user.headers, "Idempotency-Key": f"odd {user.id}"},
        )
        assert answer.status_code in (200, 400), answer.text


def test_correlation_ids_are_echoed_and_every_answer_names_its_command(
    system: System, user: User
) -> None:
    answer = system.decide(user, headers={"X-Correlation-Id": "abc-1"})
    assert answer.headers["x-correlation-id"] == "abc-1"
    assert answer.json()["commandId"] != system.decide(user).json()["commandId"]
    assert system.decide(user, tokens=1001).json()["commandId"]


def test_a_reservation_holds_and_its_settle_charges_what_was_used(
    system: System, user: User
) -> None:
    reserved = system.reserve(user, tokens=500)
    assert reserved.status_code == 201, reserved.text
    body = reserved.json()
    assert (body["tokens"], body["replayed"]) == (500, False)
    assert body["expiresAt"].endswith("Z")
    assert reserved.headers["x-ratelimit-used"] == "500"
    assert system.quota(user)["heldTokens"] == 500

    path = f"{RESERVATIONS}/{body['reservationId']}/settle"
    settled = system.client.post(path, json={"tokens": 120}, headers=user.headers)
    assert settled.status_code == 200, settled.text
    assert (settled.json()["chargedTokens"], settled.json()["late"]) == (120, False)
    assert settled.json()["quota"]["heldTokens"] == 0
    assert system.quota(user)["remainingTokens"] == 99_880

    again = system.client.post(path, json={"tokens": 120}, headers=user.headers)
    assert (again.status_code, again.json()["replayed"]) == (200, True)
    assert system.code("POST", path, user, json={"tokens": 121}) == (409, "hold-already-settled")
    assert system.code("POST", path, user, json={"tokens": -1}) == (400, "tokens-negative")
    assert system.code("DELETE", path.removesuffix("/settle"), user)[0] == 409


def test_a_released_reservation_is_as_if_it_had_never_been(system: System, user: User) -> None:
    path = f"{RESERVATIONS}/{system.reserve(user, tokens=500).json()['reservationId']}"
    released = system.client.delete(path, headers=user.headers)
    assert released.status_code == 200, released.text
    assert released.json()["quota"]["remainingTokens"] == 100_000
    assert system.quota(user)["limits"][0]["used"] == 0
    assert system.client.delete(path, headers=user.headers).json()["replayed"] is True
    settle = f"{path}/settle"
    assert system.code("POST", settle, user, json={"tokens": 1}) == (409, "hold-already-voided")


def test_a_reservation_that_expired_cannot_be_released_and_can_still_be_settled(
    system: System, user: User
) -> None:
    reserved = system.reserve(user, tokens=500, holdTtlMs=1000).json()
    path = f"{RESERVATIONS}/{reserved['reservationId']}"
    while system.quota(user)["heldTokens"]:
        pass
    assert system.code("DELETE", path, user) == (410, "hold-expired")
    late = system.client.post(f"{path}/settle", json={"tokens": 200}, headers=user.headers)
    assert (late.status_code, late.json()["late"]) == (200, True)
    assert system.quota(user)["remainingTokens"] == 99_800


def test_the_same_reserve_again_is_the_same_reservation(system: System, user: User) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = system.reserve(user, headers=key).json()
    again = system.reserve(user, headers=key)
    assert again.status_code == 201
    assert again.json()["replayed"] is True
    assert again.json()["reservationId"] == first["reservationId"]
    assert system.quota(user)["heldTokens"] == 10


def test_anothers_reservation_looks_like_one_that_does_not_exist(
    system: System, user: User
) -> None:
    mine = system.reserve(user).json()["reservationId"]
    other = system.register()
    for reservation in (mine, "hold_garbage", "hold_", "x" * 300, mine[:-1]):
        path = f"{RESERVATIONS}/{reservation}"
        assert system.code("DELETE", path, other) == (404, "hold-unknown")
        settle = f"{path}/settle"
        assert system.code("POST", settle, other, json={"tokens": 1}) == (404, "hold-unknown")
    assert system.quota(user)["heldTokens"] == 10


def test_the_older_port_answers_the_same_routes(system: System, user: User) -> None:
    alias = httpx2.get(
        f"http://127.0.0.1:{system.alias_port}{QUOTA}",
        params={"userId": user.id, "provider": "openai"},
        headers=user.headers,
        timeout=10,
    )
    assert alias.json() == system.quota(user)


def test_requests_are_counted_by_known_providers_and_outcomes(system: System, user: User) -> None:
    system.decide(user, provider=f"invented-{uuid.uuid4()}")
    system.decide(user)
    lines = system.metrics().splitlines()
    counted = [line for line in lines if line.startswith("token_consume_total")]
    assert any('provider="openai"' in line and 'outcome="allowed"' in line for line in counted)
    assert any('provider="unknown"' in line and 'outcome="refused"' in line for line in counted)
    assert not any("invented" in line for line in lines)
    assert any(line.startswith("gateway_commands_in_flight") for line in lines)


def test_the_documentation_names_every_route_and_body(system: System) -> None:
    document = system.client.get("/openapi.json").json()
    assert {CONSUME, QUOTA, RESERVATIONS} <= document["paths"].keys()
    consume = document["paths"][CONSUME]["post"]
    assert consume["security"] == [{"bearerAuth": []}]
    reference = consume["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    assert reference.rsplit("/", 1)[-1] in document["components"]["schemas"]
