"""Bearer tokens against keys that a server on this machine publishes."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from gateway.authentication import Principal, TokenVerifier
from gateway.jwks import KeySet
from service.http.problems import ProblemError

ALICE = "0a000000-0000-4000-8000-00000000000a"
KEYS = {kid: rsa.generate_private_key(public_exponent=65537, key_size=2048) for kid in ("k1", "k2")}


class KeyServer:
    """Publishes the keys named in `published` and counts how often it was asked."""

    def __init__(self) -> None:
        self.published = ["k1"]
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                body = json.dumps({"keys": [public(kid) for kid in outer.published]}).encode()
                self.send_response(200 if self.path == "/oauth2/jwks" else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
                """Nothing to say."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def public(kid: str) -> dict[str, Any]:
    key: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(KEYS[kid].public_key()))
    return {**key, "kid": kid, "use": "sig", "alg": "RS256"}


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    server = KeyServer()
    yield server
    server.close()


def signed(kid: str = "k1", **changes: object) -> str:
    claims: dict[str, object] = {
        "sub": ALICE,
        "iss": "leaky-tokens-auth",
        "aud": "leaky-tokens",
        "roles": ["USER"],
        "exp": int(time.time()) + 600,
        **changes,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, KEYS[kid], algorithm="RS256", headers={"kid": kid})


def verify(
    key_server: KeyServer, *headers: str | None, refetch_interval_s: float = 60, cache_size: int = 8
) -> list[Principal | ProblemError]:
    """What a fresh verifier makes of each `Authorization` header, one after the other."""

    async def run() -> list[Principal | ProblemError]:
        async with httpx2.AsyncClient() as client:
            keys = KeySet(client, key_server.url, 300, refetch_interval_s)
            verifier = TokenVerifier(keys, "leaky-tokens-auth", "leaky-tokens", cache_size)
            outcomes: list[Principal | ProblemError] = []
            for header in headers:
                try:
                    outcomes.append(await verifier.principal(header))
                except ProblemError as problem:
                    outcomes.append(problem)
            return outcomes

    return asyncio.run(run())


def test_a_valid_token_names_its_bearer_and_roles(key_server: KeyServer) -> None:
    assert verify(key_server, f"Bearer {signed()}", f"bearer  {signed(roles=['ADMIN'])}") == [
        Principal(ALICE, frozenset({"USER"})),
        Principal(ALICE, frozenset({"ADMIN"})),
    ]


def none_signed() -> str:
    return jwt.encode({"sub": ALICE}, "", algorithm="none", headers={"kid": "k1"})


def signed_with_the_public_key() -> str:
    secret = public("k1")["n"]
    return jwt.encode({"sub": ALICE}, secret, algorithm="HS256", headers={"kid": "k1"})


def tampered() -> str:
    head, _, signature = signed().split(".")
    return f"{head}.{signed(roles=['ADMIN']).split('.')[1]}.{signature}"


@pytest.mark.parametrize(
    "header",
    [
        lambda: None,
        lambda: "",
        lambda: "Basic dXNlcjpwYXNz",
        lambda: "Bearer ",
        lambda: "Bearer not.a.token",
        lambda: "Bearer " + "x" * 9000,
        lambda: f"Bearer {signed(exp=int(time.time()) - 60)}",
        lambda: f"Bearer {signed(exp=None)}",
        lambda: f"Bearer {signed(iss='somebody-else')}",
        lambda: f"Bearer {signed(aud='another-service')}",
        lambda: f"Bearer {signed(sub=None)}",
        lambda: f"Bearer {signed('k2')}",
        lambda: f"Bearer {none_signed()}",
        lambda: f"Bearer {signed_with_the_public_key()}",
        lambda: f"Bearer {tampered()}",
    ],
)
def test_any_other_credential_is_refused_with_a_challenge(
    key_server: KeyServer, header: Callable[[], str | None]
) -> None:
    (outcome,) = verify(key_server, header())
    assert isinstance(outcome, ProblemError)
    assert outcome.kind.status == 401
    assert outcome.headers["WWW-Authenticate"].startswith("Bearer realm=")


def test_a_new_key_is_fetched_when_a_token_names_it(key_server: KeyServer) -> None:
    key_server.published = ["k1"]

    async def run() -> Principal:
        async with httpx2.AsyncClient() as client:
            keys = KeySet(client, key_server.url, 300, 0)
            verifier = TokenVerifier(keys, "leaky-tokens-auth", "leaky-tokens", 8)
            await verifier.principal(f"Bearer {signed('k1')}")
            key_server.published = ["k1", "k2"]
            return await verifier.principal(f"Bearer {signed('k2')}")

    assert asyncio.run(run()).user_id == ALICE
    assert key_server.asked == 2


def test_tokens_with_invented_keys_do_not_become_load_on_the_auth_server(
    key_server: KeyServer,
) -> None:
    forged = [f"Bearer {signed('k2', jti=str(number))}" for number in range(20)]
    outcomes = verify(key_server, f"Bearer {signed()}", *forged)
    assert [type(outcome) for outcome in outcomes] == [Principal, *[ProblemError] * 20]
    assert key_server.asked == 1


def test_a_verified_token_is_remembered_only_until_it_expires(key_server: KeyServer) -> None:
    async def run() -> ProblemError:
        async with httpx2.AsyncClient() as client:
            keys = KeySet(client, key_server.url, 300, 60)
            verifier = TokenVerifier(keys, "leaky-tokens-auth", "leaky-tokens", 8)
            # Within the leeway for clocks that differ: valid now, and not in a moment.
            header = f"Bearer {signed(exp=int(time.time()) - 4)}"
            await verifier.principal(header)
            while True:
                try:
                    await verifier.principal(header)
                except ProblemError as problem:
                    return problem
                await asyncio.sleep(0.05)

    assert asyncio.run(run()).detail == "the token has expired"


def test_without_an_auth_server_credentials_are_neither_accepted_nor_called_invalid() -> None:
    server = KeyServer()
    server.close()
    (outcome,) = verify(server, f"Bearer {signed()}")
    assert isinstance(outcome, ProblemError)
    assert (outcome.kind.status, outcome.kind.code) == (503, "keys-unavailable")


def test_an_admin_may_act_for_anyone_and_a_user_for_itself() -> None:
    other = "0b000000-0000-4000-8000-00000000000b"
    user = Principal(ALICE, frozenset({"USER"}))
    admin = Principal(ALICE, frozenset({"ADMIN"}))
    assert user.may_act_for(ALICE)
    assert not user.may_act_for(other)
    assert admin.may_act_for(other)
