"""A gateway with all that it talks to, as the processes they are, on topics of its own."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.servers import Servers
from tests.service_process import ServiceProcess, free_port, running

PASSWORD = "correct horse battery"
CONSUME = "/api/v1/tokens/consume"
QUOTA = "/api/v1/tokens/quota"
RESERVATIONS = "/api/v1/tokens/reservations"


@dataclass(frozen=True)
class User:
    """A registered user with a token of its own."""

    id: str
    headers: dict[str, str]


@dataclass
class System:
    """Addresses of a running system, and what tests do with it."""

    gateway: ServiceProcess
    accounts: ServiceProcess
    auth: ServiceProcess
    env: dict[str, str]
    client: httpx2.Client
    alias_port: int

    def register(self, name: str | None = None) -> User:
        """A new user; its account is as good as new."""
        name = name or f"u{uuid.uuid4().hex[:20]}"
        body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        return _user(httpx2.post(f"{self.auth.url}/api/v1/auth/register", json=body, timeout=30))

    def administrator(self) -> User:
        """A new user with role ADMIN."""
        name = f"a{uuid.uuid4().hex[:20]}"
        arguments = ["create-admin", "--username", name, "--email", f"{name}@example.org"]
        run_module(["auth", *arguments], self.env | {"LEAKY_ADMIN_PASSWORD": PASSWORD})
        body = {"username": name, "password": PASSWORD}
        return _user(httpx2.post(f"{self.auth.url}/api/v1/auth/login", json=body, timeout=30))

    def consume(
        self, user: User, *, headers: dict[str, str] | None = None, **fields: object
    ) -> httpx2.Response:
        """POST consume for the user itself: 10 tokens of openai unless `fields` say otherwise."""
        body = {"userId": user.id, "provider": "openai", "tokens": 10, **fields}
        return self.client.post(CONSUME, json=body, headers={**user.headers, **(headers or {})})

    def decide(
        self, user: User, *, headers: dict[str, str] | None = None, **fields: object
    ) -> httpx2.Response:
        """Like `consume`, without a call of the provider."""
        return self.consume(user, headers=headers, call=False, **fields)

    def reserve(
        self, user: User, *, headers: dict[str, str] | None = None, **fields: object
    ) -> httpx2.Response:
        """POST a reservation of 10 tokens of openai unless `fields` say otherwise."""
        body = {"userId": user.id, "provider": "openai", "tokens": 10, **fields}
        return self.client.post(RESERVATIONS, json=body, headers=user.headers | (headers or {}))

    def code(
        self,
        method: str,
        path: str,
        user: User,
        *,
        json: object = None,
        params: dict[str, str] | None = None,
    ) -> tuple[int, str]:
        """Status and problem code of a request that is refused."""
        answer = self.client.request(method, path, json=json, params=params, headers=user.headers)
        return answer.status_code, answer.json()["code"]

    def quota(self, user: User, provider: str = "openai") -> dict[str, Any]:
        """The body of the user's quota."""
        answer = self.client.get(
            QUOTA, params={"userId": user.id, "provider": provider}, headers=user.headers
        )
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def metrics(self) -> str:
        """The gateway's metrics."""
        return self.client.get("/metrics").text


@contextmanager
def running_gateway(
    env: dict[str, str], folder: Path, ready_path: str = "/health/ready", **settings: str
) -> Iterator[ServiceProcess]:
    """A gateway on a free port; `settings` are further LEAKY_ variables."""
    port = free_port()
    own = {"LEAKY_GATEWAY_PORT": str(port), "LEAKY_GATEWAY_ALIAS_PORT": "0", **settings}
    log = folder / f"gateway-{port}.log"
    with running(["-m", "gateway"], port, log, env | own, ready_path) as gateway:
        yield gateway


@contextmanager
def running_system(
    servers: Servers, postgres_dsn: str, folder: Path, **settings: str
) -> Iterator[System]:
    """Topics, policy, accounts pipeline, auth server, the openai stub, and a gateway."""
    auth_port, stub_port, metrics_port = free_port(), free_port(), free_port()
    env = {
        "LEAKY_KAFKA_BOOTSTRAP_SERVERS": servers.kafka_bootstrap_servers,
        "LEAKY_TOPICS_PREFIX": f"gateway-{uuid.uuid4().hex[:8]}-",
        "LEAKY_POSTGRES_DSN": postgres_dsn,
        "LEAKY_DATA_DIR": str(folder / "data"),
        "LEAKY_AUTH_PORT": str(auth_port),
        "LEAKY_AUTH_URL": f"http://127.0.0.1:{auth_port}",
        "LEAKY_OPENAI_PORT": str(stub_port),
        "LEAKY_OPENAI_URL": f"http://127.0.0.1:{stub_port}",
        "LEAKY_METRICS_PORT": str(metrics_port),
    }
    run_module(["topics", "create"], env)
    with ExitStack() as stack:

        def start(arguments: list[str], port: int, name: str) -> ServiceProcess:
            log = folder / f"{name}.log"
            return stack.enter_context(running(["-m", *arguments], port, log, env, "/health/ready"))

        accounts = start(["pipelines.accounts"], metrics_port, "accounts")
        auth = start(["auth"], auth_port, "auth")
        start(["providers", "--name", "openai"], stub_port, "openai")
        alias_port = free_port()
        settings = {"LEAKY_GATEWAY_ALIAS_PORT": str(alias_port), **settings}
        gateway = stack.enter_context(running_gateway(env, folder, **settings))
        client = stack.enter_context(httpx2.Client(base_url=gateway.url, timeout=30))
        yield System(gateway, accounts, auth, env, client, alias_port)


def run_module(arguments: list[str], env: dict[str, str]) -> str:
    """`python -m ARGUMENTS…` to its end; what it printed. Raises when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        env=os.environ | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def _user(answer: httpx2.Response) -> User:
    assert answer.is_success, answer.text
    body = answer.json()
    return User(body["userId"], {"Authorization": f"Bearer {body['token']}"})
