"""The auth server as a process, for as long as a test needs it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import jwt

from tests.service_process import ServiceProcess, free_port, running

PASSWORD = "correct horse battery"


@contextmanager
def auth_server(dsn: str, folder: Path, **env: str) -> Iterator[ServiceProcess]:
    port = free_port()
    folder.mkdir(exist_ok=True)
    settings = {
        "LEAKY_POSTGRES_DSN": dsn,
        "LEAKY_AUTH_PORT": str(port),
        "LEAKY_DATA_DIR": str(folder / "data"),
        "LEAKY_LOG_LEVEL": "debug",
        **env,
    }
    log = folder / f"auth-{port}.log"
    with running(["-m", "auth"], port, log, settings, "/health/ready") as server:
        yield server


def run_auth(dsn: str, folder: Path, *arguments: str, **env: str) -> tuple[int, str]:
    """`python -m auth ARGUMENTS…`: exit code and everything it said."""
    settings = {"LEAKY_POSTGRES_DSN": dsn, "LEAKY_DATA_DIR": str(folder / "data"), **env}
    done = subprocess.run(
        [sys.executable, "-m", "auth", *arguments],
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=150,
        check=False,
    )
    return done.returncode, done.stdout


def register(
    client: httpx2.Client, username: str, email: str | None = None, password: str = PASSWORD
) -> httpx2.Response:
    body = {"username": username, "email": email or f"{username}@b.example", "password": password}
    return client.post("/api/v1/auth/register", json=body)


def log_in(client: httpx2.Client, username: str, password: str = PASSWORD) -> httpx2.Response:
    body = {"username": username, "password": password}
    return client.post("/api/v1/auth/login", json=body)


def verified_claims(client: httpx2.Client, token: str) -> dict[str, Any]:
    """The claims of a token, checked as any service would: by the published keys."""
    keys = jwt.PyJWKSet.from_dict(client.get("/oauth2/jwks").json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, Any] = jwt.decode(
        token, key, algorithms=["RS256"], audience="leaky-tokens", issuer="leaky-tokens-auth"
    )
    return claims
